"""Checks that assertions make of their rendered values, and how reasons quote texts."""

import re

from evolve.core.formats.schema_check import describe
from evolve.core.javascript.values import number_text
from evolve.core.model.errors import CannotEvaluate
from evolve.core.model.json_value import JsonValue
from evolve.core.model.verdicts import AssertionInput, Verdict

_QUOTED = 300
"""Characters of a text in a reason: a few lines, enough to see the difference."""

TEXT: JsonValue = {"type": "string"}
NON_EMPTY_TEXT: JsonValue = {"type": "string", "minLength": 1}
TEXT_OR_TEXTS: JsonValue = {
    "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]
}


def quote(text: str) -> str:
    """Return the text in double quotes, with the middle of a long one left out: people read reasons.

    >>> quote("running")
    '"running"'
    """
    if len(text) <= _QUOTED:
        return f'"{text}"'
    half = _QUOTED // 2
    return f'"{text[:half]} [... {len(text) - 2 * half} characters ...] {text[-half:]}"'


def matches_glob(name: str, pattern: str) -> bool:
    """Return whether a name matches: `*` is any text of one line, `?` any character; case does not matter."""
    parts = re.split(r"(\*+|\?)", pattern)
    words = {"*": ".*", "?": "."}
    expression = "".join(words.get(part[:1], re.escape(part)) for part in parts)
    return re.fullmatch(expression, name, re.IGNORECASE) is not None


def wrong_value(check: AssertionInput, expected: str) -> CannotEvaluate:
    """Return the error for a value of the wrong kind, after templates, files and scripts were applied."""
    name = f"not-{check.assertion.type}" if check.negated else check.assertion.type
    return CannotEvaluate(f"{name}: expected {expected} as the value, got {describe(check.assertion.value)}")


def text_of(check: AssertionInput) -> str:
    """Return the value as text, which may be empty."""
    value = check.assertion.value
    if not isinstance(value, str):
        raise wrong_value(check, "text")
    return value


def non_empty_text_of(check: AssertionInput) -> str:
    """Return the value as text that is not empty."""
    value = check.assertion.value
    if not isinstance(value, str) or not value:
        raise wrong_value(check, "text that is not empty")
    return value


def texts_of(check: AssertionInput) -> list[str]:
    """Return the value as one or more texts: references to compare the output with."""
    value = check.assertion.value
    if isinstance(value, str):
        return [value]
    if not isinstance(value, list) or not value:
        raise wrong_value(check, "text or a list of texts")
    texts = [text for text in value if isinstance(text, str)]
    if len(texts) != len(value):
        raise wrong_value(check, "text or a list of texts")
    return texts


def threshold_of(check: AssertionInput, default: float) -> float:
    """Return the assertion's threshold, or the type's own."""
    threshold = check.assertion.threshold
    return default if threshold is None else threshold


def require_threshold(check: AssertionInput, unit: str) -> float:
    """Return the threshold of a type that has no default for it."""
    threshold = check.assertion.threshold
    if threshold is None:
        raise CannotEvaluate(f"{check.assertion.type}: expected a threshold in {unit}, got none")
    return threshold


def similarity_verdict(check: AssertionInput, name: str, score: float, default: float) -> Verdict:
    """Return the verdict for a similarity in 0..1; it passes at the threshold. Negated, the score is 1 minus it.

    Args:
        check: gives the threshold and `not-`.
        name: begins the reason, such as `BLEU`.
        score: in 0..1.
        default: the threshold unless the suite gives one.
    """
    limit = threshold_of(check, default)
    word = "at least" if check.negated else "less than"
    reason = f"{name} {score:.4f} is {word} the threshold of {number_text(limit)}"
    return check.verdict(score >= limit, reason, score=1 - score if check.negated else score)
