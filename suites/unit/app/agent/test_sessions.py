import asyncio

import pytest

from pipecatapp.agent.sessions import Session, TooSlow
from pipecatapp.core.ports import Risk
from pipecatapp.wire.agent_events import (
    AgentState,
    ApprovalAsked,
    ApprovalEnded,
    ApprovalOutcome,
    Hello,
    LogLevel,
    LogLine,
    Outcome,
    Source,
    StateChanged,
    TextPart,
    TurnEnded,
    TurnStarted,
)

HELLO = Hello("s", "", "", None, "", False, "", (), ())
LINE = LogLine(0.0, LogLevel.INFO, "tools", "x")


def waiting(page):
    async def inside():
        found = []
        while page._queue.qsize():
            found.append(await page.next())
        return found

    return asyncio.run(inside())


def test_a_page_that_connects_late_sees_what_runs_and_what_is_asked():
    session = Session("s", "alice")
    session.publish(TurnStarted("t", "hi", Source.TEXT), 0.0)
    session.publish(StateChanged(AgentState.WAITING_FOR_APPROVAL, "t"), 0.0)
    session.publish(ApprovalAsked("t", "a", "ssh", {}, Risk.DANGER, 60.0), 100.0)
    hello, started, state, asked = waiting(session.open_page(HELLO, 145.0))
    assert (hello, started.text, state.state) == (HELLO, "hi", AgentState.WAITING_FOR_APPROVAL)
    assert (asked.id, asked.expires_s) == ("a", 15.0)
    session.publish(ApprovalEnded("t", "a", ApprovalOutcome.DENIED), 150.0)
    session.publish(TurnEnded("t", Outcome.ANSWERED, "no"), 150.0)
    assert [type(one) for one in waiting(session.open_page(HELLO, 151.0))] == [Hello, StateChanged]


def test_a_closed_page_gets_nothing_more():
    session = Session("s", "alice")
    page = session.open_page(HELLO, 0.0)
    session.close_page(page)
    session.publish(LINE, 0.0)
    assert LINE not in waiting(page)
    assert session.is_idle


def test_a_slow_page_loses_lines_of_the_log_first_and_then_its_connection():
    session = Session("s", "alice")
    page = session.open_page(HELLO, 0.0)
    for _ in range(1000):
        session.publish(LINE, 0.0)
    session.publish(TextPart("t", "important"), 0.0)
    assert waiting(page)[-1] == TextPart("t", "important")
    for _ in range(1000):
        session.publish(TextPart("t", "x"), 0.0)
    with pytest.raises(TooSlow):
        asyncio.run(page.next())
