"""What the code runner does without a container: it says what is missing, and never runs code on the host."""

import asyncio
from pathlib import Path

import pytest
from aiohttp import web

from fixtures.tool_calls import call_tool, reason_of, result_of
from fixtures.tool_servers import answering
from pipecatapp.core.ports import ToolReason, ToolResult
from pipecatapp.tools import container_engine
from pipecatapp.tools.code_runner import code_runner
from pipecatapp.tools.config import CodeConfig, ToolsConfig

PRINT = {"language": "python", "code": "print(1)"}


def test_without_an_image_it_is_not_configured():
    assert reason_of(call_tool(code_runner, **PRINT)) is ToolReason.NOT_CONFIGURED


def test_without_an_engine_it_is_not_configured_and_nothing_runs(tmp_path):
    proof = tmp_path / "proof"
    config = ToolsConfig(code=CodeConfig("python", f"unix://{tmp_path}/docker.sock"))
    result = call_tool(code_runner, config, language="sh", code=f"touch {proof}")
    assert reason_of(result) is ToolReason.NOT_CONFIGURED
    assert "no Docker engine answers" in result.text
    assert not proof.exists()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"language": "perl", "code": "x"}, "language: "),
        ({"language": "python", "code": ""}, "code: "),
        ({"language": "python"}, "the key 'code' is missing"),
        ({"language": "python", "code": "x" * 60_001}, "expected at most 60,000 bytes"),
        ({"language": "python", "code": "a\0b"}, "without null characters"),
    ],
)
def test_bad_arguments(arguments, text):
    result = call_tool(code_runner, ToolsConfig(code=CodeConfig("python", "unix:///nowhere")), **arguments)
    assert reason_of(result) is ToolReason.BAD_ARGUMENTS
    assert text in result.text


def asked_of(handler, folder: Path, *, timeout_s: float | None = None) -> ToolResult:
    """What the tool says with an engine whose answers a function gives."""

    async def run() -> ToolResult:
        runner = web.AppRunner(answering(handler), access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.UnixSite(runner, str(folder / "docker.sock")).start()
        config = ToolsConfig(code=CodeConfig("python", f"unix://{folder}/docker.sock"))
        try:
            async with asyncio.timeout(30):
                return await result_of(code_runner, config, timeout_s=timeout_s, **PRINT)
        finally:
            await runner.cleanup()

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("status", "message", "reason"),
    [
        (404, "No such image: python:latest", ToolReason.NOT_CONFIGURED),
        (500, "no space left on device", ToolReason.FAILED),
        (400, "Unknown runtime", ToolReason.FAILED),
    ],
)
def test_an_engine_that_refuses(tmp_path, status, message, reason):
    async def handler(request: web.Request) -> web.Response:
        if request.path.endswith("/containers/create"):
            return web.json_response({"message": message}, status=status)
        return web.json_response([])

    result = asked_of(handler, tmp_path)
    assert reason_of(result) is reason
    assert message in result.text


def test_something_that_is_no_engine(tmp_path):
    async def handler(request: web.Request) -> web.Response:
        return web.Response(text="<html>hello</html>", content_type="text/html")

    result = asked_of(handler, tmp_path)
    assert reason_of(result) is ToolReason.FAILED
    assert "bug" not in result.text


def test_an_engine_that_answers_nothing_more_holds_up_no_call(tmp_path, monkeypatch):
    monkeypatch.setattr(container_engine, "_REMOVE_S", 0.1)
    asked = []

    async def handler(request: web.Request) -> web.Response:
        asked.append(request.method)
        if request.method == "GET":
            return web.json_response([])
        await asyncio.Event().wait()
        raise AssertionError

    result = asked_of(handler, tmp_path, timeout_s=0.3)
    assert reason_of(result) is ToolReason.TIMEOUT
    assert asked == ["GET", "POST", "DELETE"]
