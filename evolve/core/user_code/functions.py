"""Calling the user's functions: Python in this process, JavaScript in the engine, both with JSON in and out."""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from typing import Final

from evolve.core.javascript.engine import call_javascript_file
from evolve.core.javascript.node_needs import JAVASCRIPT_SUFFIXES, file_needs_node
from evolve.core.model.errors import CannotEvaluate, EvolveError
from evolve.core.model.js_result import JsResult
from evolve.core.model.json_value import JsonValue
from evolve.core.model.node_calls import file_call
from evolve.core.model.ports import Files, Scripts, Tools
from evolve.core.model.suite import ScriptRef

FILE: Final = "file://"
_MAX_DEPTH: Final = 100
"""Levels of nesting in an answer; a structure that holds itself ends here, far below Python's limit of recursion."""


class PythonFailed(CannotEvaluate):
    """The user's Python raised, or its answer is not JSON."""


def split_reference(value: str) -> tuple[str, str | None]:
    """Return the path and the function of `file://PATH[:FUNCTION]`."""
    path, colon, function = value.removeprefix(FILE).rpartition(":")
    return (path, function) if colon and len(path) > 1 and "/" not in function else (value.removeprefix(FILE), None)


def is_python(path: str) -> bool:
    """Return whether a path names Python."""
    return path.endswith(".py")


def is_javascript(path: str) -> bool:
    """Return whether a path names JavaScript or TypeScript."""
    return path.endswith(JAVASCRIPT_SUFFIXES)


async def call_javascript(
    path: str, function: str | None, args: Sequence[JsonValue], files: Files, scripts: Scripts
) -> JsResult:
    """Return the answer of the function in a JavaScript or TypeScript file.

    Args:
        path: relative to the suite, or absolute.
        function: the name of an export; None for the module's own.
        args: as JSON.
        files: reads the file and the modules that it requires.
        scripts: runs what needs Node.

    Raises:
        JavaScriptError: it threw.
        CannotEvaluate: it reached a limit, or exports no such function.
        InputError: the file cannot be read, or cannot run in Node.
    """
    full = files.resolve(path)
    if file_needs_node(full, files.read_text):
        return await scripts.node.result(file_call(full, function, args))
    return call_javascript_file(files.read_text(path), function, args, path=full, read=files.read_text)


def call_javascript_now(
    path: str, function: str | None, args: Sequence[JsonValue], files: Files, scripts: Scripts
) -> JsResult:
    """Return the same as `call_javascript` where awaiting is not possible.

    Args:
        path: as there, and so are all that follow.
        function: see there.
        args: see there.
        files: see there.
        scripts: see there.
    """
    full = files.resolve(path)
    if file_needs_node(full, files.read_text):
        return scripts.node.result_now(file_call(full, function, args))
    return call_javascript_file(files.read_text(path), function, args, path=full, read=files.read_text)


async def function_answer(reference: str, default: str, args: Sequence[JsonValue], tools: Tools) -> JsonValue:
    """Return the answer of the function of `file://FILE[:FUNCTION]`, in either language.

    Args:
        reference: `file://FILE[:FUNCTION]`.
        default: the name of the Python function if the reference has none.
        args: as JSON.
        tools: for reading the file and running Python.

    Raises:
        CannotEvaluate: it threw, or cannot be called.
        InputError: there is no such file or function.
    """
    path, function = split_reference(reference)
    if is_python(path):
        return await call_python(path, function, default, args, tools.files, tools.scripts)
    return (await call_javascript(path, function, args, tools.files, tools.scripts)).value


async def call_python(
    path: str, function: str | None, default: str, args: Sequence[JsonValue], files: Files, scripts: Scripts
) -> JsonValue:
    """Return the answer of a Python function, as JSON; coroutines are awaited.

    Args:
        path: relative to the suite, or absolute.
        function: None for the default name.
        default: the function's name unless the suite gives one.
        args: as JSON.
        files: resolves the path.
        scripts: imports the file, once.

    Raises:
        PythonFailed: it raised, or its answer is not JSON.
        InputError: there is no such file or function, or the module cannot be imported.
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
    """Return the same as `call_python` where awaiting is not possible; an async function is refused.

    Args:
        path: relative to the suite, or absolute.
        function: None for the default name.
        default: the function's name unless the suite gives one.
        args: as JSON.
        files: resolves the path.
        scripts: imports the file, once.

    Raises:
        PythonFailed: it raised, is async, or its answer is not JSON.
        InputError: there is no such file or function, or the module cannot be imported.
    """
    answered = _call(path, function, default, args, files, scripts)
    if inspect.iscoroutine(answered):
        answered.close()
        raise PythonFailed(f"{path}: expected a plain function here, got an async one")
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
        PythonFailed: it holds something else, or is nested too deeply.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if depth > _MAX_DEPTH:
        raise PythonFailed(f"expected an answer of at most {_MAX_DEPTH} nested levels from the Python code, got more")
    if isinstance(value, list | tuple | set | frozenset):
        return [as_json(item, depth + 1) for item in value]
    if isinstance(value, Mapping):
        return {str(key): as_json(item, depth + 1) for key, item in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return as_json(asdict(value), depth + 1)
    dump = getattr(value, "model_dump", None) or getattr(value, "tolist", None)
    if callable(dump):
        return as_json(dump(), depth + 1)
    raise PythonFailed(
        f"expected an answer that JSON can hold from the Python code, got a value of type {type(value).__name__}"
    )
