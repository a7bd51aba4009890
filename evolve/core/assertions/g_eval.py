"""`g-eval`: a grader first makes evaluation steps from a criterion, then scores the output by them from 0 to 10.

After Liu et al., "G-Eval: NLG Evaluation using GPT-4 with Better Human Alignment", 2023; without its token
probabilities.
"""

import json
import math
import re
from typing import Final, NamedTuple

from evolve.core.assertions._grading import GraderError, Grading, Reply, chat, needs_prompt, open_grading, parse_output
from evolve.core.assertions._registry import assertion_type
from evolve.core.javascript.values import js_strip, to_js_string, to_json, to_number
from evolve.core.model.answers import TokenUsage
from evolve.core.model.errors import CannotEvaluate
from evolve.core.model.json_value import JsonValue
from evolve.core.model.verdicts import AssertionInput, Verdict

MAX_SCORE: Final = 10
DEFAULT_THRESHOLD: Final = 0.7
"""Both are promptfoo's."""

STEPS_INSTRUCTIONS: Final = (
    "You plan the evaluation of a text by one criterion. Write 3 to 5 short steps that another person can follow: "
    "what to look for, and what speaks for the text or against it.\n"
    'Answer with one line of JSON and nothing else: {"steps": ["<step>", "<step>", "<step>"]}'
)
SCORE_INSTRUCTIONS: Final = (
    "You score one output by one criterion. Follow the evaluation steps in order. Give a whole number from 0 (misses "
    f"the criterion) to {MAX_SCORE} (meets it fully).\n"
    "Answer with one line of JSON and nothing else: "
    '{"reason": "<one sentence that names what decided>", "score": <0 to 10>}'
)
_STEPS: Final = re.compile(r'\{"steps"[^\n\r\u2028\u2029]+\}')
_OBJECT: Final = re.compile(r"\{[^\n\r\u2028\u2029]+\}")


class _Rating(NamedTuple):
    score: float
    """In 0..1."""
    reason: str
    tokens: TokenUsage


@assertion_type(
    "g-eval",
    value_schema={"type": ["string", "array"], "items": {"type": "string"}},
    value_required=True,
)
async def g_eval(check: AssertionInput) -> Verdict:
    """Pass when the score (for several criteria their mean) reaches the threshold, 0.7 without one.

    `not-` inverts the verdict and the score, but not a grader that failed.
    """
    criteria = check.assertion.value
    single = isinstance(criteria, str)
    listed = [criteria] if isinstance(criteria, str) else criteria
    if not isinstance(listed, list) or not all(isinstance(item, str) for item in listed):
        raise CannotEvaluate("g-eval: expected a criterion or a list of criteria as the value")
    if not listed:
        return Verdict(False, 0.0, "g-eval: expected at least one criterion in the list, got none")
    ratings: list[_Rating] = []
    for criterion in map(str, listed):
        try:
            ratings.append(await _rate(check, open_grading(check), criterion))
        except GraderError as failed:
            tokens = sum((rating.tokens for rating in ratings), failed.tokens)
            place = "" if single else f"g-eval criterion {len(ratings) + 1} of {len(listed)} ({to_json(criterion)}): "
            return GraderError(place + failed.reason, tokens).verdict()
    return _verdict(check, ratings)


def _verdict(check: AssertionInput, ratings: list[_Rating]) -> Verdict:
    threshold = DEFAULT_THRESHOLD if check.assertion.threshold is None else check.assertion.threshold
    score = _mean(ratings)
    reason = "\n\n".join(rating.reason for rating in ratings)
    tokens = sum((rating.tokens for rating in ratings), TokenUsage())
    return Verdict((score >= threshold) != check.negated, 1 - score if check.negated else score, reason, tokens=tokens)


def _mean(ratings: list[_Rating]) -> float:
    # Added in order, as in promptfoo: the last bit can decide at the threshold.
    total = 0.0
    for rating in ratings:
        total += rating.score
    return total / len(ratings)


async def _rate(check: AssertionInput, grading: Grading, criterion: str) -> _Rating:
    question = needs_prompt(check)
    templates = grading.rubric_prompt if isinstance(grading.rubric_prompt, dict) else {}
    default = chat(STEPS_INSTRUCTIONS, {"criterion": criterion}, "The line of JSON:")
    planned = await grading.ask("g-eval-steps", {"criteria": criterion}, default, rubric=templates.get("steps"))
    steps = _steps(planned)
    names: dict[str, JsonValue] = {
        "criteria": criterion,
        "steps": "\n- ".join(steps),
        "maxScore": str(MAX_SCORE),
        "input": parse_output(question),
        "output": parse_output(check.text),
    }
    pieces = {
        "criterion": criterion,
        "steps": "\n".join(f"{number}. {step}" for number, step in enumerate(steps, 1)),
        "question": question,
        "output": check.text,
    }
    default = chat(SCORE_INSTRUCTIONS, pieces, "The line of JSON:")
    try:
        scored = await grading.ask("g-eval", names, default, rubric=templates.get("evaluate"))
        return _read_rating(scored, planned.tokens)
    except GraderError as failed:
        raise GraderError(failed.reason, planned.tokens + failed.tokens) from failed


def _steps(reply: Reply) -> list[str]:
    found = _object(reply, _STEPS, "evaluation steps").get("steps")
    if not isinstance(found, list) or not found:
        raise GraderError(f"g-eval: expected a list of steps from the grader, got {to_json(found)}", reply.tokens)
    if not all(isinstance(step, str) and js_strip(step) for step in found):
        raise GraderError(f"g-eval: expected text in each step, got {to_json(found)}", reply.tokens)
    return [str(step) for step in found]


def _object(reply: Reply, pattern: re.Pattern[str], what: str) -> dict[str, JsonValue]:
    if not isinstance(reply.output, str):
        raise GraderError(f"g-eval: expected text from the grader for the {what}", reply.tokens)
    match = pattern.search(reply.output)
    try:
        value = json.loads(match[0]) if match else None
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise GraderError(f"g-eval: expected the {what} as one line of JSON, got {reply.output}", reply.tokens)
    return value


def _read_rating(reply: Reply, spent: TokenUsage) -> _Rating:
    result = _object(reply, _OBJECT, "score and reason")
    score, reason = result.get("score"), result.get("reason")
    number = _number(score)
    if not math.isfinite(number):
        raise GraderError(f"g-eval: expected a number as the score, got {to_json(score)}", reply.tokens)
    if not 0 <= number <= MAX_SCORE:
        raise GraderError(f"g-eval: expected a score in 0..{MAX_SCORE}, got {to_js_string(score)}", reply.tokens)
    if not isinstance(reason, str) or not js_strip(reason):
        raise GraderError(f"g-eval: expected text as the reason, got {to_json(reason)}", reply.tokens)
    return _Rating(number / MAX_SCORE, reason, spent + reply.tokens)


def _number(score: JsonValue) -> float:
    if isinstance(score, bool) or not isinstance(score, int | float | str):
        return math.nan
    if isinstance(score, str):
        return float(to_number(js_strip(score))) if js_strip(score) else math.nan
    try:
        return float(score)
    except OverflowError:
        return math.inf
