"""A program that runs for a tool: no shell, and what it writes is read up to a limit."""

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import IO, Final, NamedTuple

from evolve.core.model.errors import ProcessFault

_CHUNK: Final = 16 * 1024


class Ended(NamedTuple):
    """What a program did."""

    code: int | None
    """Its exit code, negative for a signal; None where it was ended because it wrote too much."""
    output: bytes
    """What it wrote, both streams in their order."""


async def run_program(
    argv: Sequence[str], env: Mapping[str, str], max_bytes: int, *, stdin: IO[bytes] | None = None
) -> Ended:
    """Run a program to its end, or to the limit of what it writes; a cancelled call ends it with its children.

    Args:
        argv: program and arguments.
        env: all its variables.
        max_bytes: of its output that are read.
        stdin: a file that it reads; None for no input.

    Raises:
        ProcessFault: it did not start.
    """
    # A pipe of our own: Python 3.11 waits for the end of one that it made, also where nobody reads it any more, or a
    # program that left the session holds it.
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb", 0) as pipe:
        try:
            process = await _started(argv, env, stdin, writing)
        finally:
            os.close(writing)
        try:
            output = await _read(pipe, max_bytes)
            code = None if len(output) > max_bytes else await process.wait()
        finally:
            await _end(process)
    return Ended(code, bytes(output[:max_bytes]))


async def _started(
    argv: Sequence[str], env: Mapping[str, str], stdin: IO[bytes] | None, output: int
) -> asyncio.subprocess.Process:
    try:
        return await asyncio.create_subprocess_exec(
            *argv,
            env=env,
            stdin=stdin or asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        raise ProcessFault(f"{argv[0]} did not start: {error.strerror}", command=argv[0]) from error


async def _read(pipe: IO[bytes], max_bytes: int) -> bytearray:
    output, reader = bytearray(), asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
    try:
        while len(output) <= max_bytes and (chunk := await reader.read(_CHUNK)):
            output += chunk
    finally:
        transport.close()
    return output


async def _end(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()
