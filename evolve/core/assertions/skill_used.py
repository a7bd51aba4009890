"""`skill-used`: which skills an agent used, by the answer's `metadata.skillCalls`."""

from collections.abc import Iterable
from dataclasses import dataclass

from evolve.core.assertions._registry import assertion_type
from evolve.core.assertions._values import NON_EMPTY_TEXT, matches_glob, wrong_value
from evolve.core.javascript.values import is_number, js_strip
from evolve.core.model.json_value import JsonValue
from evolve.core.model.verdicts import AssertionInput, Verdict

_COUNT: JsonValue = {"type": "integer", "minimum": 0}
_SCHEMA: JsonValue = {
    "anyOf": [
        NON_EMPTY_TEXT,
        {"type": "array", "items": NON_EMPTY_TEXT, "minItems": 1},
        {
            "type": "object",
            "properties": {"name": NON_EMPTY_TEXT, "pattern": NON_EMPTY_TEXT, "min": _COUNT, "max": _COUNT},
            "additionalProperties": False,
            "minProperties": 1,
        },
    ],
    "x-expected": "a skill's name, a list of names, or a mapping with name or pattern, min and max",
}


@assertion_type("skill-used", value_schema=_SCHEMA, value_required=True)
def skill_used(check: AssertionInput) -> Verdict:
    """Pass when all named skills were used, or one skill a number of times. Negated: none of them was."""
    used = list(_skill_calls(check.answer.metadata.get("skillCalls")))
    value = check.assertion.value
    if isinstance(value, dict):
        return _check_count(check, _matcher(check, value), used)
    return _check_list(check, _names(check, value), used)


def _skill_calls(calls: JsonValue) -> Iterable[str]:
    """Yield the names of the calls that did not fail."""
    for call in calls if isinstance(calls, list) else ():
        name = call.get("name") if isinstance(call, dict) and call.get("is_error") is not True else None
        if isinstance(name, str):
            yield name


def _names(check: AssertionInput, value: JsonValue) -> list[str]:
    listed = [value] if isinstance(value, str) else value if isinstance(value, list) else []
    names = [js_strip(name) for name in listed if isinstance(name, str)]
    if not names or len(names) != len(listed) or not all(names):
        raise wrong_value(check, "a skill's name, a list of names, or a mapping")
    return names


def _check_list(check: AssertionInput, names: list[str], used: list[str]) -> Verdict:
    missing = [name for name in names if name not in used]
    if check.negated:
        found = [name for name in names if name in used]
        return _verdict(not found, f"Expected no use of {', '.join(names)}", used)
    wanted = f"Expected use of {', '.join(names)}" + (f", missing {', '.join(missing)}" if missing else "")
    return _verdict(not missing, wanted, used)


@dataclass(frozen=True, slots=True)
class _Matcher:
    name: str
    pattern: str
    low: int | None
    high: int | None

    def matches(self, skill: str) -> bool:
        return (not self.name or skill == self.name) and (not self.pattern or matches_glob(skill, self.pattern))

    @property
    def label(self) -> str:
        return self.pattern or self.name


def _matcher(check: AssertionInput, value: dict[str, JsonValue]) -> _Matcher:
    name, pattern = (js_strip(text) if isinstance(text := value.get(key), str) else "" for key in ("name", "pattern"))
    if not name and not pattern:
        raise wrong_value(check, "a mapping with name or pattern")
    low, high = (_count(check, value, key) for key in ("min", "max"))
    if low is not None and high is not None and high < low:
        raise wrong_value(check, f"a range: min={low} is more than max={high}")
    return _Matcher(name, pattern, low, high)


def _count(check: AssertionInput, value: dict[str, JsonValue], key: str) -> int | None:
    if key not in value:
        return None
    count = value[key]
    if not isinstance(count, int | float) or not is_number(count) or count != count // 1 or not 0 <= count < 2**53:
        raise wrong_value(check, f"a mapping whose {key} is a whole number")
    return int(count)


def _check_count(check: AssertionInput, matcher: _Matcher, used: list[str]) -> Verdict:
    count = sum(map(matcher.matches, used))
    if check.negated:
        if matcher.low is not None or matcher.high:
            raise wrong_value(check, "a name or pattern without min, and without max or with max: 0")
        return _verdict(count == 0, f"Expected no use of {matcher.label}, got {count}", used)
    low = matcher.low if matcher.low is not None else 1 if matcher.high is None else 0
    holds = low <= count and (matcher.high is None or count <= matcher.high)
    wanted = f"at least {low}" if matcher.high is None else f"{low} to {matcher.high}"
    return _verdict(holds, f"Expected {wanted} uses of {matcher.label}, got {count}", used)


def _verdict(passed: bool, reason: str, used: list[str]) -> Verdict:
    return Verdict(passed, 1.0 if passed else 0.0, f"{reason}. Used: {', '.join(used) or 'none'}")
