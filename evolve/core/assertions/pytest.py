"""`pytest`: one of the user's own tests judges the output; the score is 1 if it passes. Not in promptfoo."""

from evolve.core.assertions._registry import assertion_type
from evolve.core.javascript.values import to_json
from evolve.core.model.errors import CannotEvaluate
from evolve.core.model.verdicts import AssertionInput, Verdict

_MAX_BYTES = 120_000
"""Linux passes at most 128 KiB (131,072 bytes) in one variable, with its name and end; this leaves some room."""


@assertion_type("pytest", value_schema={"type": "string", "minLength": 1}, value_required=True)
async def pytest(check: AssertionInput) -> Verdict:
    """Pass when the test with the id `value` passes (`tests/test_reply.py::test_polite`).

    The test reads the output, the prompt and the variables (as JSON) from the environment: EVOLVE_OUTPUT,
    EVOLVE_PROMPT, EVOLVE_VARS.

    Raises:
        CannotEvaluate: one of them is too long for the environment, or has a NUL character.
        EnvironmentFault: the test could not be run at all.
    """
    environment = {"EVOLVE_OUTPUT": check.text, "EVOLVE_PROMPT": check.prompt, "EVOLVE_VARS": to_json(dict(check.vars))}
    for name, text in environment.items():
        _refuse_unfit(name, text)
    node_id = str(check.assertion.value)
    passed, tail = await check.tools.tests.run(node_id, environment)
    outcome = "passed, expected a failure" if check.negated else "failed"
    return check.verdict(passed, f"{node_id} {outcome}\n{tail}".rstrip())


def _refuse_unfit(name: str, text: str) -> None:
    size = len(text.encode("utf-8", "replace"))
    if size > _MAX_BYTES or "\0" in text:
        what = "has a NUL character" if "\0" in text else f"has {size:,} bytes, the limit is {_MAX_BYTES:,}"
        raise CannotEvaluate(f"cannot pass {name} to a test: it {what}")
