"""The models that write proposals: how the adaptation agent is asked, and which of several is asked next."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from evolve.core.evaluation.agent_prompts import render_agent
from evolve.core.model.agents import Agent, Render
from evolve.core.model.answers import Request
from evolve.core.model.errors import CannotEvaluate
from evolve.core.model.json_value import JsonValue
from evolve.core.model.ports import Ledger, Provider
from evolve.core.search.bandit import Bandit
from evolve.core.search.randomness import Rng
from evolve.core.search.refusals import Refusals

_PRIOR = (1.0, 1.0)
"""Successes and failures of a reflector that count as seen: nothing is known of any before."""
_CHARS_PER_TOKEN = 2
"""At least, of an instruction in most languages: the limit in characters must be reached before that in tokens."""


class Reflector(Protocol):
    """The adaptation agent, which writes proposals."""

    name: str
    """The id of its provider."""
    calls: int
    """How often it was asked in this run."""

    async def propose(self, inputs: Mapping[str, JsonValue], max_chars: int) -> str | None:
        """Return its answer as text; None when its cap is reached.

        Args:
            inputs: the adaptation agent's.
            max_chars: how long the proposed text may be.

        Raises:
            EnvironmentFault: its endpoint failed.
            CannotEvaluate: it has no answer to this.
        """
        ...


class AgentReflector:
    """Asks an agent for proposals, at most `cap` times in a run; answers that are in the ledger are free.

    Args:
        run: the run that pays; its calls do not count against the search's budget.
    """

    def __init__(self, agent: Agent, provider: Provider, ledger: Ledger, render: Render, *, run: str, cap: int) -> None:
        self.name = provider.id
        self._agent, self._provider, self._ledger, self._render = agent, provider, ledger, render
        self._run = f"reflector:{run}"
        self._cap = cap
        self.calls = 0

    async def propose(self, inputs: Mapping[str, JsonValue], max_chars: int) -> str | None:
        """See `Reflector.propose`; an answer that is not text is returned as JSON."""
        if self.calls >= self._cap:
            return None
        self.calls += 1
        made = render_agent(_limited(self._agent, max_chars), inputs, None, self._render)
        # Every question is a new one, even if two are equal: otherwise a refused proposal would return again and again.
        request = Request(made.text, dict(inputs), _lenient(made.config), label=self._agent.title, repeat=self.calls)
        # With its name: an answer without an identity must not become another reflector's.
        identity = self._provider.identity(request) or {"prompt": made.text, "provider": self.name}
        numbered: JsonValue = {"call": self.calls, "run": self._run, "of": identity}
        received = await self._ledger.answer(numbered, self._run, lambda: self._provider.answer(request))
        answer = received.answer
        if answer.error is not None:
            raise CannotEvaluate(answer.error)
        if answer.output is None:
            return ""
        return answer.output if isinstance(answer.output, str) else json.dumps(answer.output)


@dataclass(slots=True)
class Member:
    """One of a run's reflectors."""

    reflector: Reflector
    refusals: Refusals = field(default_factory=Refusals)
    is_asked: bool = True
    """False after its first failure, after too many equal refusals, and at its cap."""


class Reflectors:
    """A run's reflectors; a bandit chooses who is asked, by what their proposals were worth.

    Args:
        reflectors: each with a name of its own; one is asked without a draw.
    """

    def __init__(self, reflectors: Sequence[Reflector]) -> None:
        self._members = {one.name: Member(one) for one in reflectors}
        self._bandit = Bandit((name, _PRIOR) for name in self._members)

    @property
    def is_asking(self) -> bool:
        """Whether one may be asked still."""
        return any(member.is_asked for member in self._members.values())

    def choose(self, rng: Rng) -> Member | None:
        """Return the one to ask now; None where none may be asked any more."""
        names = self._bandit.rank(rng) if len(self._members) > 1 else list(self._members)
        return next((self._members[name] for name in names if self._members[name].is_asked), None)

    def refused(self, name: str) -> None:
        """Report that a proposal was not worth a rollout."""
        self._bandit.pay(name, 0.0, 0)

    def learn(self, name: str, gain: float, rollouts: int, note: str) -> None:
        """Report what a proposal was worth.

        Args:
            name: who wrote it.
            gain: mean of the child minus that of its parent.
            rollouts: answers that were paid for.
            note: what was new in the child.
        """
        self._bandit.pay(name, gain, rollouts)
        if gain <= 0:
            self._members[name].refusals.did_not_help(note)


def _limited(agent: Agent, max_chars: int) -> Agent:
    """The adaptation agent with the limit of one question in its schema, and tokens enough for it."""
    properties = agent.output.get("properties")
    text = properties.get("text") if isinstance(properties, dict) else None
    if not isinstance(properties, dict) or not isinstance(text, dict):
        return agent
    schema: dict[str, JsonValue] = {
        **agent.output,
        "properties": {**properties, "text": {**text, "maxLength": max_chars}},
    }
    known = agent.sampling.get("max_tokens")
    tokens = max(known if isinstance(known, int) else 0, max_chars // _CHARS_PER_TOKEN)
    return replace(agent, output=schema, sampling={**agent.sampling, "max_tokens": tokens})


def _lenient(config: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """The call's settings with a schema that is not strict: some endpoints refuse a strict one with a maxLength."""
    form = config.get("response_format")
    schema = form.get("json_schema") if isinstance(form, dict) else None
    if not isinstance(form, dict) or not isinstance(schema, dict):
        return dict(config)
    return {**config, "response_format": {**form, "json_schema": {**schema, "strict": False}}}
