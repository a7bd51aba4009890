"""How the adaptation agent is asked: the limit of a proposal is in its schema, and its tokens are enough for it."""

import asyncio
import json
from typing import Any

import pytest

from evolve.core.model.answers import Answer, Request
from evolve.core.templating.templates import Templates
from evolve.evolution.reflectors import AgentReflector
from evolve.store.agents import find_agent, load_agent
from fixtures.memory_ledger import MemoryLedger

INPUTS = {"instructions": "Role:\nYou name the action.", "rules": "", "failures": "", "correct": "", "wish": "A rule."}


class Recording:
    """A provider that keeps the settings of its calls."""

    id = "recording"

    def __init__(self) -> None:
        self.configs: list[Any] = []

    def identity(self, request: Request) -> Any:
        """See `Provider.identity`."""
        return {"prompt": request.prompt, "config": dict(request.config)}

    async def answer(self, request: Request) -> Answer:
        """See `Provider.answer`."""
        self.configs.append(request.config)
        return Answer(json.dumps({"text": "Mind the words."}))

    async def close(self) -> None:
        """Nothing to free."""


def test_reflectors_without_an_identity_each_answer_for_themselves():
    class Nameless(Recording):
        """Has no identity, as a command without a file has none."""

        def identity(self, request: Request) -> None:
            """See `Provider.identity`."""

    agent, ledger = load_agent(find_agent("ADAPTATION_AGENT")), MemoryLedger()
    both = Nameless(), Nameless()
    both[0].id, both[1].id = "exec:one", "exec:two"
    for provider in both:
        asked = AgentReflector(agent, provider, ledger, Templates("strict").render, run="a run", cap=3)
        asyncio.run(asked.propose(INPUTS, 240))
    assert [len(provider.configs) for provider in both] == [1, 1]


@pytest.mark.parametrize("max_chars", [240, 3000])
def test_a_limit_is_in_the_schema_and_its_tokens_are_enough(max_chars):
    provider = Recording()
    agent = load_agent(find_agent("ADAPTATION_AGENT"))
    reflector = AgentReflector(agent, provider, MemoryLedger(), Templates("strict").render, run="a run", cap=3)
    assert asyncio.run(reflector.propose(INPUTS, max_chars)) == '{"text": "Mind the words."}'
    (config,) = provider.configs
    schema = config["response_format"]["json_schema"]
    assert schema["schema"]["properties"]["text"] == {"type": "string", "maxLength": max_chars}
    assert schema["strict"] is False, "some endpoints refuse a strict schema with a maxLength"
    assert config["max_tokens"] >= max(300, max_chars / 3)
