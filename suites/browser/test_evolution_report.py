"""The page of an evolution in a real browser: links to evidence, keyboard, widths, accessibility, following a run."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from evolve.core.evolution.candidate import compare
from evolve.core.evolution.summary import EvolutionSummary, fold
from evolve.core.model.evolution_events import EvolutionStarted, RolloutScored
from evolve.report.evolution.html import write_evolution_html
from evolve.report.evolution.live import LivePage
from fixtures.evolution_runs import evolution_events, killed_events, nothing_better_events

EVIL = "<img src=x onerror=alert(1)></script><script>alert(1)</script>"


@pytest.fixture(scope="module")
def run() -> EvolutionSummary:
    return fold(evolution_events())


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "evolution.html"
    write_evolution_html(path, evolution_events())
    return path


class Opened:
    """One page with what it asked for and complained of."""

    def __init__(self, browser: Any, address: str, **settings: Any) -> None:
        self.context = browser.new_context(**{"viewport": {"width": 1400, "height": 900}, **settings})
        self.page = self.context.new_page()
        self.page.set_default_timeout(10_000)
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: self.complaints.append(f"dialog: {dialog.message}"))
        self.page.goto(address)
        self.page.wait_for_selector("#tree tbody tr")

    def show_matrix(self) -> Any:
        self.page.locator("#matrix").scroll_into_view_if_needed()
        self.page.wait_for_selector(".matrix canvas")
        return self.page.locator(".matrix")

    @property
    def dialog(self) -> Any:
        return self.page.locator("dialog[open]")


@pytest.fixture
def opened(browser: Any, report: Path) -> Iterator[Opened]:
    found = Opened(browser, report.as_uri())
    yield found
    found.context.close()


def test_nothing_leaves_the_page_and_nothing_complains(opened: Opened, report: Path) -> None:
    opened.show_matrix()
    opened.page.locator("#tree a").first.click()
    opened.dialog.wait_for()
    opened.page.keyboard.press("Escape")
    opened.page.locator("#theme").click()
    assert [url for url in opened.requests if url.partition("#")[0] != report.as_uri()] == []
    assert opened.complaints == []


def test_a_candidate_opens_to_its_diff_note_and_rows(opened: Opened, run: EvolutionSummary) -> None:
    leader = run.leader
    assert leader is not None
    opened.page.locator("#tree").get_by_role("link", name=leader.info.id, exact=True).click()
    found = opened.dialog.inner_text()
    assert leader.info.note in found
    assert f"Changed from {leader.info.parents[0]}" in found
    assert opened.dialog.locator(".diff .added").count() >= 1
    assert opened.dialog.locator("table").last.locator("tbody tr").count() == len(leader.cells)


def test_rows_are_chosen_by_what_became_of_them(opened: Opened, run: EvolutionSummary) -> None:
    assert run.leader is not None
    assert run.incumbent is not None
    opened.page.goto(f"{opened.page.url}#candidate/{run.leader.info.id}")
    won = sum(compare(run.incumbent, run.leader, split).won for split in ("train", "gate"))
    opened.dialog.get_by_role("button", name=f"won {won}").click()
    results = opened.dialog.locator("table").last.locator("tbody tr td:first-child").all_inner_texts()
    assert len(results) == won
    assert {text.split()[-1] for text in results} == {"pass"}


def test_a_failing_case_leads_to_its_evidence(opened: Opened, run: EvolutionSummary) -> None:
    opened.page.locator("#failing a").first.click()
    assert run.finished is not None
    task = run.tasks[run.finished.still_failing[0]]
    found = opened.dialog.inner_text()
    assert task.description in found
    assert f"expected {task.accepted[0]}" in found
    assert '"stderr"' in found


def test_a_pair_of_the_gate_leads_to_both_answers(opened: Opened, run: EvolutionSummary) -> None:
    links = opened.page.locator("#gate tbody tr").first.locator("a")
    hrefs = [link.get_attribute("href") for link in links.all()]
    assert run.gate is not None
    assert run.incumbent is not None
    task = run.gate.decision.discordant[0].task
    assert hrefs == [f"#case/{run.incumbent.info.id}/{task}", f"#case/{run.gate.candidate}/{task}"]


def test_back_leads_through_what_was_opened_and_escape_closes(opened: Opened, run: EvolutionSummary) -> None:
    opened.page.locator("#failing a").first.click()
    title = opened.page.locator("#dialog-title")
    first = title.inner_text()
    opened.dialog.locator("p.lead a").click()
    opened.page.wait_for_function("text => document.getElementById('dialog-title').innerText !== text", arg=first)
    opened.dialog.get_by_role("button", name="Back").click()
    opened.page.wait_for_function("text => document.getElementById('dialog-title').innerText === text", arg=first)
    opened.page.keyboard.press("Escape")
    # The dialog reports that it is closed a moment later, which takes its address away.
    opened.page.wait_for_function("() => !location.hash && !document.querySelector('dialog[open]')")


def test_a_link_from_elsewhere_opens_its_evidence(browser: Any, report: Path, run: EvolutionSummary) -> None:
    assert run.leader is not None
    task = next(iter(run.leader.cells))
    found = Opened(browser, f"{report.as_uri()}#case/{run.leader.info.id}/{task}")
    found.dialog.wait_for()
    assert run.tasks[task].description in found.dialog.inner_text()
    found.context.close()


@pytest.mark.parametrize("address", ["#candidate/none", "#case/x/y", "#case", "#candidate/%E0%A4%A", "#gate"])
def test_a_link_to_nothing_opens_nothing(browser: Any, report: Path, address: str) -> None:
    found = Opened(browser, report.as_uri() + address)
    assert found.dialog.count() == 0
    assert found.complaints == []
    found.context.close()


def test_the_matrix_is_walked_and_opened_by_keyboard(opened: Opened, run: EvolutionSummary) -> None:
    opened.show_matrix().focus()
    for key in ("ArrowDown", "ArrowRight", "ArrowRight", "End"):
        opened.page.keyboard.press(key)
    said = opened.page.locator(".readout").inner_text()
    last = list(run.candidates)[-1]
    assert last in said
    opened.page.keyboard.press("Enter")
    opened.dialog.wait_for()
    assert last in opened.dialog.inner_text()
    opened.page.keyboard.press("Escape")
    opened.page.wait_for_function("() => document.activeElement.className === 'matrix'")


def test_a_cell_of_the_matrix_opens_its_evidence(opened: Opened, run: EvolutionSummary) -> None:
    opened.show_matrix().click(position={"x": 235, "y": 100})
    opened.dialog.wait_for()
    assert run.incumbent is not None
    assert f"answered by {run.incumbent.info.id}" in opened.dialog.inner_text()


def test_cases_that_nobody_was_asked_are_shown_when_they_are_asked_for(opened: Opened) -> None:
    opened.show_matrix()
    space = "document.querySelector('.matrix .space').offsetHeight"
    before = opened.page.evaluate(space)
    opened.page.get_by_role("button", name="show 16 cases that nobody was asked").click()
    assert opened.page.evaluate(space) > before + 16 * 12


def test_passes_and_failures_have_shapes_of_their_own(opened: Opened) -> None:
    opened.show_matrix()
    covered = opened.page.evaluate(
        """() => Object.fromEntries([...document.querySelectorAll('#matrix .legend span')].map(span => {
             const icon = span.querySelector('canvas'), {data} = icon.getContext('2d').getImageData(0, 0, 32, 32);
             return [span.textContent, data.filter((value, at) => at % 4 === 3 && value > 128).length];
           }))"""
    )
    assert covered["pass"] > covered["harmful"] > covered["fail"] > covered["not asked"] > 0
    assert covered["pass"] > covered["mixed"] > covered["fail"]


def test_the_curve_has_a_mark_for_each_score(opened: Opened, run: EvolutionSummary) -> None:
    assert opened.page.locator("svg.curve a").count() == len(run.curve)
    assert opened.page.locator("svg.curve .best").count() == 1


def test_the_tree_can_show_the_winners_line_alone(opened: Opened, run: EvolutionSummary) -> None:
    opened.page.get_by_role("button", name="the winner's line").click()
    shown = opened.page.locator("#tree tbody .who > a").all_inner_texts()
    assert run.leader is not None
    assert shown[-1] == run.leader.info.id
    assert len(shown) == 4


@pytest.mark.parametrize("width", [390, 820, 1400])
def test_nothing_is_wider_than_the_page(browser: Any, report: Path, run: EvolutionSummary, width: int) -> None:
    found = Opened(browser, report.as_uri(), viewport={"width": width, "height": 800})
    found.show_matrix()
    assert found.page.evaluate("document.documentElement.scrollWidth") <= width
    assert run.leader is not None
    found.page.goto(f"{report.as_uri()}#candidate/{run.leader.info.id}")
    assert found.page.evaluate("document.querySelector('.dialog-body').scrollWidth") <= width
    found.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1400])
def test_axe_finds_no_serious_fault(
    browser: Any, report: Path, run: EvolutionSummary, serious_faults: Any, scheme: str, width: int
) -> None:
    # axe puts its own script into the page, which the report's policy rightly refuses.
    settings = {"viewport": {"width": width, "height": 900}, "color_scheme": scheme, "bypass_csp": True}
    found = Opened(browser, report.as_uri(), **settings)
    found.show_matrix()
    assert serious_faults(found.page) == []
    assert run.leader is not None
    for address in (f"#candidate/{run.leader.info.id}", f"#case/{run.leader.info.id}/{next(iter(run.leader.cells))}"):
        found.page.goto(report.as_uri() + address)
        found.dialog.wait_for()
        assert serious_faults(found.page) == []
    found.context.close()


@pytest.mark.parametrize("events", [killed_events, nothing_better_events, list])
def test_a_run_that_is_not_whole_draws_what_there_is(browser: Any, tmp_path: Path, events: Any) -> None:
    path = tmp_path / "evolution.html"
    write_evolution_html(path, events())
    context = browser.new_context()
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(path.as_uri())
    page.locator("#matrix").scroll_into_view_if_needed()
    for name in ("curve", "tree", "matrix"):
        page.locator(f"#{name} .drawing > :not(noscript)").first.wait_for()
    assert complaints == []
    context.close()


def test_captured_text_is_shown_as_text(browser: Any, tmp_path: Path) -> None:
    def hostile(event: Any) -> Any:
        if isinstance(event, EvolutionStarted):
            return replace(
                event, tasks=tuple(replace(t, description=EVIL, family=EVIL, shown=EVIL) for t in event.tasks)
            )
        return replace(event, reason=EVIL, output=EVIL) if isinstance(event, RolloutScored) else event

    events = [hostile(event) for event in evolution_events()]
    path = tmp_path / "evolution.html"
    write_evolution_html(path, events)
    found = Opened(browser, path.as_uri())
    found.page.locator("#failing a").first.click()
    assert found.dialog.inner_text().count("<img src=x onerror=alert(1)>") >= 3
    assert found.page.locator("img").count() == 0
    assert found.complaints == []
    found.context.close()


def test_without_javascript_the_answers_are_there(browser: Any, report: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(report.as_uri())
    for name in ("What changed in the prompt", "The gate", "What still fails", "What it cost"):
        assert page.get_by_role("heading", name=name).is_visible()
    assert page.get_by_text("Did it get better, and by how much?").is_visible()
    context.close()


def test_the_live_page_follows_the_run_and_keeps_what_is_open(browser: Any) -> None:
    events = list(evolution_events())
    with LivePage() as live:
        for event in events[:150]:
            live.add(event)
        found = Opened(browser, live.url)
        assert "Not finished" in found.page.locator(".verdict").inner_text()
        before = found.page.locator("#tree tbody tr").count()
        found.page.locator("#tree a").first.click()
        for event in events[150:]:
            live.add(event)
        found.page.locator(".verdict", has_text="Better, not proven").wait_for()
        assert found.dialog.count() == 1
        assert found.page.locator("#tree tbody tr").count() > before
        assert found.page.locator("#gate tbody tr").count() == 15
        assert found.complaints == []
        found.context.close()


def test_a_live_page_whose_run_was_killed_says_so(browser: Any) -> None:
    live = LivePage(linger_s=0.0)
    for event in killed_events():
        live.add(event)
    found = Opened(browser, live.url)
    live.close()
    found.page.get_by_text("The run no longer answers").wait_for()
    found.context.close()
