"""`python`: an expression, a function body or a function in a file judges the output, in this process."""

import json
import textwrap

from evolve.core.assertions._registry import assertion_type
from evolve.core.assertions._script_verdicts import failure_verdict, python_verdict
from evolve.core.assertions.javascript import check_context, script_file_verdict
from evolve.core.javascript.engine import mentions
from evolve.core.model.errors import CannotEvaluate
from evolve.core.model.verdicts import AssertionInput, Verdict
from evolve.core.user_code.functions import FILE, as_json
from evolve.core.user_code.inline_python import ONE_LINE_RETURN, RETURN_PROBLEM


@assertion_type("python", value_schema={"type": "string", "minLength": 1}, value_required=True)
async def python(check: AssertionInput) -> Verdict:
    """Pass on true, or on a number above 0 (with a threshold: from it on); a mapping or object is a verdict.

    Code with a line break, also one at its end, is a function body and needs its own `return`. `not-` inverts the
    code's judgement; code that raises fails either way.
    """
    value = str(check.assertion.value)
    if value.startswith(FILE):
        return await script_file_verdict(check, value)
    try:
        answer = as_json(_run(check, value))
    except CannotEvaluate as exc:
        return failure_verdict(f"Python code execution failed: {exc}")
    return python_verdict(check, answer, value)


def _run(check: AssertionInput, code: str) -> object:
    if "\n" not in code and ONE_LINE_RETURN.match(code):
        raise CannotEvaluate(RETURN_PROBLEM)
    context = check_context(check) if mentions(code, "context") else {}
    return check.tools.scripts.run(_as_body(code), {"output": check.output, "context": context, "json": json})


def _as_body(code: str) -> str:
    """Return the code so that scripts read it as an expression only if it has no line break."""
    return textwrap.dedent(code).strip("\n") + "\npass" if "\n" in code else code
