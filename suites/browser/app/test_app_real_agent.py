"""The page on the real agent: login, a turn with an approved and a denied call, stopping, an agent that is restarted.

The model is scripted: these are tests of the plumbing between page and agent. The other tests of the page hold states
that a real agent leaves at once.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fixtures.app_pages import AppPage
from fixtures.running_agents import RunningAgent, WordTools, running_agent
from fixtures.scripted_twin import ScriptedTwin, scripted_twin
from pipecatapp.agent.config import AgentConfig, MemoryConfig, ModelConfig
from pipecatapp.gateway.keys import make_key

ADVICE = "Fetch a larger model."
STRIKE = '[use strike] [with {"word": "iron"}] while it is hot'


@pytest.fixture
def model() -> Iterator[ScriptedTwin]:
    with scripted_twin() as found:
        yield found


@pytest.fixture
def key(tmp_path: Path) -> str:
    made = make_key("anna")
    (tmp_path / "keys").write_text(f"{made.line}\n")
    return made.key


@pytest.fixture
def config(model: ScriptedTwin, key: str, tmp_path: Path) -> AgentConfig:
    answering = ModelConfig(model.url, name="scripted", accuracy=0.5, advice=ADVICE)
    return AgentConfig(answering, keys_file=tmp_path / "keys", memory=MemoryConfig(tmp_path / "memory.sqlite"))


def _signed_in(browser: Any, agent: RunningAgent, key: str) -> AppPage:
    found = AppPage(browser, agent, is_ready=False)
    found.wait_for_focus("key")
    found.page.keyboard.type(key)
    found.page.keyboard.press("Enter")
    found.wait_until_online()
    return found


def _say(opened: AppPage, words: str) -> None:
    opened.words.fill(words)
    opened.words.press("Enter")


def test_a_call_is_approved_and_one_denied(browser: Any, config: AgentConfig, key: str) -> None:
    tools = WordTools()
    with running_agent(config, tools) as agent:
        opened = _signed_in(browser, agent, key)
        header = opened.page.locator("body").inner_text()
        assert all(text in header for text in ("scripted", "right tool in 50 %", ADVICE))
        for button, shown, count in (("Approve", "You approved strike", 1), ("Deny", "You denied strike", 1)):
            _say(opened, STRIKE)
            assert '"word": "iron"' in opened.dialog.locator("pre").inner_text()
            assert opened.state == "waiting_for_approval"
            opened.dialog.get_by_role("button", name=button).click()
            opened.page.get_by_text(shown).wait_for()
            opened.wait_for_state("idle")
            assert opened.page.locator(".reply .text").last.inner_text().startswith("You said: ")
            assert len(tools.ran) == count
        assert opened.page.locator(".tool .outcome").last.inner_text() == "denied"
        lines = opened.page.locator(".line span")
        lines.nth(1).wait_for()
        assert [text.split(",")[0] for text in lines.all_inner_texts()] == ["strike: ok", "strike: denied"]
        assert [url for url in opened.requests if not url.startswith(agent.url)] == []
        assert opened.complaints == []
        opened.close()


def test_an_answer_is_stopped_and_the_next_one_comes(
    browser: Any, config: AgentConfig, key: str, model: ScriptedTwin
) -> None:
    with running_agent(config) as agent:
        opened = _signed_in(browser, agent, key)
        _say(opened, "[wait] for me")
        opened.page.locator(".reply", has_text="You said:").wait_for()
        opened.page.locator("#stop").click()
        opened.page.locator(".ending", has_text="Stopped").wait_for()
        model.released.set()
        _say(opened, "hello")
        opened.page.locator(".reply", has_text="You said: hello").wait_for()
        assert opened.complaints == []
        opened.close()


def test_two_pages_of_a_session_show_the_same(browser: Any, config: AgentConfig, key: str) -> None:
    with running_agent(config, WordTools()) as agent:
        opened = _signed_in(browser, agent, key)
        other = opened.context.new_page()
        other.goto(agent.url)
        other.locator("#send").wait_for()
        _say(opened, STRIKE)
        other.locator("#approval[open]").wait_for()
        opened.dialog.wait_for()
        other.get_by_role("button", name="Deny").click()
        opened.dialog.wait_for(state="detached")
        for page in (opened.page, other):
            page.locator(".reply", has_text="You said:").wait_for()
        opened.close()


def test_the_page_comes_back_to_a_restarted_agent(browser: Any, config: AgentConfig, key: str) -> None:
    with running_agent(config) as agent:
        opened = _signed_in(browser, agent, key)
        _say(opened, "good morning")
        opened.page.locator(".reply", has_text="You said: good morning").wait_for()
        opened.wait_for_state("idle")
        port = int(agent.url.rpartition(":")[2])
    opened.wait_for_state("offline")
    with running_agent(config, port=port):
        opened.wait_until_online()
        opened.wait_for_state("idle")
        opened.page.reload()
        opened.wait_until_online()
        texts = opened.page.locator(".turn .text").all_inner_texts()
        assert texts == ["good morning", "You said: good morning"]
        opened.close()
