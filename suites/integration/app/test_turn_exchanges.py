"""What end-to-end tests record of a turn is what the agent that chooses tools was really asked."""

import asyncio

import pytest

pytest.importorskip("uvicorn")

from fixtures.e2e_turns import PageTurn
from fixtures.running_agents import WordTools, page_of, running_agent
from fixtures.scripted_twin import scripted_twin
from pipecatapp.agent.config import AgentConfig, ModelConfig, TurnTimeouts
from pipecatapp.wire.agent_events import Say


@pytest.mark.parametrize(
    ("words", "tools"),
    [
        ("hello", ["none"]),
        ('[use look] [with {"word": "kettle"}]', ["look"]),
        ('[use look] [with {"wort": "kettle"}]', ["look"]),
        ('[use strike] [with {"word": "anvil"}]', ["strike"]),
        ("[break]", []),
    ],
    ids=["no tool", "a call", "wrong arguments", "a call that nobody allowed", "broken off"],
)
def test_the_recorded_exchanges_are_the_models_requests(words, tools):
    brief = TurnTimeouts(approval_s=0.2)
    with (
        scripted_twin() as model,
        running_agent(AgentConfig(ModelConfig(model.url), timeouts=brief), WordTools()) as agent,
    ):

        async def talk():
            async with page_of(agent, agent.log_in()) as page:
                await page.turn(Say(words))
                return page.got

        turn = PageTurn(words)
        for message in asyncio.run(talk()):
            turn.take(message)
    exchanges = turn.metadata("llamacpp:some")["exchanges"]
    assert [one["output"]["tool"] for one in exchanges] == tools
    assert {one["agent"] for one in exchanges} <= {"TWIN_AGENT"}
    asked = [one["messages"][-1]["content"] for one in model.requests if not one.get("stream")]
    choices = [text for text in asked if text.startswith("Request: ")]
    assert choices[: len(tools)] == [f"Request: {one['vars']['request']}" for one in exchanges]
    assert turn.metadata("")["exchanges"] == [], "nobody is to blame for what a script chose"
