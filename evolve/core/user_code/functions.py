"""The user's functions, called: Python in this process, JavaScript in the engine, both with JSON in and out."""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from typing import Final

from evolve.core.javascript.engine import JsResult, call_javascript_file
from evolve.core.model.errors import CannotEvaluate, EvolveError
from evolve.core.model.json_value import JsonValue
from evolve.core.model.ports import Files, Scripts, Tools
from evolve.core.model.suite import ScriptRef

FILE: Final = "file://"
JAVASCRIPT_SUFFIXES: Final = (".js", ".cjs", ".mjs", ".ts", ".cts", ".mts", ".tsx")
_MAX_DEPTH: Final = 100


class PythonFailed(CannotEvaluate):
    """The user's Python raised, or answered what JSON cannot carry."""


def split_reference(value: str) -> tuple[str, str | None]:
    """Return the path and the function of `file://PATH[:FUNCTION]`."""
    path, colon, function = value.removeprefix(FILE).rpartition(":")
    return (path, function) if colon and len(path) > 1 and "/" not in function else (value.removeprefix(FILE), None)


def is_python(path: str) -> bool:
    """Return whether a path names Python."""
    return path.endswith(".py")


def is_javascript(path: str) -> bool:
    """Return whether a path names JavaScript, or TypeScript, which is refused with a message of its own."""
    return path.endswith(JAVASCRIPT_SUFFIXES)


def call_javascript(path: str, function: str | None, args: Sequence[JsonValue], files: Files) -> JsResult:
    """Return the answer of the function in a JavaScript file.

    Raises:
        JavaScriptError: it threw.
        CannotEvaluate: it needs what is not here, or exports no such function.
        InputError: the file cannot be read.
    """
    source = files.read_text(path)
    return call_javascript_file(source, function, args, path=files.resolve(path), read=files.read_text)


async def function_answer(reference: str, default: str, args: Sequence[JsonValue], tools: Tools) -> JsonValue:
    """Return the answer of the function of `file://FILE[:FUNCTION]`, in either language.

    Raises:
        CannotEvaluate: it threw, or cannot be called.
        InputError: no such file or function.
    """
    path, function = split_reference(reference)
    if is_python(path):
        return await call_python(path, function, default, args, tools.files, tools.scripts)
    return call_javascript(path, function, args, tools.files).value


async def call_python(
    path: str, function: str | None, default: str, args: Sequence[JsonValue], files: Files, scripts: Scripts
) -> JsonValue:
    """Return the answer of a Python function, as JSON; coroutines are awaited.

    Raises:
        PythonFailed: it raised, or its answer is not JSON.
        InputError: no such file or function, or the module does not import.
    """
    answered = _call(path, function, default, args, files, scripts)
    if inspect.isawaitable(answered):
        try:
            answered = await answered
        except EvolveError:
            raise
        except (Exception, SystemExit) as exc:  # the boundary to the user's code
            raise PythonFailed(f"{type(exc).__name__}: {exc}") from exc
    return as_json(answered)


def call_python_now(
    path: str, function: str | None, default: str, args: Sequence[JsonValue], files: Files, scripts: Scripts
) -> JsonValue:
    """Return the same as `call_python` where awaiting is not possible; an async function is refused."""
    answered = _call(path, function, default, args, files, scripts)
    if inspect.iscoroutine(answered):
        answered.close()
        raise PythonFailed(f"{path}: the function must not be async here")
    return as_json(answered)


def _call(
    path: str, function: str | None, default: str, args: Sequence[JsonValue], files: Files, scripts: Scripts
) -> object:
    found = scripts.function(ScriptRef(files.resolve(path), function), default)
    try:
        return found(*args)
    except EvolveError:
        raise
    except (Exception, SystemExit) as exc:  # the boundary to the user's code
        raise PythonFailed(f"{type(exc).__name__}: {exc}") from exc


def as_json(value: object, depth: int = 0) -> JsonValue:
    """Return a Python value as JSON: tuples and sets are lists, dataclasses and pydantic models are mappings.

    Raises:
        PythonFailed: it holds something else, or goes too deep.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if depth > _MAX_DEPTH:
        raise PythonFailed("the Python code answers something nested too deeply")
    if isinstance(value, list | tuple | set | frozenset):
        return [as_json(item, depth + 1) for item in value]
    if isinstance(value, Mapping):
        return {str(key): as_json(item, depth + 1) for key, item in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return as_json(asdict(value), depth + 1)
    dump = getattr(value, "model_dump", None) or getattr(value, "tolist", None)
    if callable(dump):
        return as_json(dump(), depth + 1)
    raise PythonFailed(f"the Python code answers a {type(value).__name__}, which JSON cannot carry")
