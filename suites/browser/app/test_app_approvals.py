"""The question for approval: the exact call, the ways to decide, and that nothing else decides."""

import json
from dataclasses import replace
from typing import Any

import pytest

from fixtures.app_pages import APPROVAL, AppPage
from fixtures.page_server import PageServer
from pipecatapp.core.ports import Risk
from pipecatapp.wire.agent_events import (
    AgentState,
    ApprovalEnded,
    ApprovalOutcome,
    Approve,
    ClientMessage,
    Deny,
    StateChanged,
)


def _end(outcome: ApprovalOutcome, id: str = APPROVAL.id) -> ApprovalEnded:
    return ApprovalEnded(APPROVAL.turn, id, outcome)


def _held_clock(opened: AppPage) -> Any:
    """The page's clock, which goes on only when the test says so."""
    opened.page.clock.install(time=0)
    opened.page.clock.pause_at(1)
    return opened.page.clock


@pytest.mark.parametrize(
    ("button", "message", "outcome", "words"),
    [
        ("Approve", Approve(APPROVAL.id), ApprovalOutcome.APPROVED, "You approved ssh"),
        ("Deny", Deny(APPROVAL.id), ApprovalOutcome.DENIED, "You denied ssh"),
    ],
)
def test_a_button_decides_and_the_agent_closes_the_dialog(
    opened: AppPage, server: PageServer, button: str, message: ClientMessage, outcome: ApprovalOutcome, words: str
) -> None:
    server.send(APPROVAL, StateChanged(AgentState.WAITING_FOR_APPROVAL, APPROVAL.turn))
    opened.dialog.get_by_role("button", name=button).click()
    assert server.next(type(message)) == message
    assert opened.dialog.locator("button:enabled").count() == 0
    server.send(_end(outcome))
    opened.dialog.wait_for(state="detached")
    assert opened.page.locator(".asked").inner_text() == words


def test_escape_denies_once_and_leaves_the_dialog_to_the_agent(opened: AppPage, server: PageServer) -> None:
    server.send(APPROVAL)
    opened.dialog.wait_for()
    for _ in range(3):
        opened.page.keyboard.press("Escape")
    assert server.next(Deny) == Deny(APPROVAL.id)
    assert opened.dialog.is_visible()
    server.send(_end(ApprovalOutcome.DENIED))
    opened.dialog.wait_for(state="detached")
    assert server.received.empty()


def test_what_was_meant_for_the_message_box_decides_nothing(opened: AppPage, server: PageServer) -> None:
    clock = _held_clock(opened)
    opened.words.focus()
    server.send(APPROVAL)
    opened.wait_for_focus("approval-title")
    opened.page.keyboard.type("yes \n")
    # The first half second belongs to a click that was on its way to something else.
    clock.run_for(490)
    assert opened.page.locator("#approve").is_disabled()
    clock.run_for(20)
    assert opened.page.locator("#approve").is_enabled()
    opened.page.keyboard.press("Enter")
    opened.page.mouse.click(5, 5)
    assert opened.dialog.is_visible()
    assert server.received.empty()
    assert opened.words.input_value() == ""


def test_the_focus_goes_round_in_the_dialog(opened: AppPage, server: PageServer) -> None:
    server.send(APPROVAL)
    opened.page.locator("#approve:enabled").wait_for()
    for keys in ("Tab", "Tab", "Tab", "Tab"), ("Shift+Tab", "Shift+Tab", "Shift+Tab", "Shift+Tab"):
        found = []
        for key in keys:
            opened.page.keyboard.press(key)
            found.append(opened.page.evaluate("document.activeElement.id"))
        assert found[0] == found[3] or found[0] == found[2]
        assert set(found) == {"approval-arguments", "deny", "approve"}


def test_an_approval_that_nobody_gives_expires(opened: AppPage, server: PageServer) -> None:
    clock = _held_clock(opened)
    server.send(APPROVAL)
    opened.dialog.wait_for()
    left = opened.page.locator("#approval-time")
    assert left.inner_text() == "Counts as denied in 60 s"
    clock.run_for(20_000)
    assert left.inner_text() == "Counts as denied in 40 s"
    assert opened.page.locator("#approve").is_enabled()
    clock.run_for(40_000)
    assert left.inner_text() == "Expired: it counts as denied."
    assert opened.page.locator("#approve").is_disabled()
    server.send(_end(ApprovalOutcome.EXPIRED))
    opened.dialog.wait_for(state="detached")
    assert opened.page.locator(".asked").inner_text() == "Nobody approved in time: ssh"
    assert server.received.empty()


def test_a_decision_on_another_page_closes_the_dialog_and_the_next_opens(opened: AppPage, server: PageServer) -> None:
    server.send(APPROVAL, replace(APPROVAL, id="a-2", tool="code_runner"))
    opened.dialog.get_by_role("heading", name="Allow ssh?").wait_for()
    server.send(_end(ApprovalOutcome.CANCELLED))
    opened.dialog.get_by_role("heading", name="Allow code_runner?").wait_for()
    server.send(_end(ApprovalOutcome.CANCELLED, "a-2"))
    opened.dialog.wait_for(state="detached")


def test_the_exact_call_is_shown(opened: AppPage, server: PageServer) -> None:
    arguments = {"host": "node-3", "command": "echo '<b>hi</b>'\nrm -r /tmp/x", "depth": [1, {"a": None}]}
    server.send(replace(APPROVAL, arguments=arguments, risk=Risk.DANGER))
    opened.dialog.wait_for()
    assert json.loads(opened.page.locator("#approval-arguments").inner_text()) == arguments
    assert opened.page.locator("#approval-hidden").is_hidden()


def test_characters_that_nobody_sees_are_marked(opened: AppPage, server: PageServer) -> None:
    command = "ls \u202e/ fr- mr\u202c\u200b #\u00a0\u2028\u3164x\ud800"
    server.send(replace(APPROVAL, arguments={"command": command}))
    opened.dialog.wait_for()
    shown = opened.page.locator("#approval-arguments").inner_text()
    assert "ls U+202E/ fr- mrU+202CU+200B #U+00A0U+2028U+3164x\\ud800" in shown
    assert opened.page.locator("#approval-hidden").is_visible()


def test_a_long_call_scrolls_and_the_buttons_stay(opened: AppPage, server: PageServer) -> None:
    opened.page.set_viewport_size({"width": 320, "height": 480})
    server.send(replace(APPROVAL, tool="x" * 200, arguments={"code": "x = 1\n" * 2000}))
    opened.dialog.wait_for()
    for name in ("Approve", "Deny"):
        box = opened.dialog.get_by_role("button", name=name).bounding_box()
        assert box["y"] >= 0
        assert box["y"] + box["height"] <= 480
        assert box["x"] + box["width"] <= 320


def test_without_a_connection_nothing_can_be_approved(opened: AppPage, server: PageServer) -> None:
    server.send(APPROVAL)
    opened.dialog.wait_for()
    server.stop()
    opened.dialog.wait_for(state="detached")
    server.start()
    opened.wait_until_online()
    # The agent asks again what it still waits for.
    server.send(replace(APPROVAL, expires_s=30.0))
    opened.dialog.wait_for()
    opened.dialog.get_by_role("button", name="Approve").click()
    assert server.next(Approve) == Approve(APPROVAL.id)
