"""JavaScript from suites, in an embedded engine (QuickJS-NG) with limits and without files, network or processes.

Values are passed as JSON. One context serves many evaluations of a thread: its built-ins are frozen and stray globals
are deleted after each call, so every evaluation starts fresh at the cost of microseconds. Code that changes built-ins
gets a context of its own.
"""

import json
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, NoReturn

from evolve.core.javascript.modules import Module, collect_modules
from evolve.core.javascript.prelude import PRELUDE
from evolve.core.model.errors import CannotEvaluate
from evolve.core.model.js_result import JsResult
from evolve.core.model.json_value import JsonValue

TIME_LIMIT_S = 2.0
"""For one evaluation. Checks of an answer take milliseconds; an endless loop must not hold up the run."""
MEMORY_LIMIT_MB = 64
"""For one context. Outputs are far smaller; code that collects values without end must not fill the host's memory."""
_STACK_BYTES = 512 * 1024
"""Below the stack of a thread, so that endless recursion is an error of the engine and not a crash of the process."""
_MAX_FUNCTIONS = 2_000
"""Compiled functions per context; beyond them the context is replaced, so that memory stays bounded."""
_MAX_JOBS = 100_000
"""Jobs of promises and timers in one evaluation; an interval that is never cleared would go on forever."""

_WORDS = str.split
# Names of Node.js or browsers: where code misses one, the message says that it runs in a sandbox.
_MISSING = frozenset(
    _WORDS(
        "process fetch crypto WebAssembly AbortController Headers Request Response FormData Blob "
        "BroadcastChannel MessageChannel ReadableStream queueMicrotask performance"
    )
)
_CHANGES_BUILTINS = re.compile(r"prototype|globalThis|\bglobal\b|__proto__|defineProperty|\bassign\(\s*[A-Z]")
"""Signs that code may change built-ins, which are frozen in the shared context; a false alarm only costs time."""
_NOT_DEFINED = re.compile(r"^'?([\w$]+)'? is not defined$")


class JavaScriptError(CannotEvaluate):
    """The user's code threw, or does not parse."""

    def __init__(self, name: str, text: str, stack: str = "") -> None:
        self.name = name
        self.text = text
        self.stack = stack
        super().__init__(f"JavaScript: {name}: {text}" if name else f"JavaScript threw {text}")


def run_javascript(
    code: str,
    names: Mapping[str, JsonValue],
    *,
    time_limit_s: float = TIME_LIMIT_S,
    memory_mb: int = MEMORY_LIMIT_MB,
) -> JsonValue:
    """Return the value of an expression, or of the `return` of a function body; a promise's value once it settles.

    Code with a line break is a body and needs its own `return`. Undefined, NaN and infinities become None.

    Args:
        code: the expression or body.
        names: the values that the code may read, by name.
        time_limit_s: the code is stopped after this time.
        memory_mb: the limit of the context; each limit has a context of its own.

    Raises:
        JavaScriptError: the code threw or does not parse.
        CannotEvaluate: a limit was reached, the code needs something that the engine lacks, or its value is a function.
    """
    result = evaluate_javascript(code, names, time_limit_s=time_limit_s, memory_mb=memory_mb)
    return plain_value(result, "the code")


def plain_value(result: JsResult, what: str) -> JsonValue:
    """Return the JSON value of a result; None for undefined and for numbers that JSON lacks. A function is refused."""
    if result.kind == "function":
        raise CannotEvaluate(f"{what} is a function that nothing calls: write its body, or call it")
    return result.value


def evaluate_javascript(
    code: str,
    names: Mapping[str, JsonValue],
    *,
    time_limit_s: float = TIME_LIMIT_S,
    memory_mb: int = MEMORY_LIMIT_MB,
) -> JsResult:
    """Evaluate code as `run_javascript` does, and distinguish undefined, functions and non-finite numbers.

    Args:
        code: the expression or body.
        names: the values that the code may read, by name.
        time_limit_s: the code is stopped after this time.
        memory_mb: the limit of the context; each limit has a context of its own.
    """
    return evaluate_body(function_body(code), names, time_limit_s=time_limit_s, memory_mb=memory_mb)


