"""An agent file of Anneal with its demos: the prompt that its suite measures."""

from collections.abc import Mapping
from pathlib import Path

from evolve.core.evaluation.agent_prompts import render_agent
from evolve.core.model.agents import AgentPrompt
from evolve.core.model.json_value import JsonValue
from evolve.core.templating.templates import Templates
from evolve.store.agents import find_agent, load_agent, load_bank, load_demos

ROUTER = "ROUTER_AGENT"
"""Who names the expert for the model `moe`."""


class AgentFile:
    """An agent, read once."""

    def __init__(self, path: Path | None = None) -> None:
        """Read the file and its bank of demos.

        Args:
            path: None for Anneal's own ROUTER_AGENT.

        Raises:
            InputError: one of them is wrong or cannot be read; with every problem.
        """
        file = find_agent(ROUTER) if path is None else path
        self._render = Templates("strict").render
        self.agent = load_agent(file)
        self._bank = load_bank(self.agent, file, self._render)
        # What is compiled at first use would take a tenth of a second of the first request.
        for demo in load_demos(self.agent, file)[:1]:
            self.prompt(demo.vars)

    def prompt(self, vars: Mapping[str, JsonValue]) -> AgentPrompt:
        """Return the messages and the settings of the call for one case; raises CannotEvaluate for a missing input."""
        return render_agent(self.agent, vars, self._bank, self._render)
