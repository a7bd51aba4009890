"""`javascript`: code, or a function in a file, judges the output with a boolean, a number or a whole verdict."""

from evolve.core.assertions._registry import assertion_type
from evolve.core.assertions._script_verdicts import (
    failure_verdict,
    from_boolean,
    from_number,
    from_result,
    is_result,
    python_verdict,
)
from evolve.core.javascript.engine import JavaScriptError, evaluate_javascript, function_body, mentions
from evolve.core.javascript.node_needs import code_needs_node
from evolve.core.model.js_result import JsResult
from evolve.core.model.json_value import JsonValue
from evolve.core.model.node_calls import code_call
from evolve.core.model.verdicts import AssertionInput, Verdict
from evolve.core.user_code.file_values import script_context
from evolve.core.user_code.functions import FILE, PythonFailed, call_javascript, call_python, is_python, split_reference

_NEEDED = "expected a boolean, a number, or {pass, score, reason}"
_SHOWN = 200
"""Characters of a wrong answer in a reason."""


@assertion_type("javascript", value_schema={"type": "string", "minLength": 1}, value_required=True)
async def javascript(check: AssertionInput) -> Verdict:
    """Pass on true, or on a number above 0 (with a threshold: from it on); a mapping is a whole verdict.

    `not-` inverts the code's judgement; inline code that throws fails either way.

    Raises:
        CannotEvaluate: the code reached a limit or needs something that the sandbox lacks, or a file's function threw.
    """
    value = str(check.assertion.value)
    if value.startswith(FILE):
        return await script_file_verdict(check, value)
    code = value.rstrip()
    try:
        return javascript_verdict(check, await _evaluate(check, code), code)
    except JavaScriptError as exc:
        return failure_verdict(f"Custom function threw error: {exc.name}: {exc.text}\n{code}")


async def _evaluate(check: AssertionInput, code: str) -> JsResult:
    context = check_context(check) if mentions(code, "context") else {}
    names: dict[str, JsonValue] = {"output": check.output, "context": context}
    if code_needs_node(code):
        call = code_call(function_body(code), names, check.tools.files.resolve("."))
        return await check.tools.scripts.node.result(call)
    return evaluate_javascript(code, names)


def check_context(check: AssertionInput) -> dict[str, JsonValue]:
    """Return the second argument of functions that judge."""
    return script_context(check.prompt, check.vars, check.evaluation, check.answer, check.output, check.assertion)


async def script_file_verdict(check: AssertionInput, value: str) -> Verdict:
    """Return the verdict of the function in a JavaScript or Python file on the output.

    Raises:
        JavaScriptError: a JavaScript file threw; promptfoo makes that an error, while Python that raises fails.
    """
    path, function = split_reference(value)
    args = [check.output, check_context(check)]
    if not is_python(path):
        result = await call_javascript(path, function, args, check.tools.files, check.tools.scripts)
        if check.assertion.type == "python":
            return python_verdict(check, result.value, value)
        return javascript_verdict(check, result, value)
    try:
        answer = await call_python(path, function, "get_assert", args, check.tools.files, check.tools.scripts)
    except PythonFailed as exc:
        return failure_verdict(f"{path}: {exc}")
    if check.assertion.type == "python":
        return python_verdict(check, answer, value)
    return javascript_verdict(check, JsResult("json", answer), value)


def javascript_verdict(check: AssertionInput, result: JsResult, code: str) -> Verdict:
    """Return the verdict for an answer of JavaScript; anything but its three forms fails, also with `not-`."""
    answer = result.value if result.kind == "json" else None
    if result.kind == "number":
        return from_number(check, float(result.shown.replace("Infinity", "inf")), "Custom function", code)
    if isinstance(answer, bool):
        return from_boolean(check, answer, "Custom function", code)
    if isinstance(answer, int | float):
        return from_number(check, answer, "Custom function", code)
    if is_result(answer):
        return from_result(check, answer, "Custom function")
    hint = "; the function is never called: write its body only" if result.kind == "function" else ""
    hint = "; code of several lines needs `return`" if result.kind == "undefined" and "\n" in code else hint
    return failure_verdict(f"Custom function: {_NEEDED}, got {_to_text(result)}{hint}\n{code}")


def _to_text(result: JsResult) -> str:
    if result.kind != "json" or result.value is None:
        return "null" if result.kind == "json" else result.type_name
    text = repr(result.value)
    article = "an" if result.type_name == "object" else "a"
    return f"{article} {result.type_name}: {text if len(text) <= _SHOWN else text[: _SHOWN - 1] + '…'}"
