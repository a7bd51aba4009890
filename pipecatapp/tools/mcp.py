"""The tool `mcp`: the state of the cluster, and declared tools of configured MCP servers."""

import json
from collections.abc import Iterable
from typing import Final

from evolve.core.model.json_value import JsonValue
from evolve.core.text.did_you_mean import did_you_mean
from pipecatapp.core.ports import Risk, ToolReason
from pipecatapp.tools.config import McpServer
from pipecatapp.tools.context import ToolContext
from pipecatapp.tools.mcp_client import McpFault, call_remote, list_tools
from pipecatapp.tools.registry import Arguments, ToolProblem, needed_text, text_of, tool
from pipecatapp.wire.agent_events import StatusRow

_WHY: Final = "the action `list` shows servers and tools"


async def _risk(arguments: Arguments, context: ToolContext) -> Risk:
    """Return what a call can do; one that is refused can do nothing."""
    name, remote = text_of(arguments, "server"), text_of(arguments, "tool")
    server = context.config.mcp.get(name)
    if text_of(arguments, "action") != "call" or server is None or remote not in server.tools:
        return Risk.READ
    return await context.mcp_risks.of(name, server, remote)


@tool(
    "mcp",
    {
        "required": ["action"],
        "properties": {
            "action": {
                "enum": ["status", "list", "call"],
                "description": "`status` shows pipelines, services and memory; `list` names tools; `call` calls one.",
            },
            "server": {"type": "string", "description": "For `call`: name of the server."},
            "tool": {"type": "string", "description": "For `call`: name of the server's tool."},
            "arguments": {"type": "object", "description": "For `call`: the tool's arguments."},
        },
    },
    risk=Risk.READ,
    timeout_s=60,
    risk_of=_risk,
)
async def mcp(arguments: Arguments, context: ToolContext) -> str:
    """Show the state of the cluster, its jobs and services, and use tickets, calendars and others by their servers."""
    action = text_of(arguments, "action")
    if action == "status":
        rows = await context.status()
        return "\n".join(map(_row, rows)) or "no component reports its state"
    servers = context.config.mcp
    if not servers:
        raise ToolProblem(ToolReason.NOT_CONFIGURED, "no MCP server is configured: set tools.mcp")
    if action == "list":
        return "\n".join([await _listed(name, server) for name, server in servers.items()])
    name = needed_text(arguments, "server", _WHY)
    remote = needed_text(arguments, "tool", _WHY)
    _check_known("server", name, servers)
    _check_known("tool", remote, servers[name].tools)
    return await _called(name, servers[name], remote, arguments.get("arguments", {}))


async def _called(name: str, server: McpServer, remote: str, arguments: JsonValue) -> str:
    text, is_error = await call_remote(name, server, remote, arguments if isinstance(arguments, dict) else {})
    if is_error:
        raise ToolProblem(ToolReason.FAILED, text or f"{remote} of {name} failed")
    return text or f"{remote} of {name}: done, without output"


async def _listed(name: str, server: McpServer) -> str:
    try:
        found = await list_tools(name, server)
    except McpFault as fault:  # the other servers are of use
        return f"{name}: {fault}"
    tools = [one for one in found if one.name in server.tools]
    lines = [f"  {one.name}: {one.description} {json.dumps(one.schema, ensure_ascii=False)}" for one in tools]
    return "\n".join([f"{name}:", *lines]) if tools else f"{name}: none of its tools may be called"


def _check_known(what: str, name: str, known: Iterable[str]) -> None:
    names = list(known)
    if name not in names:
        hint = did_you_mean(name, names) or f"allowed: {', '.join(names)}"
        raise ToolProblem(ToolReason.REFUSED, f"the {what} {name[:40]!r} is not allowed ({hint})")


def _row(row: StatusRow) -> str:
    return f"{row.component}: {row.state}{row.detail and f', {row.detail}'}"
