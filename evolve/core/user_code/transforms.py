"""Transforms: a provider's, a test's and an assertion's `transform`, and `transformVars`.

Inline JavaScript gets `output` (or `vars`) and `context`; `file://x.js[:function]` and `file://x.py[:function]` are
called with both. Code of one line is an expression; code with a line break is a body with its own `return`.
"""

from collections.abc import Mapping
from typing import Final

from evolve.core.javascript.engine import (
    JavaScriptError,
    call_javascript_file,
    evaluate_body,
    javascript_problem,
    plain_value,
)
from evolve.core.javascript.node_needs import code_needs_node, file_needs_node
from evolve.core.model.errors import CannotEvaluate
from evolve.core.model.js_result import JsResult
from evolve.core.model.json_value import JsonValue
from evolve.core.model.node_calls import NodeCall, code_call, file_call
from evolve.core.model.ports import Files, Scripts, Tools
from evolve.core.user_code.functions import (
    FILE,
    PythonFailed,
    call_python,
    call_python_now,
    is_javascript,
    is_python,
    split_reference,
)

PYTHON_FUNCTION: Final = "get_transform"
"""The name of a Python file's transform function unless the suite names another."""
_SHOWN: Final = 80
"""Characters of inline code in a message: about one line."""


async def apply_transform(code: str, output: JsonValue, context: Mapping[str, JsonValue], tools: Tools) -> JsonValue:
    """Return the transformed output; never None.

    Args:
        code: inline JavaScript, or `file://PATH[:FUNCTION]`.
        output: the code's first argument.
        context: the code's second argument.
        tools: for reading the file and running Python.

    Raises:
        CannotEvaluate: the transform threw, returned no value, or cannot run here.
        InputError: its file cannot be read, or has no such function.
    """
    path, function = split_reference(code)
    try:
        if code.startswith(FILE) and is_python(path):
            args = [output, dict(context)]
            answer = await call_python(path, function, PYTHON_FUNCTION, args, tools.files, tools.scripts)
        else:
            call = _node_call(code, "output", output, context, tools.files)
            if call is not None:
                answer = _plain(await tools.scripts.node.result(call), code)
            else:
                answer = _javascript(code, "output", output, context, tools.files)
    except (JavaScriptError, PythonFailed) as exc:
        raise _failure(code, exc) from exc
    return _present(answer, code)


def transform_vars(
    code: str, variables: Mapping[str, JsonValue], context: Mapping[str, JsonValue], files: Files, scripts: Scripts
) -> Mapping[str, JsonValue]:
    """Return the variables that `transformVars` answers; the caller merges them over the test's.

    Args:
        code: inline JavaScript, or `file://PATH[:FUNCTION]`.
        variables: the test's; the code's first argument.
        context: the code's second argument.
        files: reads the file.
        scripts: runs Python.

    Raises:
        CannotEvaluate: it threw, did not return a mapping, or cannot run here.
        InputError: its file cannot be read, or has no such function.
    """
    path, function = split_reference(code)
    try:
        if code.startswith(FILE) and is_python(path):
            args = [dict(variables), dict(context)]
            answer = call_python_now(path, function, PYTHON_FUNCTION, args, files, scripts)
        else:
            call = _node_call(code, "vars", dict(variables), context, files)
            if call is not None:
                answer = _plain(scripts.node.result_now(call), code)
            else:
                answer = _javascript(code, "vars", dict(variables), context, files)
    except (JavaScriptError, PythonFailed) as exc:
        raise _failure(code, exc) from exc
    if not isinstance(answer, dict):
        raise CannotEvaluate(f"transformVars: expected a mapping of variables, got another value: {_label(code)}")
    return answer


def transform_problem(code: str, name: str = "output") -> str | None:
    """Return why inline code of a transform does not parse; None if it does, or if it is in a file."""
    if code.startswith(FILE):
        return None
    return javascript_problem(_body(code), (name, "context"))


def _body(code: str) -> str:
    return code if "\n" in code else f"return {code}"


def _javascript(code: str, name: str, value: JsonValue, context: Mapping[str, JsonValue], files: Files) -> JsonValue:
    if not code.startswith(FILE):
        return _plain(evaluate_body(_body(code), {name: value, "context": dict(context)}), code)
    path, function = split_reference(code)
    if not is_javascript(path):
        raise CannotEvaluate(f"expected a .js or .py file as a transform, got {code}")
    source, full = files.read_text(path), files.resolve(path)
    args: list[JsonValue] = [value, dict(context)]
    return _plain(call_javascript_file(source, function, args, path=full, read=files.read_text), code)


def _node_call(
    code: str, name: str, value: JsonValue, context: Mapping[str, JsonValue], files: Files
) -> NodeCall | None:
    """Return the call of code that needs Node; None for all other code."""
    if not code.startswith(FILE):
        names: dict[str, JsonValue] = {name: value, "context": dict(context)}
        return code_call(_body(code), names, files.resolve(".")) if code_needs_node(code) else None
    path, function = split_reference(code)
    if not is_javascript(path) or not file_needs_node(files.resolve(path), files.read_text):
        return None
    return file_call(files.resolve(path), function, [value, dict(context)])


def _plain(result: JsResult, code: str) -> JsonValue:
    return plain_value(result, f"the transform {_label(code)}")


def _present(answer: JsonValue, code: str) -> JsonValue:
    if answer is None:
        hint = "; code of several lines needs `return`" if "\n" in code and "return" not in code else ""
        raise CannotEvaluate(f"the transform returned no value: {_label(code)}{hint}")
    return answer


def _failure(code: str, exc: CannotEvaluate) -> CannotEvaluate:
    hint = "; use process.mainModule.require, or a file" if "require is not defined" in str(exc) else ""
    return CannotEvaluate(f"the transform {_label(code)} failed: {exc}{hint}")


def _label(code: str) -> str:
    line = " ".join(code.split())
    return f"`{line if len(line) <= _SHOWN else line[: _SHOWN - 1] + '…'}`"