def evaluate_body(
    body: str,
    names: Mapping[str, JsonValue],
    *,
    time_limit_s: float = TIME_LIMIT_S,
    memory_mb: int = MEMORY_LIMIT_MB,
) -> JsResult:
    """Evaluate a complete function body, with the result of `evaluate_javascript`.

    Args:
        body: the body; it has its own `return`.
        names: the values that the code may read, by name.
        time_limit_s: the code is stopped after this time.
        memory_mb: the limit of the context; each limit has a context of its own.
    """
    engine = _engine_for(body, memory_mb)
    arguments = to_engine_json([value if mentions(body, name) else None for name, value in names.items()])
    return engine.run(body, tuple(names), arguments, time_limit_s)


def javascript_problem(body: str, names: tuple[str, ...]) -> str | None:
    """Return why a function body does not parse, None when it does; nothing is run.

    The compiled function is kept for when it runs with the same names.
    """
    try:
        _engine_for(body, MEMORY_LIMIT_MB).compile(body, names)
    except JavaScriptError as error:
        return f"{error.name}: {error.text}"
    except CannotEvaluate:
        return None  # a limit is no error of syntax; it is reported when the code runs
    return None


def regex_problem(pattern: str) -> str | None:
    """Return why a pattern is not a regular expression of JavaScript, None when it is one."""
    try:
        Regex(pattern)
    except JavaScriptError as error:
        return f"{error.name}: {error.text}"
    except CannotEvaluate:
        return None
    return None


def call_javascript_file(
    source: str,
    function: str | None,
    args: Sequence[JsonValue],
    *,
    path: str = "file.js",
    read: Callable[[str], str] | None = None,
    time_limit_s: float = TIME_LIMIT_S,
    memory_mb: int = MEMORY_LIMIT_MB,
) -> JsResult:
    """Return the result of the exported function: the named one, else the export itself, else the default export.

    CommonJS and plain ES modules are supported.

    Args:
        source: the text of the file.
        function: the name of the export; None takes the export itself.
        args: what the function gets.
        path: the file's path, for messages and relative requires.
        read: returns the text of a file that the source requires by a relative path. There are no other modules; None
            allows no requires at all.
        time_limit_s: the code is stopped after this time.
        memory_mb: the limit of the context.

    Raises:
        JavaScriptError: the file or the function threw, or does not parse.
        CannotEvaluate: TypeScript, an unknown module, no such function, or a limit.
    """
    modules = collect_modules(source, path, read)
    changes = any(_CHANGES_BUILTINS.search(module.source) for module in modules)
    engine = _Engine(False, memory_mb) if changes else _get_engine(memory_mb)
    return engine.call(modules, function or "", to_engine_json(list(args)), time_limit_s)


def mentions(code: str, name: str) -> bool:
    """Return whether code may read a name at all; callers build costly values only then."""
    return name in code or "arguments" in code or "eval" in code


def function_body(code: str) -> str:
    """Return the body that promptfoo makes of a suite's code: one line gets a `return`, several lines have one."""
    code = code.rstrip()
    if "\n" in code:
        return code
    line = re.sub(r";+\s*$", "", code.strip())
    if not re.match(r"(const|let|var)\s", line):
        return f"return {line}"
    cut = _last_semicolon(line)
    rest = line[cut + 1 :].strip()
    return f"{line[: cut + 1]} return {rest}" if cut >= 0 and rest else line


def _last_semicolon(line: str) -> int:
    """Return the place of the last semicolon outside quotes, or -1."""
    quote, last, escaped = "", -1, False
    for index, char in enumerate(line):
        if not escaped and char in "'\"`" and quote in ("", char):
            quote = "" if quote else char
        if char == ";" and not quote:
            last = index
        escaped = char == "\\" and not escaped
    return last


