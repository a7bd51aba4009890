"""The tools as a server of the Model Context Protocol: on standard streams for one program, or over HTTP."""

import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from pipecatapp.core.ports import Risk, Toolbox, ToolCall

if TYPE_CHECKING:
    from mcp.server import Server
    from starlette.types import ASGIApp

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]

EXPOSED: Final = frozenset((Risk.READ,))
"""What is served: nobody on this way can be asked for an approval."""
_SESSION: Final = "mcp"
_NOT_HERE: Final = "this call changes something, which only the agent's page can do: nobody can be asked here"
_HOSTS: Final = ("127.0.0.1:*", "localhost:*", "[::1]:*")


def make_server(toolbox: Toolbox, risks: frozenset[Risk] = EXPOSED) -> "Server[Any]":
    """Return a server that lists and runs the tools of some risks.

    Args:
        toolbox: the tools.
        risks: of the tools that are served; all others do not exist here, and calls of another risk are refused.
    """
    from mcp.server import Server
    from mcp_types import CallToolRequestParams, CallToolResult, ListToolsResult, TextContent, Tool, ToolAnnotations

    served = {spec.name: spec for spec in toolbox.specs() if spec.risk in risks}

    async def list_tools(_context: object, _params: object) -> ListToolsResult:
        return ListToolsResult(
            tools=[
                Tool(
                    name=spec.name,
                    description=spec.description,
                    input_schema=dict(spec.schema),
                    annotations=ToolAnnotations(
                        read_only_hint=spec.risk is Risk.READ, destructive_hint=spec.risk is Risk.DANGER
                    ),
                )
                for spec in served.values()
            ]
        )

    async def call_tool(_context: object, params: CallToolRequestParams) -> CallToolResult:
        # A name that is not served gets the toolbox's answer for a tool that does not exist.
        name = params.name if params.name in served else ""
        arguments = params.arguments or {}
        if await toolbox.risk(name, arguments) not in risks:
            return CallToolResult(content=[TextContent(type="text", text=_NOT_HERE)], is_error=True)
        result = await toolbox.run(ToolCall(secrets.token_hex(8), name, arguments), _SESSION)
        return CallToolResult(content=[TextContent(type="text", text=result.text)], is_error=result.is_error)

    return Server("anneal", on_list_tools=list_tools, on_call_tool=call_tool)


async def serve_streams(toolbox: Toolbox) -> None:
    """Serve the program that started this one, until it closes the streams."""
    from mcp.server.stdio import stdio_server

    server = make_server(toolbox)
    async with stdio_server() as (incoming, outgoing):
        await server.run(incoming, outgoing, server.create_initialization_options())


def http_app(toolbox: Toolbox, is_allowed: Callable[[str], bool]) -> "ASGIApp":
    """Return the server as an ASGI application with the one path `/mcp`, for loopback only.

    Args:
        toolbox: the tools.
        is_allowed: says whether a request with this header `Authorization` may pass; empty without one.
    """
    from mcp.server.transport_security import TransportSecuritySettings

    # A page in a browser may lead a name of its own to this machine: only loopback's own names are answered.
    origins = [f"http://{host}" for host in _HOSTS]
    security = TransportSecuritySettings(allowed_hosts=list(_HOSTS), allowed_origins=origins)
    inner = make_server(toolbox).streamable_http_app(
        json_response=True, stateless_http=True, transport_security=security
    )

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not is_allowed(_authorization(scope)):
            headers = [(b"www-authenticate", b"Bearer"), (b"content-length", b"0")]
            await send({"type": "http.response.start", "status": 401, "headers": headers})
            await send({"type": "http.response.body", "body": b""})
            return
        await inner(scope, receive, send)

    return app


def _authorization(scope: Scope) -> str:
    found = [value for name, value in scope["headers"] if name == b"authorization"]
    return found[0].decode("latin-1") if len(found) == 1 else ""
