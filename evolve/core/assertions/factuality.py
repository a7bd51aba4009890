"""`factuality` (also `model-graded-factuality`): how the facts of an output relate to those of a reference answer."""

import re
from typing import Final, NamedTuple

from evolve.core.assertions._grading import (
    GraderError,
    Reply,
    chat,
    needs_prompt,
    open_grading,
    parse_output,
    text_value,
)
from evolve.core.assertions._registry import assertion_type
from evolve.core.formats.json_objects import json_objects
from evolve.core.javascript.values import js_strip
from evolve.core.model.verdicts import AssertionInput, Verdict

INSTRUCTIONS: Final = (
    "You compare the facts of a submitted answer, the submission, with those of an expert's answer to the same "
    "question, the reference. Ignore wording, style and order. Choose one category:\n"
    "A: every fact of the submission is in the reference, some of the reference's are missing\n"
    "B: the submission has all facts of the reference and more, none of which contradicts it\n"
    "C: both state the same facts\n"
    "D: they contradict each other\n"
    "E: they differ only in points that do not matter for the facts\n"
    'Answer with one JSON object and nothing else: {"reason": "<one sentence>", "category": "<A, B, C, D or E>"}'
)

_SCORES: Final = {
    "A": ("subset", 1.0),
    "B": ("superset", 1.0),
    "C": ("agree", 1.0),
    "D": ("disagree", 0.0),
    "E": ("differButFactual", 1.0),
}
"""Each category's key in the test's `options.factuality`, and its score without one."""

_MEANINGS: Final = {
    "A": "the submission states a part of the reference",
    "B": "the submission states the reference and more",
    "C": "both state the same",
    "D": "submission and reference contradict each other",
    "E": "the differences do not matter for the facts",
}
_LETTER: Final = re.compile(r"\(?([a-eA-E])\)")
_AFTER_LETTER: Final = re.compile(r"\)\s*(.*)", re.DOTALL)


class _Choice(NamedTuple):
    category: str
    reason: str


@assertion_type("factuality", "model-graded-factuality", value_schema={"type": "string"}, value_required=True)
async def factuality(check: AssertionInput) -> Verdict:
    """Pass when the score of the grader's category is above 0; `not-` has no effect, as in promptfoo."""
    reference, question = text_value(check), needs_prompt(check)
    grading = open_grading(check)
    names = {**check.vars, "input": question, "ideal": reference, "completion": parse_output(check.text)}
    pieces = {"question": question, "reference": reference, "submission": check.text}
    try:
        default = chat(INSTRUCTIONS, pieces, "The JSON object:")
        reply = await grading.ask("factuality", names, default, rubric=grading.rubric_prompt)
        choice = _choice(reply)
    except GraderError as failed:
        return failed.verdict()
    score = _score(check, choice.category)
    return Verdict(score > 0, score, choice.reason, tokens=reply.tokens)


def _score(check: AssertionInput, category: str) -> float:
    key, default = _SCORES[category]
    chosen = check.evaluation.test.options.config.get("factuality")
    value = chosen.get(key) if isinstance(chosen, dict) else None
    return float(value) if isinstance(value, int | float) else default


def _choice(reply: Reply) -> _Choice:
    text = reply.text("factuality")
    return _json_choice(text, reply) or _letter_choice(text, reply)


def _json_choice(text: str, reply: Reply) -> _Choice | None:
    found = next(json_objects(text), None)
    if not isinstance(found, dict):
        return None
    category, reason = found.get("category"), found.get("reason")
    if not isinstance(category, str) or not category:
        return None
    letter = js_strip(category).upper()
    if letter not in _SCORES:
        raise GraderError(f"factuality: expected a category from A to E, got {letter}", reply.tokens)
    if reason is not None and not isinstance(reason, str):
        return None
    return _Choice(letter, js_strip(reason or "") or f"Category {letter}: {_MEANINGS[letter]}")


def _letter_choice(text: str, reply: Reply) -> _Choice:
    """The older answer: `(B) because ...`."""
    match = _LETTER.search(text)
    if match is None:
        raise GraderError(f"factuality: expected a category in the grader's answer, got {text}", reply.tokens)
    after = _AFTER_LETTER.search(text)
    return _Choice(match[1].upper(), js_strip(after[1]) if after and after[1] else text)
