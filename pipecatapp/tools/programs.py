"""A program that runs for a tool: no shell, no input, and what it writes is read up to a limit."""

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final, NamedTuple

from evolve.core.model.errors import ProcessFault

_CHUNK: Final = 16 * 1024


class Ended(NamedTuple):
    """What a program did."""

    code: int | None
    """Its exit code, negative for a signal; None where it was ended because it wrote too much."""
    output: bytes
    """What it wrote, both streams in their order."""


async def run_program(argv: Sequence[str], env: Mapping[str, str], max_bytes: int) -> Ended:
    """Run a program to its end, or to the limit of what it writes; a cancelled call ends it with its children.

    Args:
        argv: program and arguments.
        env: all its variables.
        max_bytes: of its output that are read.

    Raises:
        ProcessFault: it did not start.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            env=env,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        raise ProcessFault(f"{argv[0]} did not start: {error.strerror}", command=argv[0]) from error
    try:
        output = await _read(process, max_bytes)
        code = None if len(output) > max_bytes else await process.wait()
    finally:
        await _end(process)
    return Ended(code, bytes(output[:max_bytes]))


async def _read(process: asyncio.subprocess.Process, max_bytes: int) -> bytearray:
    output = bytearray()
    assert process.stdout is not None
    while len(output) <= max_bytes and (chunk := await process.stdout.read(_CHUNK)):
        output += chunk
    return output


async def _end(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()
