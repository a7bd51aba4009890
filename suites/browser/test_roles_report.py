"""The page of a verification of roles in a real browser: links to evidence, widths, themes, accessibility."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from evolve.report.roles.html import write_roles_html
from fixtures.verification_runs import verification

EVIL = "<img src=x onerror=alert(1)></script><script>alert(1)</script>"


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "roles.html"
    write_roles_html(str(path), verification())
    return path


class Opened:
    """One page with what it asked for and complained of."""

    def __init__(self, browser: Any, report: Path, fragment: str = "", **settings: Any) -> None:
        self.context = browser.new_context(**{"viewport": {"width": 1400, "height": 900}, **settings})
        self.page = self.context.new_page()
        self.page.set_default_timeout(10_000)
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: self.complaints.append(f"dialog: {dialog.message}"))
        self.page.goto(report.as_uri() + fragment)

    def cell(self, row: str, check: str) -> Any:
        return self.page.locator(f"#matrix a[href='#{row}/{check}']")

    def place(self, name: str) -> Any:
        return self.page.locator(f"details[id='{name}']")


@pytest.fixture
def opened(browser: Any, report: Path) -> Iterator[Opened]:
    found = Opened(browser, report)
    yield found
    found.context.close()


def test_nothing_leaves_the_page_and_nothing_complains(opened: Opened, report: Path) -> None:
    opened.cell("mqtt@bookworm", "idempotence").click()
    opened.page.locator("#theme").click()
    assert [url for url in opened.requests if url.partition("#")[0] != report.as_uri()] == []
    assert opened.complaints == []


def test_a_cell_leads_to_its_tasks_and_opens_them(opened: Opened) -> None:
    place = opened.place("mqtt@bookworm/converge")
    assert place.get_attribute("open") is None
    opened.cell("mqtt@bookworm", "converge").click()
    place.locator("tbody tr").first.wait_for()
    assert place.locator("tbody tr").count() == 4
    assert "roles/mqtt/tasks/install.yml:2" in place.inner_text()
    assert opened.page.evaluate("document.activeElement.parentElement.id") == "mqtt@bookworm/converge"


def test_a_cell_leads_there_again_after_its_place_was_closed(opened: Opened) -> None:
    opened.cell("mqtt@bookworm", "converge").click()
    place = opened.place("mqtt@bookworm/converge")
    place.locator("summary").first.click()
    assert place.get_attribute("open") is None
    opened.cell("mqtt@bookworm", "converge").click()
    place.locator("tbody tr").first.wait_for()


def test_a_link_from_elsewhere_opens_its_place(browser: Any, report: Path) -> None:
    found = Opened(browser, report, "#consul@bullseye/interruption")
    found.place("consul@bullseye/interruption").get_by_text("killed after task 7 of 12 (seed 4711)").wait_for()
    found.context.close()


def test_a_failure_shows_its_reason_and_its_diff(opened: Opened) -> None:
    opened.page.locator("#failures").get_by_role("link", name="mqtt on bookworm: idempotence").click()
    place = opened.place("mqtt@bookworm/idempotence")
    assert "2 tasks changed something in the second converge" in place.locator(".fault").inner_text()
    place.get_by_text("What changed", exact=True).click()
    assert place.locator("pre ins").all_inner_texts()[-1] == "+listener 1884"


@pytest.mark.parametrize("width", [360, 390, 820, 1400])
def test_nothing_is_wider_than_the_page(browser: Any, report: Path, width: int) -> None:
    found = Opened(browser, report, viewport={"width": width, "height": 800})
    found.cell("mqtt@bookworm", "converge").click()
    assert found.page.evaluate("document.documentElement.scrollWidth") <= width
    found.context.close()


def test_the_whole_matrix_is_seen_at_once_on_a_wide_screen(opened: Opened) -> None:
    box = opened.page.locator(".table.roles")
    assert box.evaluate("node => node.scrollWidth <= node.clientWidth")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1400])
def test_axe_finds_no_serious_fault(browser: Any, report: Path, serious_faults: Any, scheme: str, width: int) -> None:
    # axe puts its own script into the page, which the report's policy rightly refuses.
    settings = {"viewport": {"width": width, "height": 900}, "color_scheme": scheme, "bypass_csp": True}
    found = Opened(browser, report, **settings)
    for check in ("converge", "interruption"):
        found.cell("mqtt@bookworm", check).click()
    found.page.get_by_text("What changed", exact=True).first.click()
    assert serious_faults(found.page) == []
    found.context.close()


def test_captured_markup_is_shown_as_text_and_runs_nothing(browser: Any, tmp_path: Path) -> None:
    whole = verification()
    results = [replace(result, reason=EVIL, evidence={EVIL: EVIL}) for result in whole.results]
    path = tmp_path / "roles.html"
    write_roles_html(str(path), replace(whole, results=results, machine=EVIL, command=EVIL))
    found = Opened(browser, path)
    assert found.complaints == []
    assert found.page.locator("img").count() == 0
    assert EVIL in found.page.locator("#failures").inner_text()
    found.context.close()


def test_the_theme_is_kept(opened: Opened) -> None:
    opened.page.locator("#theme").click()
    opened.page.locator("#theme").click()
    opened.page.reload()
    assert opened.page.locator("html").get_attribute("data-theme") == "dark"


def test_without_javascript_a_cell_still_leads_to_its_place(browser: Any, report: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(report.as_uri())
    page.locator("#matrix a[href='#mqtt@bookworm/idempotence']").click()
    assert page.locator("details[id='mqtt@bookworm/idempotence'] .fault").is_visible()
    context.close()
