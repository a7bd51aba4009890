"""The browser that the tests of pages share."""

import os
import shutil
from collections.abc import Iterator
from typing import Any, NoReturn

import pytest

from evolve.core.model.extras import install_command

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


def needs_browser(what: str) -> NoReturn:
    """Skips; a failure where EVOLVE_REQUIRE lists `browser`."""
    message = f"needs browser: {what}"
    if "browser" in os.environ.get("EVOLVE_REQUIRE", "").replace(",", " ").split():
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    executable = next((path for name in NAMES if (path := shutil.which(name))), None)
    if executable is None:
        needs_browser(f"none of {', '.join(NAMES)} is on the PATH")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        needs_browser(install_command("browser"))
    with sync_playwright() as playwright:
        # Chromium's own sandbox needs rights that containers and root do not give; the page is our own file.
        opened = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def serious_faults() -> Any:
    """What axe finds on a page that is serious or worse."""
    try:
        from axe_playwright_python.sync_playwright import Axe
    except ImportError:
        needs_browser(install_command("browser"))

    def faults(page: Any) -> list[str]:
        return [
            f"{fault['id']}: {fault['help']}: {[node['target'] for node in fault['nodes']][:3]}"
            for fault in Axe().run(page).response["violations"]
            if fault["impact"] in ("serious", "critical")
        ]

    return faults
