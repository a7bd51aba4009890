"""A conversation on the agent's page: words, tools, answers, cancelling, and words that are not taken."""

import json
from dataclasses import fields, replace
from typing import Any

import pytest

from fixtures.app_pages import APPROVAL, TURN, AppPage
from fixtures.page_server import HELLO, PageServer
from pipecatapp.core.ports import Risk
from pipecatapp.wire.agent_events import (
    LONGEST_TEXT,
    SERVER_TYPES,
    AgentState,
    ApprovalEnded,
    ApprovalOutcome,
    Approve,
    CancelTurn,
    Entry,
    ErrorMessage,
    Outcome,
    Say,
    Source,
    StateChanged,
    TextPart,
    ToolEnded,
    ToolStarted,
    TurnEnded,
    TurnStarted,
    write_message,
)


def test_the_page_knows_the_messages_of_its_wheel(opened: AppPage) -> None:
    found = opened.page.evaluate("import('/protocol.js').then(all => [all.FIELDS, all.LONGEST_TEXT])")
    assert found[0] == {name: [field.name for field in fields(kind)] for name, kind in SERVER_TYPES.items()}
    assert found[1] == LONGEST_TEXT


def test_a_whole_turn_by_keyboard(opened: AppPage, server: PageServer) -> None:
    keyboard = opened.page.keyboard
    keyboard.press("Tab")
    keyboard.press("Enter")  # the link that skips to the message box
    keyboard.type("how long has node-3")
    keyboard.press("Shift+Enter")
    keyboard.type("been up?")
    keyboard.press("Enter")
    assert server.next(Say) == Say("how long has node-3\nbeen up?")
    server.send(
        TurnStarted(TURN, "how long has node-3\nbeen up?", Source.TEXT), StateChanged(AgentState.THINKING, TURN)
    )
    opened.wait_for_state("thinking")
    assert opened.words.input_value() == ""

    server.send(APPROVAL, StateChanged(AgentState.WAITING_FOR_APPROVAL, TURN))
    opened.wait_for_focus("approval-title")
    for stop in ("approval-arguments", "deny"):
        keyboard.press("Tab")
        opened.wait_for_focus(stop)
    opened.page.locator("#approve:enabled").wait_for()
    keyboard.press("Tab")
    keyboard.press("Enter")
    assert server.next(Approve) == Approve(APPROVAL.id)
    server.send(
        ApprovalEnded(TURN, APPROVAL.id, ApprovalOutcome.APPROVED),
        ToolStarted(TURN, "c-1", "ssh", APPROVAL.arguments, Risk.DANGER),
        StateChanged(AgentState.WORKING, TURN),
        ToolEnded(TURN, "c-1", "ssh", False, "", "up 12 days", 1.24),
        StateChanged(AgentState.SPEAKING, TURN),
        TextPart(TURN, "It has been "),
        TextPart(TURN, "up for"),
        TurnEnded(TURN, Outcome.ANSWERED, "It has been up for 12 days."),
        StateChanged(AgentState.IDLE, ""),
    )
    opened.wait_for_focus("words")
    opened.wait_for_state("idle")
    assert opened.page.locator(".reply .text").inner_text() == "It has been up for 12 days."
    assert opened.page.locator("#said").inner_text() == "Agent: It has been up for 12 days."

    tool = opened.page.locator(".tool")
    assert tool.locator("summary").inner_text().split() == ["Tool", "ssh", "node-3,", "uptime", "1.2", "s"]
    tool.locator("summary").focus()
    keyboard.press("Enter")
    tool.locator(".result").wait_for()
    assert json.loads(tool.locator(".arguments").inner_text()) == APPROVAL.arguments
    assert tool.locator(".result").inner_text() == "up 12 days"


def test_a_turn_is_cancelled_and_keeps_what_there_was(opened: AppPage, server: PageServer) -> None:
    server.send(
        TurnStarted(TURN, "tell me a story", Source.TEXT),
        ToolStarted(TURN, "c-1", "mcp", {}, Risk.READ),
        TextPart(TURN, "Once upon"),
    )
    opened.page.locator("#stop").focus()
    opened.page.keyboard.press("Enter")
    assert server.next(CancelTurn) == CancelTurn(TURN)
    server.send(TurnEnded(TURN, Outcome.CANCELLED, "Once upon"), StateChanged(AgentState.IDLE, ""))
    opened.page.locator(".ending", has_text="Stopped").wait_for()
    assert opened.page.locator(".reply .text").inner_text() == "Once upon"
    assert "ended with its turn" in opened.page.locator(".tool").inner_text()
    # The button is gone, and the keyboard is where the next words go.
    opened.wait_for_focus("words")


def test_a_turn_that_ends_while_it_is_cancelled_has_no_fault(opened: AppPage, server: PageServer) -> None:
    server.send(
        TurnStarted(TURN, "x", Source.TEXT),
        TurnEnded(TURN, Outcome.ANSWERED, "done"),
        ErrorMessage(TURN, "unknown_turn", "this turn is not running"),
        StateChanged(AgentState.IDLE, ""),
        ErrorMessage("", "busy", "the last message"),
    )
    opened.page.get_by_text("the last message").wait_for()
    assert opened.page.locator(".fault").count() == 0


