"""Agents by name, for the capture of failures: their schema, settings and prompt."""

from collections.abc import Mapping
from functools import cache

from evolve.core.cases.from_result import KnownAgent
from evolve.core.evaluation.agent_prompts import render_agent
from evolve.core.model.errors import InputError
from evolve.core.model.json_value import JsonValue
from evolve.core.templating.templates import Templates
from evolve.store.agents import AGENTS_DIR, find_agent, load_agent, load_bank


@cache
def find_known_agent(name: str) -> KnownAgent | None:
    """Return the agent of a name or of a file's path; None when there is no such agent, or its file is wrong."""
    render = Templates("strict").render
    try:
        # Not in the working folder: a label may by chance be the name of a file there.
        path = find_agent(name, (AGENTS_DIR,))
        agent = load_agent(path)
        bank = load_bank(agent, path, render)
    except InputError:
        return None
    given = tuple(item.name for item in agent.inputs)

    def prompt(vars: Mapping[str, JsonValue]) -> str:
        return render_agent(agent, vars, bank, render, leave_family_out=True).text

    example: dict[str, JsonValue] = dict.fromkeys(given, "")
    settings = render_agent(agent, example, bank, render).config
    return KnownAgent(agent.name, agent.title, agent.output, settings, prompt)
