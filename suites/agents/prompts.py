"""The agents' prompts as prompt functions, for Anneal and for promptfoo (`PROMPTFOO_PYTHON=.venv/bin/python`)."""

from evolve.core.model.json_value import JsonValue
from evolve.evaluation.agent_prompt import AGENT_FILE, agent_prompt
from evolve.store.agents import find_agent


def reflection(context: dict[str, dict[str, JsonValue]]) -> dict[str, JsonValue]:
    """The reflection agent's prompt and call settings for one case."""
    return _prompt("REFLECTION_AGENT", context)


def reflection_plain(context: dict[str, dict[str, JsonValue]]) -> dict[str, JsonValue]:
    """The same of its plain ancestor."""
    return _prompt("REFLECTION_AGENT_PLAIN", context)


def heal(context: dict[str, dict[str, JsonValue]]) -> dict[str, JsonValue]:
    """The healing agent's prompt and call settings for one case."""
    return _prompt("HEAL_AGENT", context)


def heal_plain(context: dict[str, dict[str, JsonValue]]) -> dict[str, JsonValue]:
    """The same of its plain ancestor."""
    return _prompt("HEAL_AGENT_PLAIN", context)


def twin(context: dict[str, dict[str, JsonValue]]) -> dict[str, JsonValue]:
    """The twin agent's prompt and call settings for one case."""
    return _prompt("TWIN_AGENT", context)


def twin_plain(context: dict[str, dict[str, JsonValue]]) -> dict[str, JsonValue]:
    """The same of its plain ancestor."""
    return _prompt("TWIN_AGENT_PLAIN", context)


def router(context: dict[str, dict[str, JsonValue]]) -> dict[str, JsonValue]:
    """The router's prompt and call settings for one message."""
    return _prompt("ROUTER_AGENT", context)


def _prompt(name: str, context: dict[str, dict[str, JsonValue]]) -> dict[str, JsonValue]:
    return agent_prompt({"vars": context["vars"], "config": {AGENT_FILE: str(find_agent(name))}})
