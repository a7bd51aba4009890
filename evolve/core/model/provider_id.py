"""Chooses the provider, by the same rule in every command and fixture."""

from collections.abc import Mapping
from pathlib import Path

from evolve.core.model.agents import Agent
from evolve.core.model.errors import InputError, Location, Problem

DEFAULT_PROVIDER = "llamacpp:smollm2-135m"
"""The provider of a suite when neither it, the command line nor EVOLVE_PROVIDER names one: the embedded model."""

VARIABLE = "EVOLVE_PROVIDER"


def named_provider(given: str | None, env: Mapping[str, str]) -> str | None:
    """Return the id from the command line, else from the environment; None when neither has one."""
    return given or env.get(VARIABLE) or None


def provider_id(agent: Agent | None, given: str | None, env: Mapping[str, str], *, file: Path | None = None) -> str:
    """Return the id of the provider that answers.

    Args:
        agent: its model answers if the user named no provider; None for a suite, which then uses the embedded model.
        given: the id on the command line.
        env: the environment's variables.
        file: the agent's file, for the message.

    Raises:
        InputError: the user named no provider and the agent's model is empty.
    """
    named = named_provider(given, env)
    if named is not None:
        return named
    if agent is None:
        return DEFAULT_PROVIDER
    if agent.model.strip():
        return agent.model
    where = Location(str(file or agent.name), path="model")
    hint = f"write a provider's id there, pass --provider, or set {VARIABLE}"
    raise InputError(Problem("the agent's model is empty", where, hint))


def is_embedded(provider: str) -> bool:
    """Return whether a provider's id names a model of this machine, also in a conversation (`turns:llamacpp:...`)."""
    return provider.removeprefix("turns:").startswith("llamacpp:")
