"""Verdicts from the answers of code that judges: booleans, numbers and whole results."""

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import TypeGuard

from evolve.core.javascript.values import number_text, parse_float, to_js_string
from evolve.core.model.answers import TokenUsage
from evolve.core.model.json_value import JsonValue
from evolve.core.model.suite import Assertion
from evolve.core.model.verdicts import AssertionInput, Verdict, flatten

_PASSED = "Assertion passed"
_SNAKE_CASE = {
    "pass_": "pass",
    "named_scores": "namedScores",
    "component_results": "componentResults",
    "tokens_used": "tokensUsed",
}


def failure_verdict(reason: str) -> Verdict:
    """Return a failure that `not-` does not invert: the code could not judge."""
    return Verdict(False, 0.0, reason)


def from_boolean(check: AssertionInput, answer: bool, who: str, code: str) -> Verdict:
    """Return a pass with score 1 for true, a failure with 0 for false; `not-` inverts both.

    Args:
        check: gives `not-`.
        answer: the code's answer.
        who: begins the reason, such as `Python code`.
        code: ends the reason; may be empty.
    """
    passed = answer != check.negated
    return Verdict(passed, float(passed), _PASSED if passed else _reason(who, answer, code))


def from_number(check: AssertionInput, score: float, who: str, code: str) -> Verdict:
    """Return a pass for a number above 0, or from the threshold on; `not-` inverts only the pass, not the score.

    Args:
        check: gives the threshold and `not-`.
        score: any number; the verdict's score is 0 if it is not finite.
        who: begins the reason, such as `Python code`.
        code: ends the reason; may be empty.
    """
    threshold = check.assertion.threshold
    holds = score > 0 if threshold is None else score >= threshold
    passed = holds != check.negated
    kept = float(score) if math.isfinite(score) else 0.0
    return Verdict(passed, kept, _PASSED if passed else _reason(who, holds, code))


def _reason(who: str, answer: bool, code: str) -> str:
    return f"{who} returned {'true' if answer else 'false'}" + (f"\n{code}" if code else "")


def is_result(answer: JsonValue) -> TypeGuard[dict[str, JsonValue]]:
    """Return whether an answer is a whole verdict: `pass`, `score`, `reason`, and further parts of the right types."""
    if not isinstance(answer, dict) or not isinstance(answer.get("pass"), bool):
        return False
    score = answer.get("score")
    if isinstance(score, bool) or not isinstance(score, int | float) or not isinstance(answer.get("reason"), str):
        return False
    parts = answer.get("componentResults", [])
    mappings = (answer.get(key, {}) for key in ("namedScores", "tokensUsed"))
    return isinstance(parts, list) and all(isinstance(part, dict | list) or part is None for part in mappings)


def from_result(check: AssertionInput, answer: dict[str, JsonValue], who: str) -> Verdict:
    """Return the code's own verdict; `not-` inverts its pass and leaves its score."""
    own = _verdict(answer)
    if not check.negated:
        return own
    reason = f"{who} returned true" if own.passed else _PASSED
    return replace(own, passed=not own.passed, reason=reason)


def _verdict(answer: JsonValue) -> Verdict:
    if not isinstance(answer, dict):
        return Verdict(False, 0.0, to_js_string(answer))
    score = answer.get("score")
    parts = answer.get("componentResults")
    reason = answer.get("reason")
    return Verdict(
        passed=answer.get("pass") is True,
        score=float(score) if isinstance(score, int | float) and math.isfinite(score) else 0.0,
        reason=reason if isinstance(reason, str) else "",
        components=tuple(_verdict(part) for part in parts) if isinstance(parts, list) else (),
        named_scores=_scores(answer.get("namedScores")),
        tokens=_tokens(answer.get("tokensUsed")),
    )


def _scores(value: JsonValue) -> Mapping[str, float]:
    """Return the finite numbers of a mapping."""
    if not isinstance(value, dict):
        return {}
    numbers = {
        name: score for name, score in value.items() if isinstance(score, int | float) and not isinstance(score, bool)
    }
    return {name: float(score) for name, score in numbers.items() if math.isfinite(score)}


def _tokens(value: JsonValue) -> TokenUsage:
    counts = {key: int(count) for key, count in _scores(value).items()}
    return TokenUsage(
        counts.get("total", 0),
        counts.get("prompt", 0),
        counts.get("completion", 0),
        counts.get("cached", 0),
        counts.get("numRequests", 0),
    )


