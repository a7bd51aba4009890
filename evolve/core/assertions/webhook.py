"""`webhook`: a service judges the output."""

from evolve.core.assertions._registry import assertion_type
from evolve.core.model.errors import CannotEvaluate, HttpFault
from evolve.core.model.json_value import JsonValue
from evolve.core.model.verdicts import AssertionInput, Verdict

_TIMEOUT_S = 5.0
"""promptfoo's default for webhooks."""


@assertion_type("webhook", value_schema={"type": "string", "minLength": 1}, value_required=True)
async def webhook(check: AssertionInput) -> Verdict:
    """Return the verdict of the service at `value`.

    The request is {output, context: {prompt, vars}}, the answer {pass, score, reason}; the last two are optional.
    `not-` inverts pass and score.

    Raises:
        HttpFault: no answer within 5 s, or a status that is not 2xx.
        CannotEvaluate: the answer has no boolean `pass`.
    """
    url = str(check.assertion.value)
    body: JsonValue = {"output": check.output, "context": {"prompt": check.prompt, "vars": dict(check.vars)}}
    status, answer = await check.tools.http.post_json(url, body, _TIMEOUT_S)
    if not 200 <= status < 300:
        message = f"the webhook {url}: expected a status from 200 to 299, got {status}"
        raise HttpFault(message, call="the webhook", status=status)
    if not isinstance(answer, dict) or not isinstance(answer.get("pass"), bool):
        raise CannotEvaluate(f"the webhook {url}: expected a mapping with a boolean `pass` as the answer")
    return _verdict(check, answer)


def _verdict(check: AssertionInput, answer: dict[str, JsonValue]) -> Verdict:
    passed = answer["pass"] != check.negated
    given, reason = answer.get("score"), answer.get("reason")
    score = float(passed)
    if isinstance(given, int | float) and not isinstance(given, bool):
        score = 1.0 - given if check.negated else float(given)
    default = "Assertion passed" if passed else f"Webhook returned {'true' if check.negated else 'false'}"
    return Verdict(passed, score, reason if isinstance(reason, str) and reason else default)
