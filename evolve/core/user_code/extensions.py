"""A suite's `extensions`: functions in the user's files that are called before and after all tests, and each test."""

import copy
from collections.abc import Mapping, Sequence
from typing import Final, Literal, TypeAlias

from evolve.core.model.errors import CannotEvaluate, InputError
from evolve.core.model.json_value import JsonValue
from evolve.core.model.node_calls import NodeCall, hook_call
from evolve.core.model.ports import Files, Scripts
from evolve.core.model.suite import ScriptRef
from evolve.core.user_code.functions import call_python, call_python_now, is_python, split_reference

Hook: TypeAlias = Literal["beforeAll", "beforeEach", "afterEach", "afterAll"]
_HOOKS: Final = ("beforeAll", "beforeEach", "afterEach", "afterAll")
PYTHON_FUNCTION: Final = "extension_hook"
"""The name of a Python file's hook unless the suite names another."""


async def run_hook(
    extensions: Sequence[str], hook: Hook, context: Mapping[str, JsonValue], files: Files, scripts: Scripts
) -> Mapping[str, JsonValue]:
    """Return the context after all extensions have seen it, each what the one before made of it.

    Args:
        extensions: `file://PATH[:FUNCTION]`.
        hook: the moment.
        context: what the functions get; a function that returns nothing leaves it as it is.
        files: resolves the paths.
        scripts: runs the files.

    Raises:
        CannotEvaluate: a function failed, or returned something else.
        InputError: there is no such file or function.
    """
    for extension in extensions:
        path, function = split_reference(extension)
        args = _arguments(function, hook, context)
        if args is None:
            continue
        try:
            if is_python(path):
                made = await call_python(path, function, PYTHON_FUNCTION, args, files, scripts)
            else:
                made = (await scripts.node.result(_node_call(path, function, args, files))).value
        except CannotEvaluate as error:
            raise _failure(extension, hook, error) from error
        context = _changed(context, made, extension, hook)
    return context


def run_hook_now(
    extensions: Sequence[str], hook: Hook, context: Mapping[str, JsonValue], files: Files, scripts: Scripts
) -> Mapping[str, JsonValue]:
    """Return the same as `run_hook` where awaiting is not possible; async Python is refused.

    Args:
        extensions: as there, and so are all that follow.
        hook: see there.
        context: see there.
        files: see there.
        scripts: see there.
    """
    for extension in extensions:
        path, function = split_reference(extension)
        args = _arguments(function, hook, context)
        if args is None:
            continue
        try:
            if is_python(path):
                made = call_python_now(path, function, PYTHON_FUNCTION, args, files, scripts)
            else:
                made = scripts.node.result_now(_node_call(path, function, args, files)).value
        except CannotEvaluate as error:
            raise _failure(extension, hook, error) from error
        context = _changed(context, made, extension, hook)
    return context


def check_extension(extension: str, files: Files, scripts: Scripts) -> None:
    """Raise InputError when an extension cannot be called; the module of a Python file is imported for that."""
    path, function = split_reference(extension)
    files.read_text(path)
    full = files.resolve(path)
    if is_python(path):
        scripts.function(ScriptRef(full, function), PYTHON_FUNCTION)
    elif problems := scripts.node.problems(full):
        raise InputError(problems)


def _arguments(function: str | None, hook: Hook, context: Mapping[str, JsonValue]) -> list[JsonValue] | None:
    """Return a function's arguments; None when it is not for this hook: its name may be that of another one."""
    own = copy.deepcopy(dict(context))
    if function in _HOOKS:
        return [own, {"hookName": hook}] if function == hook else None
    return [hook, own]


def _node_call(path: str, function: str | None, args: Sequence[JsonValue], files: Files) -> NodeCall:
    return hook_call(files.resolve(path), function, args)


def _changed(context: Mapping[str, JsonValue], made: JsonValue, extension: str, hook: Hook) -> Mapping[str, JsonValue]:
    if made is None or hook in ("afterEach", "afterAll"):
        return context
    if not isinstance(made, dict):
        raise CannotEvaluate(f"the hook {hook} of {extension}: expected the context, got a value of another kind")
    return {**context, **made}


def _failure(extension: str, hook: Hook, error: CannotEvaluate) -> CannotEvaluate:
    return CannotEvaluate(f"the hook {hook} of {extension} failed: {error}")
