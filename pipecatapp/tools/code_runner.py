"""The tool `code_runner`: code of a model in a container that has no network, no rights and little of everything."""

import asyncio
import time
from typing import Any, Final

from pipecatapp.core.ports import Risk, ToolReason
from pipecatapp.tools.config import CodeConfig
from pipecatapp.tools.container_engine import LABEL, ContainerEnd, NoEngine, NoImage, container, remove_older
from pipecatapp.tools.context import ToolContext
from pipecatapp.tools.output import SEARCHED_BYTES
from pipecatapp.tools.registry import Arguments, ToolProblem, text_of, tool

RUN_S: Final = 10
"""How long the code may run; the rest of the time-out is the engine's."""
_TIMEOUT_S: Final = 40
_MEMORY: Final = 256 * 2**20
_PROCESSES: Final = 64
_NOBODY: Final = "65534:65534"
_MAX_CODE: Final = 60_000
"""Bytes. The code is an argument, and Linux allows 128 KiB for one."""
_COMMANDS: Final = {"python": ("python3", "-I", "-c"), "sh": ("sh", "-c")}


@tool(
    "code_runner",
    {
        "required": ["language", "code"],
        "properties": {
            "language": {"enum": list(_COMMANDS)},
            "code": {"type": "string", "minLength": 1, "description": "It prints what is wanted."},
        },
    },
    risk=Risk.DANGER,
    timeout_s=_TIMEOUT_S,
)
async def code_runner(arguments: Arguments, context: ToolContext) -> str:
    """Run code to compute or to try something, in a container without network, and show what it prints."""
    config = context.config.code
    if config is None:
        raise ToolProblem(ToolReason.NOT_CONFIGURED, "no image is configured: set tools.code_runner")
    code = text_of(arguments, "code")
    if len(code.encode("utf-8", "replace")) > _MAX_CODE or "\0" in code:
        raise ToolProblem(
            ToolReason.BAD_ARGUMENTS, f"expected at most {_MAX_CODE:,} bytes of code without null characters"
        )
    try:
        await remove_older(config.docker, 2 * _TIMEOUT_S, time.time())
        output, end = await _run(config, text_of(arguments, "language"), code)
    except (NoEngine, NoImage) as fault:
        raise ToolProblem(ToolReason.NOT_CONFIGURED, str(fault)) from fault
    return _answer(output.decode("utf-8", "replace"), end)


async def _run(config: CodeConfig, language: str, code: str) -> tuple[bytes, ContainerEnd | None]:
    async with container(config.docker, _settings(config.image, (*_COMMANDS[language], code))) as made:
        limit = asyncio.timeout(RUN_S)
        try:
            async with limit:
                return await made.run(SEARCHED_BYTES)
        except TimeoutError:
            raise ToolProblem(ToolReason.TIMEOUT, f"the code ran for {RUN_S} s and was ended") from None


def _settings(image: str, command: tuple[str, ...]) -> dict[str, Any]:
    return {
        "Image": image,
        "Entrypoint": [],
        "Cmd": list(command),
        "User": _NOBODY,
        "WorkingDir": "/tmp",
        "Env": ["HOME=/tmp", "LANG=C.UTF-8"],
        "Labels": {LABEL: "1"},
        "NetworkDisabled": True,
        "AttachStdout": True,
        "AttachStderr": True,
        "HostConfig": {
            "NetworkMode": "none",
            "ReadonlyRootfs": True,
            "Tmpfs": {"/tmp": "rw,noexec,nosuid,nodev,size=16m"},
            "Memory": _MEMORY,
            "MemorySwap": _MEMORY,
            "NanoCpus": 1_000_000_000,
            "PidsLimit": _PROCESSES,
            "CapDrop": ["ALL"],
            "SecurityOpt": ["no-new-privileges"],
            "IpcMode": "private",
            "LogConfig": {"Type": "none"},
            # Where this process is killed, the kernel ends what computes on.
            "Ulimits": [
                {"Name": "cpu", "Soft": RUN_S, "Hard": RUN_S},
                {"Name": "core", "Soft": 0, "Hard": 0},
                {"Name": "nofile", "Soft": 256, "Hard": 256},
            ],
        },
    }


def _answer(text: str, end: ContainerEnd | None) -> str:
    if end is None:
        return f"{text}\n[ended: it wrote more than {SEARCHED_BYTES:,} bytes]"
    if end.was_out_of_memory:
        raise ToolProblem(ToolReason.FAILED, f"the code needed more than {_MEMORY // 2**20} MiB of memory\n{text}")
    if end.code:
        raise ToolProblem(ToolReason.FAILED, f"the code ended with exit code {end.code}\n{text}")
    return text or "the code ended without output"
