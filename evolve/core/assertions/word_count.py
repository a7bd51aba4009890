"""`word-count`: the output has this many words, or a number of words between two bounds."""

import re

from evolve.core.assertions._registry import assertion_type
from evolve.core.assertions._values import wrong_value
from evolve.core.javascript.values import JS_SPACE, is_number, number_text, to_number
from evolve.core.model.json_value import JsonValue
from evolve.core.model.verdicts import AssertionInput, Verdict

_COUNT: JsonValue = {"type": "number", "minimum": 0}
_SCHEMA: JsonValue = {
    "anyOf": [
        _COUNT,
        {"type": "string", "pattern": r"^\s*(\d+\.?\d*|\.\d+)\s*$", "x-expected": "a number"},
        {
            "type": "object",
            "properties": {"min": _COUNT, "max": _COUNT},
            "additionalProperties": False,
            "minProperties": 1,
        },
    ],
    "x-expected": "a number of words, or a mapping with min, max or both",
}
_WORD = re.compile(f"[^{JS_SPACE}]+")


@assertion_type("word-count", value_schema=_SCHEMA, value_required=True)
def word_count(check: AssertionInput) -> Verdict:
    """Pass when the number of words, separated by white space, is in the range."""
    count = len(_WORD.findall(check.text))
    low, high = _bounds(check)
    holds = (low is None or count >= low) and (high is None or count <= high)
    if holds != check.negated:
        return check.verdict(holds, "")
    word = "not " if check.negated else ""
    noun = "word" if 1 in (low, high) and (high is None or high == 1) else "words"
    return check.verdict(holds, f"Expected {word}{_range(low, high)} {noun}, got {count}")


def _bounds(check: AssertionInput) -> tuple[float | None, float | None]:
    value = check.assertion.value
    if isinstance(value, dict):
        return _range_bounds(check, value)
    number = to_number(value) if isinstance(value, str) or is_number(value) else float("nan")
    if number != number:
        raise wrong_value(check, "a number of words, or a mapping with min, max or both")
    return number, number


def _range_bounds(check: AssertionInput, value: dict[str, JsonValue]) -> tuple[float | None, float | None]:
    low, high = (_bound(check, value.get(name)) for name in ("min", "max"))
    if low is None and high is None:
        raise wrong_value(check, "a mapping with min, max or both")
    if low is not None and high is not None and low > high:
        raise wrong_value(check, f"a range: min={number_text(low)} is more than max={number_text(high)}")
    return low, high


def _bound(check: AssertionInput, value: JsonValue) -> float | None:
    if value is None:
        return None
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise wrong_value(check, "a mapping of numbers")
    return value


def _range(low: float | None, high: float | None) -> str:
    if high is None:
        return f"at least {number_text(low or 0)}"
    if low is None:
        return f"at most {number_text(high)}"
    return number_text(low) if low == high else f"{number_text(low)} to {number_text(high)}"
