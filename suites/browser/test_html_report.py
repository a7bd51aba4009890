"""The HTML report in a real browser: filters, links, keyboard, print, accessibility, and nothing leaves the page."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from evolve.report.suites.html import write_html
from fixtures.report_runs import matrix_run, report_run

TESTS = 450


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    write_html(str(path), report_run(TESTS), command="evolve run suites/agents/reflection.yaml")
    return path


class Opened:
    """One page with what it asked for and complained of."""

    def __init__(self, browser: Any, report: Path, **settings: Any) -> None:
        self.context = browser.new_context(**settings)
        self.page = self.context.new_page()
        self.page.set_default_timeout(10_000)
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.goto(report.as_uri())
        self.page.wait_for_selector("tr.row")

    def states(self) -> set[str]:
        return set(self.page.locator("tr.row .state").all_inner_texts())

    @property
    def count(self) -> str:
        return str(self.page.locator(".count").inner_text())


@pytest.fixture
def opened(browser: Any, report: Path) -> Iterator[Opened]:
    found = Opened(browser, report, viewport={"width": 1400, "height": 900})
    yield found
    found.context.close()


def test_nothing_leaves_the_page_and_nothing_complains(opened: Opened, report: Path) -> None:
    opened.page.locator(".toggle").first.click()
    opened.page.locator("#theme").click()
    assert opened.requests == [report.as_uri()]
    assert opened.complaints == []


def test_failures_come_first(opened: Opened) -> None:
    shown = opened.page.locator("tr.row .state").all_inner_texts()
    assert shown[0] == "! error"
    assert shown == sorted(shown)
    assert opened.count == f"{TESTS} results"


def test_results_are_filtered_by_state(opened: Opened) -> None:
    opened.page.locator("[data-state=fail]").click()
    assert opened.states() == {"✗ fail"}
    opened.page.locator("[data-state=error]").click()
    assert opened.states() == {"! error", "✗ fail"}
    opened.page.get_by_role("button", name="Clear").click()
    assert opened.count == f"{TESTS} results"


def test_results_are_filtered_by_text(opened: Opened) -> None:
    opened.page.get_by_label("Search").fill("POSTGRES no space")
    opened.page.locator(".count", has_text=f" of {TESTS}").wait_for()
    names = opened.page.locator("tr.row .toggle").all_inner_texts()
    assert names
    assert all("postgres" in name for name in names)


@pytest.mark.parametrize(
    ("label", "option"), [("Provider and prompt", "qwen · "), ("Metadata", "split = gate"), ("Metric", "accuracy")]
)
def test_results_are_filtered_by_choice(opened: Opened, label: str, option: str) -> None:
    choice = opened.page.locator("label", has_text=label).locator("select").first
    wanted = next(text for text in choice.locator("option").all_inner_texts() if text.startswith(option))
    choice.select_option(label=wanted)
    expected = wanted.rpartition("(")[2].rstrip(")")
    assert opened.count.startswith(f"{expected} of {TESTS}")


def test_a_name_in_the_tables_filters(opened: Opened) -> None:
    opened.page.get_by_role("button", name="train").click()
    assert " of 450 results" in opened.count


def test_nothing_found_is_said(opened: Opened) -> None:
    opened.page.get_by_label("Search").fill("no such words anywhere")
    opened.page.get_by_text("No result matches these filters.").wait_for()


def test_a_row_opens_to_all_of_it_by_keyboard(opened: Opened) -> None:
    opened.page.locator("[data-state=fail]").click()
    toggle = opened.page.locator(".toggle").first
    toggle.focus()
    opened.page.keyboard.press("Enter")
    detail = opened.page.locator("tr.detail")
    for heading in ("Output", "Prompt as sent", "Variables", "Expected", "Got and why"):
        assert detail.get_by_text(heading, exact=True).count() == 1
    assert "got: " in detail.inner_text()
    assert toggle.get_attribute("aria-expanded") == "true"
    opened.page.keyboard.press("Enter")
    assert detail.count() == 0
    assert opened.page.evaluate("document.activeElement.className") == "toggle"


def test_a_link_opens_its_row_on_its_page(browser: Any, report: Path, opened: Opened) -> None:
    opened.page.get_by_role("button", name="Next").click()
    opened.page.locator(".toggle").nth(40).click()
    address = opened.page.url
    again = opened.context.new_page()
    again.goto(address)
    again.wait_for_selector("tr.detail")
    assert again.locator("tr.row.open .toggle").inner_text() == opened.page.locator("tr.row.open .toggle").inner_text()
    assert again.locator(".pager").get_by_text("Page 2 of 5").count() == 1


def test_print_has_all_failures_and_no_controls(opened: Opened) -> None:
    opened.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    opened.page.emulate_media(media="print")
    tally = sum(
        int(opened.page.locator(f"[data-state={name}]").text_content().split()[-1]) for name in ("fail", "error")
    )
    assert opened.page.locator("#print article").count() == tally
    assert opened.page.locator("#print").is_visible()
    assert not opened.page.locator(".filters").is_visible()
    assert not opened.page.locator("#theme").is_visible()


@pytest.mark.parametrize("width", [360, 820, 1400])
def test_nothing_is_wider_than_the_page(browser: Any, report: Path, width: int) -> None:
    found = Opened(browser, report, viewport={"width": width, "height": 800})
    found.page.locator("[data-state=fail]").click()
    found.page.locator(".toggle").first.click()
    assert found.page.evaluate("document.documentElement.scrollWidth") <= width
    found.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1400])
def test_axe_finds_no_serious_fault(browser: Any, report: Path, serious_faults: Any, scheme: str, width: int) -> None:
    # axe puts its own script into the page, which the report's policy rightly refuses.
    settings = {"viewport": {"width": width, "height": 900}, "color_scheme": scheme, "bypass_csp": True}
    found = Opened(browser, report, **settings)
    found.page.locator("[data-state=fail]").click()
    found.page.locator(".toggle").first.click()
    assert serious_faults(found.page) == []
    found.context.close()


def test_the_theme_is_kept(opened: Opened, report: Path) -> None:
    opened.page.locator("#theme").click()
    opened.page.locator("#theme").click()
    assert opened.page.locator("html").get_attribute("data-theme") == "dark"
    opened.page.reload()
    assert opened.page.locator("html").get_attribute("data-theme") == "dark"


def test_without_javascript_the_failures_are_listed(browser: Any, report: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(report.as_uri())
    assert page.get_by_role("heading", name="Failures").is_visible()
    assert page.locator("noscript li, li").count() > 10
    context.close()


# --- the matrix


@pytest.fixture(scope="module")
def matrix_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("matrix") / "report.html"
    write_html(str(path), matrix_run(120))
    return path


@pytest.fixture
def matrix(browser: Any, matrix_report: Path) -> Iterator[Any]:
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    page = context.new_page()
    page.set_default_timeout(10_000)
    page.goto(matrix_report.as_uri())
    page.wait_for_selector("td.cell")
    yield page
    context.close()


def test_tests_are_rows_and_columns_are_providers_with_prompts(matrix: Any) -> None:
    heads = matrix.locator(".matrix thead th").all_inner_texts()
    assert heads[0] == "Test"
    assert len(heads) == 5
    assert heads[1].startswith("smollm2-135m · REFLECTION_AGENT")
    assert " of 120 passed" in heads[1]
    assert matrix.locator("tr.test").count() == 50
    assert matrix.locator("tr.test").first.locator("td.cell .out").count() > 0
    assert matrix.locator(".count").inner_text() == "480 results in 120 tests"


def test_a_cell_opens_and_closes_by_keyboard(matrix: Any) -> None:
    button = matrix.locator(".expand").first
    button.focus()
    matrix.keyboard.press("Enter")
    detail = matrix.locator("tr.detail")
    for heading in ("Output", "Prompt as sent", "Variables"):
        assert detail.get_by_text(heading, exact=True).count() == 1
    assert "Stop reason" in matrix.locator("tr.detail").inner_text() or detail.get_by_text("no answer").count() == 1
    assert matrix.evaluate("document.activeElement.getAttribute('aria-expanded')") == "true"
    matrix.keyboard.press("Enter")
    assert detail.count() == 0


def test_arrow_keys_move_between_cells(matrix: Any) -> None:
    matrix.locator("tr.test td:nth-of-type(1) .expand").first.focus()
    place = (
        "(() => { const c = document.activeElement.closest('td'); return [c.parentElement.rowIndex, c.cellIndex]; })()"
    )
    line, cell = matrix.evaluate(place)
    matrix.keyboard.press("ArrowRight")
    matrix.keyboard.press("ArrowDown")
    assert matrix.evaluate(place) == [line + 1, cell + 1]


def test_filters_keep_the_tests_that_have_such_a_result(matrix: Any) -> None:
    matrix.locator("[data-state=error]").click()
    lines = matrix.locator("tr.test")
    assert 0 < lines.count() < 50
    for line in lines.all():
        assert "! error" in line.locator("td.cell:not(.other) .state").all_inner_texts()
        assert line.locator("td.cell").count() == 4
    matrix.get_by_role("button", name="Clear").click()
    providers = matrix.locator("select").filter(has=matrix.get_by_text("qwen (240)", exact=True))
    providers.select_option(label="qwen (240)")
    assert matrix.locator(".matrix thead th").count() == 3


def test_the_search_marks_what_it_found_and_names_where_the_rest_is(matrix: Any) -> None:
    matrix.get_by_label("Search").fill("WAIT_dependency pid=3")
    matrix.locator(".count", has_text=" of ").wait_for()
    marked = {text.lower() for text in matrix.locator("td.cell .out mark").all_inner_texts()}
    assert marked == {"wait_dependency"}
    assert "found in: prompt, variables" in matrix.locator("td.cell .notes").first.inner_text()
    matrix.locator("td.cell:not(.other) .expand").first.click()
    assert "pid=3" in matrix.locator("tr.detail mark").all_inner_texts()


def test_an_output_is_copied_as_it_is(matrix: Any) -> None:
    matrix.context.grant_permissions(["clipboard-read", "clipboard-write"])
    first = matrix.locator("td.cell").filter(has=matrix.locator(".out")).first
    wanted = first.locator(".out").inner_text()
    first.get_by_role("button", name="Copy output").click()
    matrix.get_by_text("Copied").first.wait_for()
    assert matrix.evaluate("navigator.clipboard.readText()") == wanted


def test_the_list_is_one_click_away(matrix: Any) -> None:
    matrix.locator("[data-view=list]").click()
    assert matrix.locator("tr.row").count() == 100
    matrix.locator("[data-view=matrix]").click()
    assert matrix.locator("tr.test").count() == 50


def test_the_scores_have_pictures_with_their_numbers_in_words(matrix: Any) -> None:
    charts = matrix.locator("svg.chart")
    assert charts.count() == 5
    assert "passed" in charts.first.get_attribute("aria-label")


@pytest.mark.parametrize("width", [360, 1400])
def test_a_wide_matrix_scrolls_in_its_own_box(browser: Any, matrix_report: Path, width: int) -> None:
    page = browser.new_page(viewport={"width": width, "height": 800})
    page.goto(matrix_report.as_uri())
    page.locator(".expand").first.click()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_fault_in_the_matrix(
    browser: Any, matrix_report: Path, serious_faults: Any, scheme: str
) -> None:
    context = browser.new_context(viewport={"width": 1400, "height": 900}, color_scheme=scheme, bypass_csp=True)
    page = context.new_page()
    page.goto(matrix_report.as_uri())
    page.get_by_label("Search").fill("wait_dependency")
    page.locator("mark").first.wait_for()
    page.locator(".expand").first.click()
    assert serious_faults(page) == []
    context.close()
