"""What tools get of the world: their configuration, and the rows of the status table."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from pipecatapp.tools.config import ToolsConfig
from pipecatapp.tools.mcp_client import list_tools
from pipecatapp.tools.mcp_risks import McpRisks
from pipecatapp.wire.agent_events import StatusRow

StatusSource: TypeAlias = Callable[[], Awaitable[tuple[StatusRow, ...]]]
"""Returns the state of every component now."""


async def no_rows() -> tuple[StatusRow, ...]:
    """Return no rows: for tools without a running agent."""
    return ()


@dataclass(frozen=True, slots=True)
class ToolContext:
    """What a tool's function gets with its arguments."""

    config: ToolsConfig = field(default_factory=ToolsConfig)
    status: StatusSource = no_rows
    mcp_risks: McpRisks = field(default_factory=lambda: McpRisks(list_tools))
    """What tools of MCP servers can do."""
