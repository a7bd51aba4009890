"""What a tool of an MCP server can do: as the user declared it, else as the server itself says, else dangerous."""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, Protocol

from pipecatapp.core.ports import Risk
from pipecatapp.tools.config import McpServer

_KNOWN_S: Final = 600.0
"""How long a server's word is taken: to ask one that starts for each question costs a second."""


class Hints(Protocol):
    """What a server says of one of its tools; None for nothing."""

    name: str
    read_only: bool | None
    destructive: bool | None


List = Callable[[str, McpServer], Awaitable[Sequence[Hints]]]
"""Returns the tools of a server. Raises McpFault."""


class McpRisks:
    """The risks of tools, for all servers; the servers' words are kept for some minutes."""

    def __init__(self, list_tools: List, clock: Callable[[], float] = time.monotonic) -> None:
        self._list, self._clock = list_tools, clock
        self._listed: dict[str, tuple[float, Mapping[str, Risk]]] = {}

    async def of(self, name: str, server: McpServer, tool: str) -> Risk:
        """Return what a call of a tool can do.

        Args:
            name: of the server.
            server: how to reach it, and what is declared.
            tool: its name; one that the server does not list is dangerous.

        Raises:
            McpFault: the server has to be asked, and cannot be.
        """
        declared = server.risks.get(tool)
        if declared is not None:
            return declared
        return (await self._of_server(name, server)).get(tool, Risk.DANGER)

    async def _of_server(self, name: str, server: McpServer) -> Mapping[str, Risk]:
        found = self._listed.get(name)
        if found is None or self._clock() - found[0] > _KNOWN_S:
            risks = {one.name: risk_of_hints(one.read_only, one.destructive) for one in await self._list(name, server)}
            found = self._listed[name] = (self._clock(), risks)
        return found[1]


def risk_of_hints(read_only: bool | None, destructive: bool | None) -> Risk:
    """Return the risk that a server's hints name. The protocol's defaults are those of a tool that destroys.

    Args:
        read_only: `readOnlyHint`.
        destructive: `destructiveHint`, which counts for a tool that changes something.
    """
    if read_only:
        return Risk.READ
    return Risk.WRITE if destructive is False else Risk.DANGER
