"""`llm-rubric`: a grader decides whether an output meets a rubric, how well, and why."""

import math
from typing import Final

from evolve.core.assertions._grading import GraderError, Reply, chat, open_grading, parse_output, to_grader_text
from evolve.core.assertions._registry import assertion_type
from evolve.core.formats.json_objects import json_objects
from evolve.core.javascript.values import js_strip, to_js_string, to_json, to_number, truthy
from evolve.core.model.errors import CannotEvaluate
from evolve.core.model.json_value import JsonValue
from evolve.core.model.verdicts import AssertionInput, Verdict

INSTRUCTIONS: Final = (
    "You check one output against one rubric. Decide first what the output shows, then whether it meets the whole "
    "rubric, then how well: 0 is not at all, 1 is fully. Judge by the rubric alone, not by length or style.\n"
    'Answer with one JSON object and nothing else: {"reason": "<one sentence>", "pass": <true or false>, '
    '"score": <number from 0 to 1>}'
)
_YES: Final = ("true", "yes", "pass", "y")
_SHOWN: Final = 500
"""Characters of a wrong answer in a reason; graders often explain at length before the JSON."""


@assertion_type("llm-rubric", value_schema={"type": ["string", "object", "array", "null"]})
async def llm_rubric(check: AssertionInput) -> Verdict:
    """Pass when the grader passes it and its score reaches the threshold, if there is one.

    `not-` inverts the verdict and the score, but not a grader that failed.
    """
    rubric = check.assertion.value
    if rubric is not None and not isinstance(rubric, str | dict | list):
        raise CannotEvaluate(f"llm-rubric: expected text or a mapping as the value, got {to_json(rubric)}")
    grading = open_grading(check)
    names = {**check.vars, "output": parse_output(check.text), "rubric": rubric or ""}
    default = chat(INSTRUCTIONS, {"rubric": to_grader_text(rubric or ""), "output": check.text}, "The JSON object:")
    try:
        reply = await grading.ask("llm-rubric", names, default, rubric=grading.rubric_prompt)
        judgement = _judgement(reply)
    except GraderError as failed:
        return failed.verdict()
    return _verdict(check, judgement, reply)


def _judgement(reply: Reply) -> dict[str, JsonValue]:
    found: JsonValue = reply.output
    if isinstance(found, str):
        found = next(json_objects(found), None)
        if found is None:
            raise GraderError("Could not extract JSON from llm-rubric response", reply.tokens)
    if not isinstance(found, dict):
        raise GraderError(
            f"llm-rubric: expected a JSON object from the grader, got {to_json(reply.output)[:_SHOWN]}", reply.tokens
        )
    return found


def _verdict(check: AssertionInput, judgement: dict[str, JsonValue], reply: Reply) -> Verdict:
    threshold = check.assertion.threshold
    passed = _is_pass(judgement.get("pass"))
    score = _score(judgement, passed)
    if threshold is not None and math.isfinite(threshold):
        passed = passed and score >= threshold
    reason = judgement.get("reason")
    if not truthy(reason):
        reason = (
            "Grading passed" if passed else f"Score {to_js_string(score)} below threshold {_threshold_text(threshold)}"
        )
    if check.negated:
        passed, score = not passed, min(1.0, max(0.0, 1 - (score if math.isfinite(score) else 0)))
    metadata: dict[str, JsonValue] = {"renderedGradingPrompt": reply.prompt}
    return Verdict(passed, score, to_grader_text(reason), tokens=reply.tokens, metadata=metadata)


def _is_pass(value: JsonValue) -> bool:
    if value is None:
        return True
    return value if isinstance(value, bool) else to_js_string(value).lower() in _YES


def _score(judgement: dict[str, JsonValue], passed: bool) -> float:
    """Return the grader's number, also when it is written as text; 1 or 0 by its verdict if there is none."""
    score = judgement.get("score")
    if isinstance(score, int | float) and not isinstance(score, bool):
        return float(score)
    if "score" not in judgement:
        return float(passed)
    number = 0.0 if score is None else float(to_number(js_strip(score) if isinstance(score, str) else score))
    return number if math.isfinite(number) else float(passed)


def _threshold_text(threshold: float | None) -> str:
    return "undefined" if threshold is None else to_js_string(threshold)
