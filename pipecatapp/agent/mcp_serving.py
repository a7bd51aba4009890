"""The agent's tools for other programs, by the Model Context Protocol."""

import asyncio
from collections.abc import Callable

from evolve.core.model.errors import InputError, Problem
from pipecatapp.agent.config import AgentConfig
from pipecatapp.gateway.keys import Keys
from pipecatapp.serving.listening import Listen, open_listener
from pipecatapp.tools.all_tools import make_toolbox
from pipecatapp.tools.config import ToolsConfig
from pipecatapp.tools.mcp_server import http_app, serve_streams
from pipecatapp.wire.openai import ApiError


def serve_tools(config: AgentConfig, port: int | None, say: Callable[[str], None]) -> None:
    """Serve until the client closes the streams, or, over HTTP, until SIGTERM or SIGINT.

    Args:
        config: the agent's; its keys open the way over HTTP.
        port: of 127.0.0.1, 0 for a free one; None for standard streams.
        say: gets a line for a person: where it serves HTTP.

    Raises:
        InputError: over HTTP, there are no keys.
        EnvironmentFault: the port is taken.
    """
    toolbox = make_toolbox(config.tools or ToolsConfig())
    if port is None:
        asyncio.run(serve_streams(toolbox))
        return
    if config.keys_file is None:
        raise InputError(
            Problem("over HTTP the tools need keys", None, "set keys_file; moe-gateway key NAME makes one")
        )
    import uvicorn

    keys = Keys(config.keys_file)
    with open_listener(Listen("127.0.0.1", port)) as listener:
        say(f"serving on http://127.0.0.1:{listener.getsockname()[1]}/mcp")
        app = http_app(toolbox, lambda header: _is_known(keys, header))
        uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False)).run([listener])


def _is_known(keys: Keys, header: str) -> bool:
    try:
        keys.name_of(header)
    except ApiError:
        return False
    return True
