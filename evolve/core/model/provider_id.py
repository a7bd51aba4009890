"""Who answers: the one rule by which every command and fixture chooses a provider."""

from collections.abc import Mapping
from pathlib import Path

from evolve.core.model.agents import Agent
from evolve.core.model.errors import InputError, Location, Problem

DEFAULT_PROVIDER = "llamacpp:smollm2-135m"
"""Who answers a suite where neither it, the command line nor EVOLVE_PROVIDER names anyone: the embedded model."""

VARIABLE = "EVOLVE_PROVIDER"


def named_provider(given: str | None, env: Mapping[str, str]) -> str | None:
    """Return the id that the user named: on the command line, else in the environment; None where nobody did."""
    return given or env.get(VARIABLE) or None


def provider_id(agent: Agent | None, given: str | None, env: Mapping[str, str], *, file: Path | None = None) -> str:
    """Return the id of the provider that answers.

    Args:
        agent: whose own model answers where the user named nobody; None for a suite, which has the embedded model then.
        given: the id on the command line.
        env: the environment's variables.
        file: the agent's file, for the message.

    Raises:
        InputError: the user named nobody, and the agent's model is empty.
    """
    named = named_provider(given, env)
    if named is not None:
        return named
    if agent is None:
        return DEFAULT_PROVIDER
    if agent.model.strip():
        return agent.model
    where = Location(str(file or agent.name), path="model")
    hint = f"write a provider's id there, name one with --provider, or set {VARIABLE}"
    raise InputError(Problem("the agent's model is empty", where, hint))
