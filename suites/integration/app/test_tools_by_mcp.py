"""The tools as an MCP server: the official client lists and calls those that change nothing, and no others."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp
import httpx2
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client

import fixtures.mcp_test_server
from evolve.core.model.errors import ExitCode
from fixtures.asgi_servers import serving_asgi
from pipecatapp.agent.__main__ import main
from pipecatapp.core.ports import Risk
from pipecatapp.gateway.keys import make_key
from pipecatapp.tools.all_tools import ALL_TOOLS, make_toolbox
from pipecatapp.tools.config import McpServer, ToolsConfig
from pipecatapp.tools.mcp_server import http_app, make_server

KEY = "Bearer key-of-a-test"


def toolbox(folder: Path):
    (folder / "a.py").write_text("class Basket: ...\n")
    return make_toolbox(ToolsConfig(projects={"shop": folder}), env={})


@asynccontextmanager
async def served(folder: Path) -> AsyncIterator[str]:
    async with serving_asgi(http_app(toolbox(folder), lambda given: given == KEY)) as url:
        yield f"{url}/mcp"


def test_tools_that_change_nothing_are_listed_and_called(tmp_path):
    async def run() -> None:
        async with AsyncExitStack() as stack:
            url = await stack.enter_async_context(served(tmp_path))
            http = await stack.enter_async_context(httpx2.AsyncClient(headers={"Authorization": KEY}))
            client = await stack.enter_async_context(Client(streamable_http_client(url, http_client=http)))
            listed = (await client.list_tools()).tools
            expected = {tool.spec.name for tool in ALL_TOOLS if tool.spec.risk is Risk.READ}
            assert {tool.name for tool in listed} == expected
            assert all(tool.annotations.read_only_hint for tool in listed)
            found = await client.call_tool("project_mapper", {"find": "basket"})
            assert (found.is_error, found.content[0].text) == (False, "a.py:1 class Basket")
            wrong = await client.call_tool("project_mapper", {"finds": "basket"})
            assert wrong.is_error
            assert "did you mean 'find'?" in wrong.content[0].text
            hidden = await client.call_tool("ssh", {"host": "a", "command": "b"})
            assert hidden.is_error
            assert "there is no tool" in hidden.content[0].text

    asyncio.run(run())


def test_calls_of_other_servers_pass_only_where_they_change_nothing():
    """Nobody on this way can be asked: a dangerous tool of a server behind this one is refused, too."""

    async def run() -> list[str]:
        async with serving_asgi(fixtures.mcp_test_server.server.streamable_http_app()) as url:
            tickets = McpServer(("look", "close", "rename"), url=f"{url}/mcp")
            async with Client(make_server(make_toolbox(ToolsConfig(mcp={"tickets": tickets}), env={}))) as client:
                calls = [{"action": "call", "server": "tickets", "tool": name} for name in tickets.tools]
                return [(await client.call_tool("mcp", call)).content[0].text for call in calls]

    looked, closed, renamed = asyncio.run(run())
    assert looked == "open"
    assert "nobody can be asked here" in closed
    assert "nobody can be asked here" in renamed


def test_a_client_in_the_same_process(tmp_path):
    async def run() -> str:
        async with Client(make_server(toolbox(tmp_path))) as client:
            return (await client.call_tool("mcp", {"action": "status"})).content[0].text

    assert asyncio.run(run()) == "no component reports its state"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"Authorization": "Bearer other"}, 401),
        ({"Authorization": KEY, "Host": "evil.example"}, 421),
        ({"Authorization": KEY, "Origin": "https://evil.example"}, 403),
    ],
)
def test_who_gets_no_answer(tmp_path, headers, status):
    async def run() -> int:
        async with served(tmp_path) as url, aiohttp.ClientSession() as session:
            body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
            wanted = {"Accept": "application/json, text/event-stream", **headers}
            async with session.post(url, json=body, headers=wanted) as response:
                return response.status

    assert asyncio.run(run()) == status


def agents_config(folder: Path, **more: str) -> Path:
    (folder / "a.py").write_text("class Basket: ...\n")
    lines = ["model: {url: 'http://127.0.0.1:1'}", "tools: {project_mapper: {shop: .}}"]
    path = folder / "agent.yaml"
    path.write_text("\n".join([*lines, *(f"{name}: {value}" for name, value in more.items())]))
    return path


def test_the_command_serves_its_standard_streams(tmp_path):
    async def run() -> str:
        command = ["-m", "pipecatapp.agent", "mcp", str(agents_config(tmp_path))]
        environment = {"PYTHONPATH": os.pathsep.join(sys.path)}
        server = StdioServerParameters(command=sys.executable, args=command, env=environment)
        async with Client(server) as client:
            return (await client.call_tool("project_mapper", {"find": "basket"})).content[0].text

    assert asyncio.run(run()) == "a.py:1 class Basket"


def test_over_http_the_command_needs_keys(tmp_path, capsys):
    assert main(["mcp", str(agents_config(tmp_path)), "--port", "0"]) == ExitCode.INPUT
    assert "moe-gateway key NAME makes one" in capsys.readouterr().err


def test_over_http_the_command_serves_those_with_a_key(tmp_path):
    made = make_key("editor")
    (tmp_path / "keys").write_text(f"{made.line}\n")
    config = agents_config(tmp_path, keys_file="keys")
    command = [sys.executable, "-m", "pipecatapp.agent", "mcp", str(config), "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        line = process.stderr.readline()
        try:
            url = line.removeprefix("pipecatapp: serving on ").strip()
            assert asyncio.run(found_by(url, made.key)) == "a.py:1 class Basket"
        finally:
            process.send_signal(signal.SIGTERM)
        process.wait(60)


async def found_by(url: str, key: str) -> str:
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(httpx2.AsyncClient(headers={"Authorization": f"Bearer {key}"}))
        client = await stack.enter_async_context(Client(streamable_http_client(url, http_client=http)))
        return (await client.call_tool("project_mapper", {"find": "basket"})).content[0].text