def test_words_during_a_turn_wait_in_the_box(opened: AppPage, server: PageServer) -> None:
    server.send(TurnStarted(TURN, "first", Source.TEXT), StateChanged(AgentState.THINKING, TURN))
    opened.wait_for_state("thinking")
    opened.words.fill("second")
    opened.words.press("Enter")
    opened.page.get_by_text("The agent still works on the last message").wait_for()
    server.send(TurnEnded(TURN, Outcome.ANSWERED, "done"), StateChanged(AgentState.IDLE, ""))
    opened.page.locator("#send:enabled").wait_for()
    opened.words.press("Enter")
    assert server.next(Say) == Say("second")
    assert server.received.empty()


def test_words_that_were_not_taken_come_back(opened: AppPage, server: PageServer) -> None:
    server.answer = lambda _: [ErrorMessage("", "busy", "Another page of this session has a turn under way.")]
    opened.words.fill("switch the light on")
    opened.words.press("Enter")
    opened.page.get_by_text("Another page of this session").wait_for()
    assert opened.words.input_value() == "switch the light on"


def test_words_that_lost_against_another_page_come_back(opened: AppPage, server: PageServer) -> None:
    server.answer = lambda _: [
        TurnStarted(TURN, "of another page", Source.TEXT),
        StateChanged(AgentState.THINKING, TURN),
        ErrorMessage("", "busy", "a turn is running"),
    ]
    opened.words.fill("switch the light on")
    opened.words.press("Enter")
    opened.page.get_by_text("a turn is running").wait_for()
    assert opened.words.input_value() == "switch the light on"


@pytest.mark.parametrize("text", ["", "  \n ", "x" * (LONGEST_TEXT + 1), "🐈" * (LONGEST_TEXT + 1)])
def test_empty_and_too_long_words_are_not_sent(opened: AppPage, server: PageServer, text: str) -> None:
    opened.words.fill(text)
    opened.words.press("Enter")
    assert opened.page.locator("#send").is_disabled()
    assert ("1 characters too many" in opened.page.locator("#room").inner_text()) == bool(text.strip())
    opened.words.fill("🐈" * LONGEST_TEXT)  # as the agent counts: characters, not halves of pairs
    opened.words.press("Enter")
    assert server.next(Say) == Say("🐈" * LONGEST_TEXT)


def test_a_failed_turn_says_why(opened: AppPage) -> None:
    opened.show("error")
    assert opened.page.locator(".fault").inner_text() == "The model does not answer: connection refused."
    assert opened.page.locator("#hint").inner_text() == "The model does not answer: connection refused."
    assert "took too long" in opened.page.locator(".tool").last.inner_text()


def test_a_call_that_did_not_run_has_its_row(opened: AppPage, server: PageServer) -> None:
    server.send(
        TurnStarted(TURN, "x", Source.VOICE),
        ToolEnded(TURN, "c-9", "vision", True, "not_configured", "set vision.endpoint", 0.0),
    )
    row = opened.page.locator(".tool")
    row.locator(".outcome", has_text="not configured").wait_for()
    assert opened.page.locator(".said time").inner_text().startswith("spoken")


def test_the_header_names_the_model_what_it_is_worth_and_what_to_do(opened: AppPage) -> None:
    found = opened.page.locator("header").inner_text()
    assert HELLO.model in found
    assert "right tool in 16 %" in found
    assert opened.page.locator("#advice code").inner_text() == "./bootstrap.sh model large"
    opened.page.locator("#advice-hide").click()
    opened.page.reload()
    opened.wait_until_online()
    assert opened.page.locator("#advice").is_hidden()


def test_a_model_that_was_not_measured_says_so(browser: Any) -> None:
    with PageServer(replace(HELLO, accuracy=None, advice="", tools=())) as server:
        found = AppPage(browser, server)
        assert "accuracy not measured" in found.page.locator("header").inner_text()
        assert found.page.locator("#advice").is_hidden()
        assert found.page.locator("#tools").is_hidden()
        assert "I have no tools here" in found.page.locator("#conversation").inner_text()
        found.close()


def test_there_is_no_microphone_where_nothing_listens(opened: AppPage) -> None:
    names = opened.page.locator("button:visible").all_inner_texts()
    assert names == ["Theme: system", "Hide", "Send", "Clear terminal", "Component", "State", "Since"]


def test_a_long_history_shows_its_last_turns(browser: Any) -> None:
    history = tuple(
        entry
        for n in range(300)
        for entry in (Entry(f"t{n}", "user", f"q{n}", 1e9 + n), Entry(f"t{n}", "assistant", f"a{n}", 1e9 + n))
    )
    with PageServer(replace(HELLO, history=history)) as server:
        found = AppPage(browser, server)
        assert found.page.locator(".turn").count() == 200
        assert found.page.locator(".turn").last.inner_text().split() == [
            "You:",
            "q299",
            *_time(found),
            "Agent:",
            "a299",
        ]
        assert found.page.get_by_text("Earlier turns are not shown").count() == 1
        assert found.page.locator(".turn").last.is_visible()
        found.close()


def _time(found: AppPage) -> list[str]:
    return str(found.page.locator(".said time").last.inner_text()).split()


def test_a_message_of_another_version_asks_for_the_new_page(opened: AppPage, server: PageServer) -> None:
    for frame in (
        '{"v": 2, "type": "pong"}',
        '{"v": 1, "type": "constructor"}',
        '{"v": 1, "type": "pong", "more": 1}',
        "[]",
        "x",
    ):
        server.send_text(frame)
        opened.page.get_by_text("This page is not of the agent's version").wait_for()
        opened.page.get_by_role("button", name="Load it again").click()
        opened.wait_until_online()
    server.send_text(write_message(StateChanged(AgentState.THINKING, TURN)))
    opened.wait_for_state("thinking")
