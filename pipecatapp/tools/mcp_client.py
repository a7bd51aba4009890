"""One call of a server of the Model Context Protocol, through the official library; over its streams or over HTTP."""

import json
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from evolve.core.model.errors import EnvironmentFault
from pipecatapp.tools.config import McpServer

if TYPE_CHECKING:
    from mcp import Client

_MAX_PAGES: Final = 20
"""Of a list of tools: a server whose list never ends must not hold up a call."""


class McpFault(EnvironmentFault):
    """A server did not start, did not answer, or answered what is not the protocol."""


class RemoteTool:
    """A tool of a server, as the server describes it."""

    def __init__(self, tool: Any) -> None:
        self.name: str = tool.name
        self.description: str = tool.description or ""
        self.schema: object = tool.input_schema
        hints = tool.annotations
        self.read_only: bool | None = hints.read_only_hint if hints else None
        self.destructive: bool | None = hints.destructive_hint if hints else None


async def list_tools(name: str, server: McpServer) -> list[RemoteTool]:
    """Return the tools of a server.

    Args:
        name: of the server, for messages.
        server: how to reach it.

    Raises:
        McpFault: it cannot be asked.
    """
    found: list[RemoteTool] = []
    async with _connected(name, server) as client:
        cursor = None
        for _ in range(_MAX_PAGES):
            page = await client.list_tools(cursor=cursor)
            found += map(RemoteTool, page.tools)
            cursor = page.next_cursor
            if not cursor:
                break
    return found


async def call_remote(name: str, server: McpServer, tool: str, arguments: dict[str, Any]) -> tuple[str, bool]:
    """Return what a tool of a server said, and whether it calls that an error.

    Args:
        name: of the server, for messages.
        server: how to reach it.
        tool: its name.
        arguments: the server checks them.

    Raises:
        McpFault: it cannot be asked.
    """
    async with _connected(name, server) as client:
        result = await client.call_tool(tool, arguments)
    text = "\n".join(_text_of(block) for block in result.content)
    if not text and result.structured_content is not None:
        text = json.dumps(result.structured_content, ensure_ascii=False)
    return text, bool(result.is_error)


def _text_of(block: Any) -> str:
    return block.text if block.type == "text" else f"[{block.type}, which is no text]"


@asynccontextmanager
async def _connected(name: str, server: McpServer) -> "AsyncIterator[Client]":
    """Yield a client for one call: a server of this machine starts with it and ends with it."""
    from mcp import Client, MCPError

    try:
        async with AsyncExitStack() as stack:
            transport = await _transport(server, stack)
            yield await stack.enter_async_context(Client(transport, cache=None))
    except MCPError as error:
        raise McpFault(f"the server {name} refused: {error.error.message}") from error
    # The library raises groups of whatever its own libraries raise: of connections, processes, and what does not parse.
    except Exception as error:
        cause = _first(error)
        if isinstance(cause, MCPError):
            raise McpFault(f"the server {name} refused: {cause.error.message}") from error
        detail = cause.strerror if isinstance(cause, OSError) and cause.strerror else type(cause).__name__
        raise McpFault(f"the server {name} cannot be asked: {detail}") from error


async def _transport(server: McpServer, stack: AsyncExitStack) -> Any:
    if server.url:
        import httpx2
        from mcp.client.streamable_http import streamable_http_client

        headers = {"Authorization": f"Bearer {server.token}"} if server.token else {}
        client = httpx2.AsyncClient(headers=headers, timeout=httpx2.Timeout(30, read=None), trust_env=False)
        return streamable_http_client(server.url, http_client=await stack.enter_async_context(client))
    from mcp import StdioServerParameters
    from mcp.client.stdio import stdio_client

    program, *arguments = server.command
    # What a server writes to its stderr is nobody's log: it may hold what it works on.
    errors = stack.enter_context(open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
    parameters = StdioServerParameters(
        command=program, args=arguments, env=dict(server.env), encoding_error_handler="replace"
    )
    return stdio_client(parameters, errlog=errors)


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