def to_engine_json(value: JsonValue) -> str:
    """Return the value as JSON for an engine; NaN and infinities are null."""
    try:
        return json.dumps(value, allow_nan=False, separators=(",", ":"))
    except ValueError:
        return json.dumps(_finite(value), separators=(",", ":"))
    except RecursionError:
        raise CannotEvaluate("a value for JavaScript is nested too deeply") from None


def _finite(value: JsonValue) -> JsonValue:
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    if isinstance(value, list):
        return [_finite(item) for item in value]
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    return value


class Regex:
    """A regular expression with JavaScript's rules. It may be used from any thread.

    Raises:
        JavaScriptError: the pattern or the flags are not valid.
    """

    def __init__(self, pattern: str, flags: str = "") -> None:
        self.pattern = pattern
        self.flags = flags
        _get_engine(MEMORY_LIMIT_MB).regex(pattern, flags)

    def search(self, text: str, *, time_limit_s: float = TIME_LIMIT_S) -> bool:
        """Return whether the expression matches anywhere; raise CannotEvaluate when the search takes too long."""
        engine = _get_engine(MEMORY_LIMIT_MB)
        return engine.test(engine.regex(self.pattern, self.flags), text, time_limit_s)


class _Engine:
    """One context of QuickJS with the prelude; for one thread."""

    def __init__(self, isolate: bool, memory_mb: int) -> None:
        # The package `quickjs` around this module starts a thread when it is imported; it is not needed.
        import _quickjs

        self._failures: tuple[type[Exception], ...] = (_quickjs.JSException, _quickjs.StackOverflow, UnicodeDecodeError)
        self._memory_mb = memory_mb
        self._broken = False
        self._functions: dict[tuple[object, ...], int | CannotEvaluate] = {}
        self._modules: dict[str, Module] = {}
        self._context = _quickjs.Context()
        self._context.set_memory_limit(memory_mb * 1024 * 1024)
        self._context.set_max_stack_size(_STACK_BYTES)
        self._api: Callable[[str], Callable[..., Any]] = cache(self._context.eval(PRELUDE)(isolate))

    @property
    def is_usable(self) -> bool:
        return not self._broken and len(self._functions) < _MAX_FUNCTIONS

    def run(self, body: str, names: tuple[str, ...], arguments: str, time_limit_s: float) -> JsResult:
        """Return the result of a function body.

        Args:
            body: the body.
            names: of its parameters.
            arguments: their values, as a JSON list.
            time_limit_s: also for each job of a promise that it returns.
        """
        identity = self.compile(body, names)
        return self._finish(self._guard(time_limit_s, self._api("run"), identity, arguments), time_limit_s)

    def compile(self, body: str, names: tuple[str, ...]) -> int:
        """Return the id of the function with this body."""
        return self._function((body, names), self._api("compile"), json.dumps(names), body)

    def call(self, modules: Sequence[Module], name: str, arguments: str, time_limit_s: float) -> JsResult:
        """Return the result of a function that a module exports.

        Args:
            modules: the module, and those that it requires.
            name: of the function; empty for the export itself.
            arguments: a JSON list.
            time_limit_s: as in `run`.
        """
        for module in modules:
            if self._modules.get(module.path) != module:
                self._add(module)
        answer = self._guard(time_limit_s, self._api("call"), modules[0].path, name, arguments)
        return self._finish(answer, time_limit_s)

    def regex(self, pattern: str, flags: str) -> int:
        known = self._functions.get(("regex", pattern, flags))
        if isinstance(known, int):
            return known
        return self._function(("regex", pattern, flags), self._api("regex"), json.dumps([pattern, flags]))

    def test(self, identity: int, text: str, time_limit_s: float) -> bool:
        if "\0" in text or (not text.isascii() and not _is_utf8(text)):
            return bool(self._guard(time_limit_s, self._api("testJson"), identity, json.dumps(text)))
        return bool(self._guard(time_limit_s, self._api("test"), identity, text))

    def _add(self, module: Module) -> None:
        answer = self._guard(TIME_LIMIT_S, self._api("add"), module.to_json())
        if answer != "u":
            raise _error(answer)
        self._modules[module.path] = module

    def _function(self, key: tuple[object, ...], compile_: Callable[..., str], *arguments: str) -> int:
        found = self._functions.get(key)
        if found is None:
            answer = self._guard(TIME_LIMIT_S, compile_, *(_clean(argument) for argument in arguments))
            found = self._functions[key] = int(answer[1:]) if answer[0] == "i" else _error(answer)
        if isinstance(found, int):
            return found
        raise found

    def _guard(self, time_limit_s: float, function: Callable[..., Any], *arguments: object) -> Any:
        self._context.set_time_limit(time_limit_s)
        try:
            return function(*arguments)
        except self._failures as exc:
            self._give_up(exc, time_limit_s)

    def _give_up(self, exc: Exception, time_limit_s: float) -> NoReturn:
        """Raise CannotEvaluate for a limit; the context is in an unknown state then and is not used again."""
        self._broken = True
        text = str(exc)
        if "interrupted" in text:
            raise CannotEvaluate(f"JavaScript ran longer than {time_limit_s:g} s and was stopped") from None
        if text.startswith("null") or "out of memory" in text:
            raise CannotEvaluate(f"JavaScript needed more than {self._memory_mb} MB of memory") from None
        raise CannotEvaluate(f"JavaScript failed: {text.splitlines()[0] if text else type(exc).__name__}") from None

    def _finish(self, answer: str, time_limit_s: float) -> JsResult:
        if answer == "p":
            answer = self._settle(time_limit_s)
        kind, rest = answer[0], answer[1:]
        if kind == "j":
            return JsResult("json", json.loads(rest))
        if kind == "e":
            error = _error(answer)
            self._broken = self._broken or "memory" in str(error)
            raise error
        if kind == "b":
            return JsResult("bigint", int(rest))
        if kind == "n":
            return JsResult("number", None, rest)
        return JsResult("undefined" if kind == "u" else "function")

    def _settle(self, time_limit_s: float) -> str:
        for _ in range(_MAX_JOBS):
            if not self._guard(time_limit_s, self._context.execute_pending_job) and not self._guard(
                time_limit_s, self._api("tick")
            ):
                break
        answer = str(self._guard(time_limit_s, self._api("result")))
        if answer == "p":
            self._broken = True
            raise CannotEvaluate("JavaScript waits for a promise that never settles: there is no network or disk here")
        return answer


