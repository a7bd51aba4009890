"""The agents' prompts as prompt functions, for Anneal and for promptfoo (`PROMPTFOO_PYTHON=.venv/bin/python`)."""

from functools import cache

from evolve.core.agents import Agent, DemoBank, render_agent
from evolve.core.json_value import JsonValue
from evolve.core.templating.templates import Templates
from evolve.store.agents import find_agent, load_agent, load_bank

_render = Templates("strict").render


def reflection(context: dict[str, dict[str, JsonValue]]) -> dict[str, JsonValue]:
    """The reflection agent's prompt and call settings for one case."""
    return _prompt("REFLECTION_AGENT", context)


def reflection_plain(context: dict[str, dict[str, JsonValue]]) -> dict[str, JsonValue]:
    """The same of its plain ancestor."""
    return _prompt("REFLECTION_AGENT_PLAIN", context)


def twin(context: dict[str, dict[str, JsonValue]]) -> dict[str, JsonValue]:
    """The twin agent's prompt and call settings for one case."""
    return _prompt("TWIN_AGENT", context)


def twin_plain(context: dict[str, dict[str, JsonValue]]) -> dict[str, JsonValue]:
    """The same of its plain ancestor."""
    return _prompt("TWIN_AGENT_PLAIN", context)


def _prompt(name: str, context: dict[str, dict[str, JsonValue]]) -> dict[str, JsonValue]:
    agent, bank = _loaded(name)
    made = render_agent(agent, context["vars"], bank, _render, leave_family_out=True)
    return {"prompt": made.text, "config": dict(made.config)}


@cache
def _loaded(name: str) -> tuple[Agent, DemoBank | None]:
    path = find_agent(name)
    agent = load_agent(path)
    return agent, load_bank(agent, path, _render)
