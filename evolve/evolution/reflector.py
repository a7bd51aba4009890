"""The reflector: the adaptation agent, who writes proposals for the operators that ask a model."""

import json
from collections.abc import Mapping

from evolve.core.evaluation.agent_prompts import render_agent
from evolve.core.model.agents import Agent, Render
from evolve.core.model.answers import Request
from evolve.core.model.errors import CannotEvaluate
from evolve.core.model.json_value import JsonValue
from evolve.core.model.ports import Ledger, Provider


class AgentReflector:
    """Asks an agent for proposals, at most `cap` times in a run; what it said before is free.

    Args:
        run: the run that buys; its purchases are not the search's.
    """

    def __init__(self, agent: Agent, provider: Provider, ledger: Ledger, render: Render, *, run: str, cap: int) -> None:
        self._agent, self._provider, self._ledger, self._render = agent, provider, ledger, render
        self._run = f"reflector:{run}"
        self._cap = cap
        self.calls = 0

    async def propose(self, inputs: Mapping[str, JsonValue]) -> str | None:
        """See `Reflector.propose` in proposing.py; an answer that is not text is told as the JSON that it is."""
        if self.calls >= self._cap:
            return None
        self.calls += 1
        made = render_agent(self._agent, inputs, None, self._render)
        # Every question is a new one, also where two are alike: else a refused proposal would come again and again.
        request = Request(made.text, dict(inputs), made.config, label=self._agent.title, repeat=self.calls)
        identity = self._provider.identity(request) or {"prompt": made.text}
        numbered: JsonValue = {"call": self.calls, "run": self._run, "of": identity}
        bought = await self._ledger.answer(numbered, self._run, lambda: self._provider.answer(request))
        answer = bought.answer
        if answer.error is not None:
            raise CannotEvaluate(answer.error)
        return answer.output if isinstance(answer.output, str) else json.dumps(answer.output)
