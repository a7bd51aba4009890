"""An agent file of Anneal with its demos: the prompt that its suite measures."""

from collections.abc import Mapping
from pathlib import Path

from evolve.core.evaluation.agent_prompts import render_agent
from evolve.core.model.agents import Agent, AgentPrompt
from evolve.core.model.json_value import JsonValue
from evolve.core.templating.templates import Templates
from evolve.store.agents import find_agent, load_agent, load_bank, load_demos


class AgentFile:
    """An agent, read once."""

    def __init__(self, given: str | Path) -> None:
        """Read the file and its bank of demos.

        Args:
            given: its path, or the name of an agent.

        Raises:
            InputError: there is no such agent, or a file is wrong or cannot be read; with every problem.
        """
        self.path = find_agent(given) if isinstance(given, str) else given
        self._render = Templates("strict").render
        self.agent = load_agent(self.path)
        self._bank = load_bank(self.agent, self.path, self._render)
        # What is compiled at first use would take a tenth of a second of the first request.
        for demo in load_demos(self.agent, self.path)[:1]:
            self.prompt(demo.vars)

    def prompt(self, vars: Mapping[str, JsonValue], agent: Agent | None = None) -> AgentPrompt:
        """Return the messages and the settings of the call for one case.

        Args:
            vars: the case's inputs.
            agent: a variant with the same demos; None for the agent of the file.

        Raises:
            CannotEvaluate: an input is missing.
        """
        return render_agent(agent or self.agent, vars, self._bank, self._render)
