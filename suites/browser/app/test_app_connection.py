"""The page's connection: login, a server that is killed and comes back, history."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from fixtures.app_pages import TURN, AppPage, hello_with_history
from fixtures.page_server import HELLO, PageServer
from pipecatapp.wire.agent_events import (
    AgentState,
    Entry,
    Outcome,
    Say,
    Source,
    StateChanged,
    TextPart,
    TurnEnded,
    TurnStarted,
)

KEY = "correct horse"


@pytest.fixture
def locked() -> Iterator[PageServer]:
    with PageServer(key=KEY) as found:
        yield found


def test_the_page_comes_back_after_the_server_was_killed(opened: AppPage, server: PageServer) -> None:
    server.send(TurnStarted("t-1", "hello", Source.TEXT), TextPart("t-1", "Good mor"))
    opened.page.get_by_text("Good mor").wait_for()
    server.stop()
    opened.wait_for_state("offline")
    assert "Trying to reach it again" in opened.page.locator("#banner").inner_text()
    assert opened.page.get_by_text("The connection was lost during this answer").is_visible()
    opened.words.fill("are you there?")
    opened.words.press("Enter")
    assert opened.words.input_value() == "are you there?"

    server.hello = replace(
        HELLO, history=(Entry("t-1", "user", "hello", 1e9), Entry("t-1", "assistant", "Good morning.", 1e9))
    )
    server.start()
    opened.wait_until_online()
    opened.wait_for_state("idle")
    assert opened.page.locator(".reply .text").all_inner_texts() == ["Good morning."]
    assert opened.page.locator(".ending:visible").count() == 0
    opened.words.press("Enter")
    assert server.next(Say) == Say("are you there?")


def test_a_turn_that_still_runs_goes_on_after_the_connection_was_lost(opened: AppPage, server: PageServer) -> None:
    started = TurnStarted(TURN, "tell me a story", Source.TEXT)
    server.send(started, TextPart(TURN, "Once upon a time "))
    opened.page.get_by_text("Once upon").wait_for()
    server.stop()
    opened.page.get_by_text("The connection was lost during this answer").wait_for()
    server.start()
    opened.wait_until_online()
    # The agent says again what runs; the parts that came meanwhile are in the whole answer alone.
    server.send(started, StateChanged(AgentState.SPEAKING, TURN), TextPart(TURN, "happily."))
    opened.page.locator(".reply", has_text="happily.").wait_for()
    assert opened.page.locator(".ending:visible").count() == 0
    assert opened.page.locator("#stop").is_visible()
    server.send(TurnEnded(TURN, Outcome.ANSWERED, "Once upon a time they lived happily."))
    opened.page.get_by_text("Once upon a time they lived happily.").first.wait_for()
    assert opened.page.locator(".turn").count() == 1
    assert opened.page.locator("#send").is_visible()


def test_words_on_their_way_come_back_when_the_connection_is_lost(opened: AppPage, server: PageServer) -> None:
    opened.words.fill("one, two")
    opened.words.press("Enter")
    server.next(Say)
    server.stop()
    opened.wait_for_state("offline")
    assert opened.words.input_value() == "one, two"


def test_the_button_tries_at_once(opened: AppPage, server: PageServer) -> None:
    # Without tries of its own, for which the page asks the browser: one of them could come before the click.
    opened.page.evaluate("() => { window.setTimeout = () => 0; }")
    server.stop()
    opened.wait_for_state("offline")
    server.start()
    opened.page.get_by_role("button", name="Try now").click()
    opened.wait_until_online()


def test_the_pauses_between_tries_grow_and_differ(opened: AppPage) -> None:
    # The pauses that the page asks the browser for, of a connection that never opens: without waiting for them.
    pauses = opened.page.evaluate(
        """async () => {
             const {Connection} = await import("/connection.js");
             const usual = window.setTimeout, pauses = [];
             window.setTimeout = (call, ms) => { pauses.push(ms); return usual(call, 0); };
             const never = async () => { throw new Error("nobody"); };
             await new Promise(done => {
               const lost = () => { if (pauses.length > 20) { window.setTimeout = () => 0; done(); } };
               new Connection(never, { message() {}, lost }).start();
             });
             return pauses;
           }"""
    )
    longest = [min(15_000, 500 * 2**n) for n in range(len(pauses))]
    assert all(most / 2 <= pause <= most for pause, most in zip(pauses, longest, strict=True))
    assert len(set(pauses[8:])) > 5


def test_a_session_of_another_person_replaces_what_is_shown(opened: AppPage, server: PageServer) -> None:
    server.send(TurnStarted(TURN, "a secret", Source.TEXT))
    opened.page.get_by_text("a secret").wait_for()
    server.stop()
    opened.wait_for_state("offline")
    server.hello = replace(HELLO, session="s-2")
    server.start()
    opened.wait_until_online()
    assert opened.page.locator(".turn").count() == 0
    assert opened.page.locator(".greeting").is_visible()


def test_the_history_is_there_after_a_reload(opened: AppPage, server: PageServer) -> None:
    server.hello = hello_with_history()
    opened.page.reload()
    opened.wait_until_online()
    texts = opened.page.locator(".turn .text").all_inner_texts()
    assert texts == [entry.text for entry in server.hello.history]


def test_a_turn_that_was_stopped_before_its_answer_stays_stopped(opened: AppPage, server: PageServer) -> None:
    server.hello = replace(server.hello, history=(Entry("stopped", "user", "never mind", 0.0),))
    opened.page.reload()
    opened.wait_until_online()
    server.stop()
    opened.wait_for_state("offline")
    assert opened.page.locator(".ending:visible").all_inner_texts() == ["Stopped."]


def test_a_key_opens_the_page(browser: Any, locked: PageServer) -> None:
    found = AppPage(browser, locked, is_ready=False)
    found.wait_for_focus("key")
    assert found.page.locator("#app").is_hidden()
    found.page.keyboard.type("wrong")
    found.page.keyboard.press("Enter")
    found.page.get_by_text("This key is not valid").wait_for()
    found.wait_for_focus("key")
    found.page.keyboard.type(KEY)
    found.page.keyboard.press("Enter")
    found.wait_until_online()
    found.wait_for_focus("words")
    # No script can read what opens the page, and no field has the key any more.
    assert found.page.evaluate("document.cookie") == ""
    assert found.page.locator("#key").input_value() == ""
    found.page.get_by_role("button", name="Sign out").click()
    found.page.locator("#login").wait_for()
    found.close()


def test_a_session_that_ended_asks_for_the_key_again(browser: Any, locked: PageServer) -> None:
    found = AppPage(browser, locked, is_ready=False)
    found.page.locator("#key").fill(KEY)
    found.page.keyboard.press("Enter")
    found.wait_until_online()
    locked.log_out()
    locked.stop()
    locked.start()
    found.page.locator("#login").wait_for()
    assert found.page.locator("#app").is_hidden()
    found.close()
