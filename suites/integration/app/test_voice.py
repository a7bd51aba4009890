"""Voice through the agent's websocket: a recording in, a tool call, speech out; and who may not hear it."""

import asyncio

import pytest

pytest.importorskip("pipecat", reason="voice: ./bootstrap.sh voice")

from fixtures.running_agents import WordTools, page_of, running_agent
from fixtures.scripted_twin import scripted_twin
from fixtures.voices import VOICE, caller_of, need_voice, silence, spoken, understood
from pipecatapp.agent.config import AgentConfig, ModelConfig
from pipecatapp.wire.agent_events import AgentState, Source, StateChanged, ToolStarted, TurnEnded, TurnStarted
from pipecatapp.wire.voice_events import Heard

LIGHT = "Turn on the kitchen light."
ANSWER = "I have turned on the light in the kitchen."


@pytest.fixture(scope="module")
def model():
    with scripted_twin() as found:
        found.spoken["kitchen light"] = f'[use look] [with {{"word": "kitchen"}}] [say {ANSWER}]'
        yield found


@pytest.fixture(scope="module")
def agent(model):
    need_voice()
    with running_agent(AgentConfig(ModelConfig(model.url), voice=VOICE), WordTools()) as found:
        yield found


def in_loop(work):
    return asyncio.run(work())


def test_speech_becomes_a_tool_call_and_the_answer_is_spoken(agent):
    async def work():
        cookie = agent.log_in()
        async with page_of(agent, cookie) as page, caller_of(agent, cookie) as caller:
            await caller.say(spoken(LIGHT) + silence(1.5))
            await caller.message(Heard)
            ended = await caller.listen_while(page.until(TurnEnded))
            speaks = page.until(StateChanged, lambda one: one == StateChanged(AgentState.IDLE, ""))
            await caller.listen_while(speaks)
            return page.got, caller, ended

    got, caller, ended = in_loop(work)
    (heard,) = [one for one in caller.got if isinstance(one, Heard)]
    (started,) = [one for one in got if isinstance(one, TurnStarted)]
    assert started.source is Source.VOICE
    assert started.text == heard.text
    assert [(one.tool, one.arguments) for one in got if isinstance(one, ToolStarted)] == [("look", {"word": "kitchen"})]
    assert ended.text == ANSWER
    assert "turned on the light in the kitchen" in understood(caller.sound, caller.rate)
    states = [one.state for one in got if isinstance(one, StateChanged)]
    assert states[:2] == [AgentState.IDLE, AgentState.LISTENING]
    assert states[-2:] == [AgentState.SPEAKING, AgentState.IDLE]
