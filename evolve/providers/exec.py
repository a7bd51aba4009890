"""Commands as providers: `exec:COMMAND ARGS...` gets prompt, options and context (JSON) as its last arguments.

Its standard output is the answer. It runs in the suite's folder, without a shell.
"""

import asyncio
import contextlib
import hashlib
import json
import os
import re
import signal
from pathlib import Path

from evolve.core.model.answers import Answer, Request, TokenUsage
from evolve.core.model.errors import CannotEvaluate, InputError, Problem, ProcessFault
from evolve.core.model.json_value import JsonValue
from evolve.core.model.suite import ProviderSpec
from evolve.providers.call_context import call_context, call_options
from evolve.providers.config import number_of, place_of
from evolve.providers.context import ProviderContext
from evolve.system.credentials import scrub, secret_values

_WORDS = re.compile(r"[^\s\"']+|\"([^\"]*)\"|'([^']*)'")
"""Words of a command; quoted ones may hold spaces. Not `shlex`: promptfoo splits commands this way."""
_COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_MAX_ARGUMENT_BYTES = 128 * 1024
"""Linux's limit for one argument (MAX_ARG_STRLEN)."""
_MAX_OUTPUT_BYTES = 16 * 1024 * 1024
"""A limit far above any answer; without it a command that prints for ever would fill the memory."""
_CHUNK_BYTES = 64 * 1024
"""The capacity of a pipe on Linux: a read never gets more."""


class Command:
    """A program that runs once for each prompt."""

    def __init__(self, spec: ProviderSpec, context: ProviderContext, words: list[str]) -> None:
        self.id = spec.id
        self._words = words
        base = spec.config.get("basePath")
        self._folder = os.path.join(context.base_dir, base) if isinstance(base, str) else context.base_dir
        self._env = dict(context.env)
        self._options = call_options(spec, context, dict(spec.config))
        self._settings = context.settings
        self._timeout_s = (number_of(spec, "timeoutMs") or context.settings.deadline_s * 1000) / 1000
        self._scripts: list[JsonValue] = []

    def identity(self, request: Request) -> JsonValue:
        """Return the command, the hashes of the files it names, and its arguments; None if it names no file.

        Without a file nothing shows whether the program has changed, so its answers are not stored.
        """
        self._scripts = self._scripts or list(self._file_hashes())
        if not self._scripts:
            return None
        return {
            "provider": "exec",
            "words": list(self._words),
            "files": self._scripts,
            "options": self._options,
            "prompt": request.prompt,
            "context": call_context(request),
        }

    def _file_hashes(self) -> list[str]:
        paths = [Path(self._folder, word) for word in self._words]
        return [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths if path.is_file()]

    async def answer(self, request: Request) -> Answer:
        """See `Provider.answer`."""
        arguments = [request.prompt, json.dumps(self._options), json.dumps(call_context(request))]
        self._check_sizes(arguments)
        start = self._settings.clock()
        code, output, errors = await self._run(arguments)
        spent_ms = (self._settings.clock() - start) * 1000
        if code != 0:
            raise CannotEvaluate(f"command {self._words[0]!r} ended with code {code}{self._tail(errors or output)}")
        if not output and errors:
            raise CannotEvaluate(f"command {self._words[0]!r} printed nothing but errors{self._tail(errors)}")
        return Answer(output, latency_ms=spent_ms, tokens=TokenUsage(requests=1))

    def _check_sizes(self, arguments: list[str]) -> None:
        largest = max(len(argument.encode("utf-8", "replace")) for argument in arguments)
        if largest >= _MAX_ARGUMENT_BYTES or any("\0" in argument for argument in arguments):
            raise CannotEvaluate(
                f"command {self._words[0]!r}: the prompt or the context is longer than an argument may be "
                f"({largest} of {_MAX_ARGUMENT_BYTES} bytes) or holds a NUL; use a Python provider"
            )

    async def _run(self, arguments: list[str]) -> tuple[int, str, str]:
        process = await self._start(arguments)
        readers = [asyncio.ensure_future(self._read(stream)) for stream in (process.stdout, process.stderr)]
        try:
            async with asyncio.timeout(self._timeout_s):
                output, errors = await asyncio.gather(*readers)
                await process.wait()
        except TimeoutError as exc:
            text = f"command {self._words[0]!r} gave no answer within {self._timeout_s:g} s"
            raise ProcessFault(text, command=self._words[0]) from exc
        finally:
            for reader in readers:
                reader.cancel()
            await asyncio.gather(*readers, return_exceptions=True)
            await _end(process)
        return process.returncode or 0, _clean(output), _clean(errors)

    async def _read(self, stream: asyncio.StreamReader | None) -> bytes:
        text = bytearray()
        while stream is not None and (part := await stream.read(_CHUNK_BYTES)):
            text += part
            if len(text) > _MAX_OUTPUT_BYTES:
                limit = _MAX_OUTPUT_BYTES // 2**20
                raise CannotEvaluate(f"command {self._words[0]!r} printed more than {limit} MiB and was stopped")
        return bytes(text)

    async def _start(self, arguments: list[str]) -> asyncio.subprocess.Process:
        try:
            return await asyncio.create_subprocess_exec(
                *self._words,
                *arguments,
                cwd=self._folder,
                env=self._env,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as exc:
            text = f"command {self._words[0]!r} does not start in {self._folder}: {exc.strerror or exc}"
            raise ProcessFault(text, command=self._words[0]) from exc

    def _tail(self, text: str) -> str:
        return f": {scrub(text, secret_values(self._env))[-400:]}" if text else ""

    async def close(self) -> None:
        """Do nothing: there is nothing to free."""


async def _end(process: asyncio.subprocess.Process) -> None:
    """End the process and its children if it is still running."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        # asyncio waits until the pipes are empty too, and stops reading a pipe that nothing empties.
        await asyncio.gather(_drain(process.stdout), _drain(process.stderr), process.wait())


async def _drain(stream: asyncio.StreamReader | None) -> None:
    while stream is not None and await stream.read(_CHUNK_BYTES):
        pass


def _clean(output: bytes) -> str:
    return _COLOURS.sub("", output.decode("utf-8", "replace")).strip()


def open_provider(spec: ProviderSpec, context: ProviderContext) -> Command:
    """Return the command that the id names; raises InputError for an empty one."""
    line = spec.id.partition(":")[2]
    words = [match[1] or match[2] or match[0] for match in _WORDS.finditer(line)]
    if not words:
        raise InputError(Problem(f"provider {spec.id!r}: expected exec:COMMAND ARGS...", place_of(spec)))
    return Command(spec, context, words)