def python_verdict(check: AssertionInput, answer: JsonValue, code: str) -> Verdict:
    """Return the verdict for Python's answer; text counts as JSON, as a number, or as true or false."""
    if isinstance(answer, str) and answer.lower() in ("true", "false"):
        answer = answer.lower() == "true"
    if isinstance(answer, bool):
        return from_boolean(check, answer, "Python code", code)
    if isinstance(answer, str) and answer.startswith("{"):
        try:
            answer = json.loads(answer)
        except ValueError as exc:
            return _python_failed(f"expected JSON in an answer that starts with a brace: {exc}")
    if isinstance(answer, dict | list):
        return _python_result(check, answer)
    score = parse_float(answer)
    if math.isnan(score):
        return _python_failed(f"{_NEEDED}, got {to_js_string(answer)[:_SHOWN]}{_return_hint(answer, code)}")
    return from_number(check, score, "Python code", code)


_NEEDED = "expected a boolean, a number, or {pass, score, reason}"
_SHOWN = 200
"""Characters of a wrong answer in a reason."""


def _return_hint(answer: JsonValue, code: str) -> str:
    return "; code of several lines needs `return`" if answer is None and "\n" in code else ""


def scoring_context(verdict: Verdict, threshold: float | None) -> dict[str, JsonValue]:
    """Return the second argument of a function that scores a test."""
    components: list[JsonValue] = [_component(part) for part in flatten(verdict.components)]
    tokens: JsonValue = {
        "total": verdict.tokens.total,
        "prompt": verdict.tokens.prompt,
        "completion": verdict.tokens.completion,
    }
    context: dict[str, JsonValue] = {"componentResults": components, "tokensUsed": tokens}
    return context if threshold is None else {"threshold": threshold, **context}


def _component(verdict: Verdict) -> JsonValue:
    component: dict[str, JsonValue] = {"pass": verdict.passed, "score": verdict.score, "reason": verdict.reason}
    requirement = verdict.requirement
    if isinstance(requirement, Assertion):
        kind = f"not-{requirement.type}" if requirement.negated else requirement.type
        assertion: dict[str, JsonValue] = {"type": kind, "value": requirement.value, "weight": requirement.weight}
        component["assertion"] = (
            assertion if requirement.metric is None else {**assertion, "metric": requirement.metric}
        )
    return component


def score_with(verdict: Verdict, answer: JsonValue) -> Verdict:
    """Return a test's verdict with its scoring function's answer; anything but a whole result fails the test."""
    result = _camel_case(answer)
    if not is_result(result):
        reason = f"assertScoringFunction: expected {{pass, score, reason}}, got {json.dumps(answer)[:_SHOWN]}"
        return replace(verdict, passed=False, score=0.0, reason=reason)
    own = _verdict(result)
    named = own.named_scores if "namedScores" in result else verdict.named_scores
    return replace(verdict, passed=own.passed, score=own.score, reason=own.reason, named_scores=named)


def _python_failed(reason: str) -> Verdict:
    return failure_verdict(f"Python code execution failed: {reason}")


def _python_result(check: AssertionInput, answer: dict[str, JsonValue] | list[JsonValue]) -> Verdict:
    result = _camel_case(answer)
    if not is_result(result):
        return _python_failed(f"{_NEEDED}, got {json.dumps(answer)[:_SHOWN]}")
    threshold, score = check.assertion.threshold, result["score"]
    if threshold is not None and isinstance(score, int | float) and score < threshold:
        reason = f"Python score {number_text(score)} is less than threshold {number_text(threshold)}"
        result = {**result, "pass": False, "reason": f"{reason}: {result['reason']}" if result["reason"] else reason}
    return from_result(check, result, "Python code")


def _camel_case(answer: JsonValue) -> JsonValue:
    """Return the result with Python's snake_case names changed to the format's, also in its components."""
    if not isinstance(answer, dict):
        return answer
    result = dict(answer)
    for snake, camel in _SNAKE_CASE.items():
        if snake in result and camel not in result:
            result[camel] = result.pop(snake)
    parts = result.get("componentResults")
    if isinstance(parts, list):
        result["componentResults"] = [_camel_case(part) for part in parts]
    return result