def _error(answer: str) -> CannotEvaluate:
    data = json.loads(answer[1:])
    name, text, stack = data["name"], data["message"], data["stack"]
    if name == "MissingFeature":
        return CannotEvaluate(text if text.startswith("the file") else _absent(text))
    found = _NOT_DEFINED.match(text) if name == "ReferenceError" else None
    if found and found[1] in _MISSING:
        return CannotEvaluate(_absent(found[1]))
    if (name, text) in (("InternalError", "out of memory"), ("", "null")):
        return CannotEvaluate("JavaScript needed more memory than it may have")
    return JavaScriptError(name, text, stack)


def _absent(what: str) -> str:
    return f"JavaScript here has no {what}: code runs in a sandbox without files, network, processes or locale data"


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _clean(text: str) -> str:
    """Replace NULs and unpaired surrogates: the engine reads UTF-8 up to the first NUL, and no real code has either."""
    if "\0" in text or not _is_utf8(text):
        return text.replace("\0", "\\0").encode("utf-8", "replace").decode()
    return text


_local = threading.local()


def _get_engine(memory_mb: int) -> _Engine:
    """Return this thread's context with frozen built-ins; a new one when it broke or grew too large."""
    engines: dict[int, _Engine] = _local.__dict__.setdefault("engines", {})
    engine = engines.get(memory_mb)
    if engine is None or not engine.is_usable:
        engine = engines[memory_mb] = _Engine(True, memory_mb)
    return engine


def _engine_for(code: str, memory_mb: int) -> _Engine:
    return _Engine(False, memory_mb) if _CHANGES_BUILTINS.search(code) else _get_engine(memory_mb)
