"""A program that reads lines of words and writes samples: no shell, and no word is ever an option."""

import asyncio
import os
import shutil
import signal
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from evolve.core.model.errors import EnvironmentFault, ProcessFault

_CHUNK: Final = 16 * 1024
_KEPT_ERRORS: Final = 2000
"""Bytes of what it complains about; the last ones say why it ended."""


class SpeechProgram:
    """One run of a program. Words go in by its standard input alone."""

    def __init__(self, name: str, process: asyncio.subprocess.Process) -> None:
        self._name, self._process = name, process
        self._half = b""
        self._errors = b""
        self._complaints = asyncio.create_task(self._read_errors())

    @classmethod
    async def start(cls, argv: Sequence[str], hint: str) -> "SpeechProgram":
        """Start a program.

        Args:
            argv: program and arguments, none of them from a model or a person.
            hint: how to install it.

        Raises:
            EnvironmentFault: it is not here, or does not start.
        """
        path = shutil.which(argv[0])
        if path is None:
            raise EnvironmentFault(f"the program {argv[0]} is not installed", hint=hint)
        try:
            process = await asyncio.create_subprocess_exec(
                path,
                *argv[1:],
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8", "PYTHONUTF8": "1"},
                start_new_session=True,
            )
        except OSError as error:
            raise ProcessFault(f"{argv[0]} did not start: {error.strerror}", command=argv[0]) from error
        return cls(argv[0], process)

    @property
    def has_ended(self) -> bool:
        """Whether it runs no more."""
        return self._process.returncode is not None

    async def write(self, line: str) -> None:
        """Give it one line of words. Where it has ended, `read` says why."""
        assert self._process.stdin is not None
        with suppress(ConnectionError):
            self._process.stdin.write(f"{_one_line(line)}\n".encode())
            await self._process.stdin.drain()

    async def finish(self) -> None:
        """Give it no more words."""
        assert self._process.stdin is not None
        with suppress(ConnectionError):
            self._process.stdin.close()
            await self._process.stdin.wait_closed()

    async def read(self) -> bytes:
        """Return the next bytes, always whole samples; none at its end.

        Raises:
            ProcessFault: it ended with an error.
        """
        assert self._process.stdout is not None
        found = b""
        while not found and (chunk := await self._process.stdout.read(_CHUNK)):
            found, self._half = _whole_samples(self._half + chunk)
        if not found:
            await self._check_end()
        return found

    async def read_exactly(self, count: int) -> bytes:
        """Return a number of bytes, less only at its end."""
        assert self._process.stdout is not None
        try:
            return await self._process.stdout.readexactly(count)
        except asyncio.IncompleteReadError as error:
            return error.partial

    async def end(self) -> None:
        """End it, with its children."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        await self._process.wait()
        await self.finish()
        await self._complaints

    async def _check_end(self) -> None:
        code = await self._process.wait()
        await self._complaints
        if code:
            why = (self._errors.decode("utf-8", "replace").strip().splitlines() or ["no reason given"])[-1]
            raise ProcessFault(f"{self._name} ended with {code}: {why[:300]}", command=self._name)

    async def _read_errors(self) -> None:
        assert self._process.stderr is not None
        while chunk := await self._process.stderr.read(_CHUNK):
            self._errors = (self._errors + chunk)[-_KEPT_ERRORS:]


def _one_line(text: str) -> str:
    """Return words as one line; programs obey control characters, and take `[[...]]` for the names of sounds."""
    printable = "".join(one if one.isprintable() else " " for one in text)
    return " ".join(printable.replace("[[", "[ [").split())


def _whole_samples(data: bytes) -> tuple[bytes, bytes]:
    size = len(data) & ~1
    return data[:size], data[size:]
