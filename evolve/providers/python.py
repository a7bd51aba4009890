"""Python functions as providers: `file://x.py[:FUNCTION]` and `python:x.py[:FUNCTION]`, by promptfoo's convention.

`call_api(prompt, options, context)` returns a mapping with `output` or `error`, and optionally the other response
fields; it may be async. `call_embedding_api(prompt, options)` returns `embedding`.
Plain functions run in separate threads, one at a time unless `workers` is set: they need not be thread-safe.
"""

import asyncio
import hashlib
import inspect
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from evolve.core.model.answers import Answer, Request
from evolve.core.model.errors import CannotEvaluate, EvolveError, InputError
from evolve.core.model.json_value import JsonValue
from evolve.core.model.ports import Embedding
from evolve.core.model.suite import ProviderSpec, ScriptRef
from evolve.core.user_code.functions import as_json, split_reference
from evolve.providers.answer_fields import answer_from, is_response
from evolve.providers.call_context import call_context, call_options
from evolve.providers.config import load_references, number_of
from evolve.providers.context import ProviderContext
from evolve.providers.daemon_threads import DaemonThreads
from evolve.system.credentials import scrub, secret_values


class PythonFunction:
    """A user's function that answers prompts or makes vectors."""

    def __init__(self, spec: ProviderSpec, context: ProviderContext) -> None:
        self.id = spec.id
        name, function = split_reference(spec.id.removeprefix("python:"))
        self._path = context.files.resolve(name)
        self._function = function
        self._scripts = context.scripts
        config = load_references(dict(spec.config), spec, context)
        self._config: dict[str, JsonValue] = config if isinstance(config, dict) else {}
        self._options = call_options(spec, context, self._config)
        self._timeout_s = (number_of(spec, "timeout") or context.settings.deadline_s * 1000) / 1000
        self._clock = context.settings.clock
        self._threads = DaemonThreads(int(number_of(spec, "workers", 1) or 1), "call_api")
        self._env = context.env
        self._digest = ""
        self._check()

    def _check(self) -> None:
        """Raise InputError if the file has no function to call; a grader's file may have only `call_embedding_api`."""
        try:
            self._scripts.function(ScriptRef(self._path, self._function), "call_api")
        except InputError:
            try:
                self._scripts.function(ScriptRef(self._path, self._function), "call_embedding_api")
            except InputError:
                pass
            else:
                return
            raise

    def identity(self, request: Request) -> JsonValue:
        """Return the hash of the script, config, prompt and vars; changes in modules that it imports go unnoticed.

        None with `cache: false`: the function asks something that runs, whose answer of yesterday proves nothing.
        """
        if self._config.get("cache") is False:
            return None
        self._digest = self._digest or hashlib.sha256(Path(self._path).read_bytes()).hexdigest()
        return {
            "provider": "python",
            "script": self._digest,
            "function": self._function,
            "config": self._config,
            "prompt": request.prompt,
            "vars": dict(request.vars),
            "more": [dict(request.config), dict(request.metadata), request.repeat],
        }

    async def answer(self, request: Request) -> Answer:
        """See `Provider.answer`."""
        stopwatch = _Stopwatch(self._clock)
        asked = (request.prompt, dict(self._options), call_context(request))
        value = await self._call("call_api", *asked, stopwatch=stopwatch)
        spent_ms = stopwatch.ms
        if not isinstance(value, dict) or not is_response(value):
            raise CannotEvaluate(
                f"{self._name('call_api')} must return a mapping with `output` or `error`, got {repr(value)[:200]}"
            )
        return answer_from(value, spent_ms)

    async def embed(self, text: str) -> Embedding:
        """See `Embedder.embed`."""
        value = await self._call("call_embedding_api", text, dict(self._options))
        if isinstance(value, dict) and value.get("error"):
            raise CannotEvaluate(f"{self._name('call_embedding_api')} returned the error {value['error']}")
        vector = value.get("embedding") if isinstance(value, dict) else None
        if not isinstance(vector, list) or not all(isinstance(item, int | float) for item in vector):
            raise CannotEvaluate(
                f"{self._name('call_embedding_api')} must return a mapping with `embedding`, a list of numbers"
            )
        return Embedding(tuple(float(item) for item in vector if isinstance(item, int | float)))

    async def _call(self, default: str, *args: object, stopwatch: "_Stopwatch | None" = None) -> JsonValue:
        watch = stopwatch or _Stopwatch(self._clock)
        function = self._scripts.function(ScriptRef(self._path, self._function), default)
        try:
            async with asyncio.timeout(self._timeout_s):
                return as_json(await self._run(function, args, watch))
        except EvolveError:
            raise
        except TimeoutError as exc:
            raise CannotEvaluate(
                f"{self._name(default)} took longer than {self._timeout_s:g} s, or timed out itself"
            ) from exc
        except (Exception, SystemExit) as exc:  # the boundary to the user's code
            message = f"{self._name(default)} raised {type(exc).__name__}: {exc}{self._spot(exc)}"
            raise CannotEvaluate(scrub(message, secret_values(self._env))) from exc

    async def _run(self, function: Callable[..., Any], args: tuple[object, ...], watch: "_Stopwatch") -> object:
        if inspect.iscoroutinefunction(function):
            watch.start()
            value = await function(*args)
            watch.stop()
            return value
        value = await self._threads.run(watch.around(function), args)
        if inspect.isawaitable(value):
            value = await value
            watch.stop()
        return value

    def _name(self, default: str) -> str:
        return f"{self._path}:{self._function or default}"

    def _spot(self, exc: BaseException) -> str:
        """Return the line of the user's file that raised, or nothing if it is not in the traceback."""
        lines = [frame.lineno for frame in traceback.extract_tb(exc.__traceback__) if frame.filename == self._path]
        return f" (line {lines[-1]})" if lines else ""

    async def close(self) -> None:
        """See `Provider.close`."""
        self._threads.close()


class _Stopwatch:
    """Measures a call from its start in a thread: the wait for a free thread is not the function's time."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._began_s = self._ended_s = 0.0

    def start(self) -> None:
        """Start measuring."""
        self._began_s = self._ended_s = self._clock()

    def stop(self) -> None:
        """Stop measuring."""
        self._ended_s = self._clock()

    def around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function wrapped so that the watch measures its call."""

        def timed(*args: object) -> Any:
            self.start()
            try:
                return function(*args)
            finally:
                self.stop()

        return timed

    @property
    def ms(self) -> float:
        """Duration of the call in milliseconds."""
        return (self._ended_s - self._began_s) * 1000


def open_provider(spec: ProviderSpec, context: ProviderContext) -> PythonFunction:
    """Return the function that the id names; its module is imported now.

    Raises:
        InputError: no such file or function, or the module does not import.
    """
    return PythonFunction(spec, context)
