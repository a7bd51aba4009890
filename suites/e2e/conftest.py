"""The end-to-end suite needs the app's libraries and, for some of its tests, the larger model."""

import importlib.util
import os
from pathlib import Path

import pytest

from evolve.core.model.extras import install_command

HERE = Path(__file__).parent
LIBRARIES = ("fastapi", "prometheus_client", "uvicorn")


def _missing_libraries() -> str:
    missing = [name for name in LIBRARIES if importlib.util.find_spec(name) is None]
    return f"needs {', '.join(missing)}: {install_command('app_test')}" if missing else ""


# Everything here imports the app; `tox run -e app` has what that takes.
collect_ignore_glob = ["*"] if _missing_libraries() else []


def pytest_report_header() -> str | None:
    """Return what is left out here, and the command that helps."""
    reason = _missing_libraries()
    return f"end-to-end tests of the app are left out: {reason}" if reason else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skips what needs the larger model where it is not there, with the command that fetches it."""
    for item in items:
        if item.path.parent == HERE and item.name.endswith("[large]") and (why := _missing_model()):
            item.add_marker(pytest.mark.skip(why))
        if item.path.parent == HERE and "voice in" in item.name and (why := _missing_voice()):
            item.add_marker(pytest.mark.skip(why))


def _missing_voice() -> str:
    """Where EVOLVE_REQUIRE lists `voice`, the test fails instead, with the agent's own reason."""
    from evolve.system.cache_folder import cache_folder
    from pipecatapp.voice.installed import installed_voice, missing

    is_required = "voice" in os.environ.get("EVOLVE_REQUIRE", "").replace(",", " ").split()
    return "" if is_required else missing(installed_voice(cache_folder(os.environ)))


def _missing_model() -> str:
    from fixtures.e2e_app import large_model

    return "" if large_model().is_file() else "needs the larger model: ./bootstrap.sh model large"
