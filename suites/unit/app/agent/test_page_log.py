"""The agent's log on its pages: masked, cut, bounded, and a session's lines only there."""

import asyncio
import logging
import threading
from collections.abc import Callable

import pytest

from evolve.core.cases.redaction import Redactor
from pipecatapp.agent.page_log import PageLog, of_session
from pipecatapp.agent.sessions import Session, Subscription
from pipecatapp.wire.agent_events import AgentState, Hello, LogLevel, LogLine, StateChanged

SECRET = "Zx81kQpL0vTn4RbW"


@pytest.fixture
def log():
    found = logging.getLogger("pipecatapp.test_of_pages")
    found.setLevel(logging.DEBUG)
    yield found
    for handler in list(found.handlers):
        found.removeHandler(handler)


def page_of(session: Session) -> Subscription:
    return session.open_page(Hello(session.id, "TWIN_AGENT", "m", None, "", False, "", (), ()), 0.0)


async def lines_of(page: Subscription) -> list[LogLine]:
    """What has come to a page until now."""
    page.put(StateChanged(AgentState.IDLE, "end"))
    found = []
    while (message := await page.next()) != StateChanged(AgentState.IDLE, "end"):
        found += [message] if isinstance(message, LogLine) else []
    return found


def shown(log: logging.Logger, write: Callable[[], None], redactor: Redactor | None = None) -> list[list[LogLine]]:
    """The lines on a page of each of two sessions."""

    async def run() -> list[list[LogLine]]:
        sessions = [Session("one", "anna"), Session("two", "bert")]
        pages = [page_of(session) for session in sessions]
        log.addHandler(PageLog(lambda: sessions, redactor or Redactor([SECRET]), lambda: 0.0))
        write()
        await asyncio.sleep(0)
        return [await lines_of(page) for page in pages]

    return asyncio.run(run())


def test_every_page_has_what_the_agent_reports_of_itself(log):
    one, two = shown(log, lambda: log.error("the store is full: %d bytes", 7))
    assert one == two
    assert [(line.level, line.component, line.text) for line in one] == [
        (LogLevel.ERROR, "test_of_pages", "the store is full: 7 bytes")
    ]


def test_lines_of_a_session_are_on_its_pages_only(log):
    one, two = shown(log, lambda: log.info("approval of ssh", extra=of_session("two")))
    assert (one, [line.text for line in two]) == ([], ["approval of ssh"])


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        (logging.DEBUG, LogLevel.DEBUG), (logging.INFO, LogLevel.INFO), (logging.WARNING, LogLevel.WARNING),
        (logging.ERROR, LogLevel.ERROR), (logging.CRITICAL, LogLevel.ERROR), (35, LogLevel.WARNING),
    ],
)  # fmt: skip
def test_levels_are_the_pages(log, level, expected):
    assert [line.level for line in shown(log, lambda: log.log(level, "x"))[0]] == [expected]


def test_secrets_are_masked_also_where_the_line_is_cut(log):
    said = shown(log, lambda: log.warning("%s%s", "a " * 994 + "is ", SECRET))[0][0].text
    assert len(said) <= 2000
    assert SECRET[:4] not in said
    assert "password=hunter2-of-a-test" not in shown(log, lambda: log.error("password=hunter2-of-a-test"))[0][0].text


def test_a_line_that_cannot_be_searched_is_not_shown(log):
    def fails(_text: str) -> list[object]:
        raise RuntimeError("the scanner is broken")

    (line,) = shown(log, lambda: log.error("key %s", SECRET), Redactor(scanners=[fails]))[0]  # type: ignore[list-item]
    assert "could not be searched for secrets" in line.text
    assert SECRET not in line.text


def test_a_flood_is_bounded_and_says_so(log):
    def flood() -> None:
        for number in range(1000):
            log.info("line %d", number)

    lines = shown(log, flood)[0]
    assert len(lines) < 400
    assert any("800 lines were left out" in line.text for line in lines)


def test_arguments_that_do_not_fit_are_no_fault(log):
    record = log.makeRecord(log.name, logging.ERROR, "a.py", 1, "%d things", ("many",), None)

    def write() -> None:
        # Not by the logger: pytest's own handler fails a test for such a record.
        (handler,) = (one for one in log.handlers if isinstance(one, PageLog))
        handler.emit(record)

    assert [line.text for line in shown(log, write)[0]] == ["%d things"]


def test_a_thread_may_log_and_so_may_one_that_outlives_the_loop(log):
    def by_thread() -> None:
        thread = threading.Thread(target=log.error, args=("from a thread",))
        thread.start()
        thread.join()

    assert [line.text for line in shown(log, by_thread)[0]] == ["from a thread"]
    log.error("after the end of the loop")
