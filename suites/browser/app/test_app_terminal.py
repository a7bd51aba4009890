"""The terminal: its lines, the filter, clearing and undo, and that ten thousand lines do not slow the keyboard."""

from typing import Any

import pytest

from fixtures.app_pages import AppPage
from fixtures.page_server import PageServer, log_lines
from pipecatapp.wire.agent_events import LogLevel, LogLine

MANY = 10_000
AT_END = """() => {
  const log = document.getElementById("log");
  return log.scrollHeight - log.clientHeight - log.scrollTop < 2;
}"""


def _wait_for_count(opened: AppPage, text: str) -> None:
    opened.page.wait_for_function("text => document.getElementById('terminal-count').textContent === text", arg=text)


def _levels(opened: AppPage) -> set[str]:
    return set(opened.page.locator(".line b").all_inner_texts())


def test_lines_are_filtered_by_level(opened: AppPage, server: PageServer) -> None:
    server.send(*log_lines(40))
    _wait_for_count(opened, "30 of 40 lines")
    assert _levels(opened) == {"info", "warning", "error"}
    for level, count, levels in (
        ("debug", "40 lines", {"debug", "info", "warning", "error"}),
        ("warning", "20 of 40 lines", {"warning", "error"}),
        ("error", "10 of 40 lines", {"error"}),
    ):
        opened.page.locator("#level").select_option(level)
        _wait_for_count(opened, count)
        assert _levels(opened) == levels


def test_clear_terminal_and_undo(opened: AppPage, server: PageServer) -> None:
    server.send(*log_lines(40))
    _wait_for_count(opened, "30 of 40 lines")
    opened.page.get_by_role("button", name="Clear terminal").click()
    _wait_for_count(opened, "0 lines")
    assert opened.page.locator(".line").count() == 0
    server.send(LogLine(2e9, LogLevel.INFO, "agent", "a later line"))
    _wait_for_count(opened, "1 line")
    opened.page.get_by_text("40 lines cleared").wait_for()
    opened.page.keyboard.press("Enter")  # Undo has the focus
    _wait_for_count(opened, "31 of 41 lines")
    texts = opened.page.locator(".line span").all_inner_texts()
    assert texts[-1] == "a later line"
    assert texts[0].startswith("1 ")
    opened.wait_for_focus("clear")
    assert opened.page.locator("#cleared").inner_text() == ""


def test_a_second_clear_without_lines_keeps_what_undo_brings_back(opened: AppPage, server: PageServer) -> None:
    server.send(*log_lines(4))
    _wait_for_count(opened, "3 of 4 lines")
    for _ in range(2):
        opened.page.get_by_role("button", name="Clear terminal").click()
    opened.page.get_by_role("button", name="Undo").click()
    _wait_for_count(opened, "3 of 4 lines")


def test_earlier_lines_come_when_they_are_asked_for(opened: AppPage, server: PageServer) -> None:
    server.send(*log_lines(2_000))
    _wait_for_count(opened, "1,500 of 2,000 lines")
    assert opened.page.locator(".line").count() == 500
    for shown in (1000, 1500):
        first = opened.page.locator(".line span").first.inner_text()
        opened.page.get_by_role("button", name="earlier lines").click()
        assert opened.page.locator(".line").count() == shown
        # What was on the screen before still is.
        assert _is_in_view(opened, first)
    assert opened.page.locator("#lines .more").is_hidden()


def _is_in_view(opened: AppPage, text: str) -> bool:
    log = opened.page.locator("#log").bounding_box()
    line = opened.page.locator(".line", has=opened.page.get_by_text(text, exact=True)).bounding_box()
    return bool(log["y"] <= line["y"] < log["y"] + log["height"])


def test_the_terminal_stays_where_somebody_reads(opened: AppPage, server: PageServer) -> None:
    server.send(*log_lines(200))
    _wait_for_count(opened, "150 of 200 lines")
    opened.page.wait_for_function(AT_END)
    opened.page.locator("#log").focus()
    opened.page.keyboard.press("Home")
    newest = opened.page.locator("#log-newest")
    newest.wait_for()
    server.send(*log_lines(40))
    _wait_for_count(opened, "180 of 240 lines")
    assert newest.is_visible()
    newest.click()
    opened.page.wait_for_function(AT_END)
    assert newest.is_hidden()


def _typing_cost(page: Any, cdp: Any) -> float:
    """CPU milliseconds of the page's main thread for one key, layout and painting included."""

    def used() -> float:
        metrics = cdp.send("Performance.getMetrics")["metrics"]
        return next(float(one["value"]) for one in metrics if one["name"] == "TaskDuration") * 1000

    page.locator("#words").focus()
    before = used()
    for letter in "the quick brown fox jumps":
        page.keyboard.type(letter)
        page.evaluate("() => new Promise(done => requestAnimationFrame(() => setTimeout(done)))")
    return (used() - before) / 25


@pytest.mark.parametrize("drawn", ["the newest", "all"])
def test_ten_thousand_lines_do_not_slow_the_keyboard(opened: AppPage, server: PageServer, drawn: str) -> None:
    server.send(*log_lines(MANY + 100))
    opened.page.locator("#level").select_option("debug")
    _wait_for_count(opened, f"{MANY:,} lines")
    if drawn == "all":
        opened.page.locator("#lines .more").evaluate("node => { while (!node.hidden) node.click(); }")
    assert opened.page.locator(".line").count() == (MANY if drawn == "all" else 500)
    cdp = opened.context.new_cdp_session(opened.page)
    # In CPU time: what else runs on the machine must not decide.
    cdp.send("Performance.enable", {"timeDomain": "threadTicks"})
    assert _typing_cost(opened.page, cdp) <= 50
