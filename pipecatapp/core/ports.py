"""What the gateway needs of others: an agent, and what chooses an expert."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from evolve.core.model.json_value import JsonValue


@dataclass(frozen=True, slots=True)
class AgentRequest:
    """A chat request for the agent."""

    response_queue_id: str
    """Where the answer goes: the id of a queue that this request alone has."""
    key_name: str
    """Whose key it came with."""
    request: Mapping[str, JsonValue]
    """The whole request, with all its messages."""


@dataclass(frozen=True, slots=True)
class AgentReply:
    """A part of the agent's answer, or the last one."""

    response_queue_id: str
    text: str = ""
    is_final: bool = False
    error: str = ""
    """Why there is no answer; it ends the answer, too."""


class Agent(Protocol):
    """The agent with its tools. It puts replies on the request's queue, the last one with `is_final` or an error."""

    async def answer(self, request: AgentRequest, queue: "asyncio.Queue[AgentReply]") -> None:
        """Answer a request; cancelled when the client has gone."""
        ...


class ExpertChooser(Protocol):
    """Chooses an expert for requests to the model `moe`."""

    async def choose(self, message: str, tags: Mapping[str, tuple[str, ...]]) -> str | None:
        """Return the id of an expert for the last message; None where it is unsure.

        Args:
            message: the last one of the user.
            tags: of each expert, by its id.
        """
        ...
