"""`trajectory:*`: what an agent did on its way to an answer, by the trace in the answer's `metadata.trajectory`.

`turns:PROVIDER` writes one; so may a provider of one's own. A step is `{type, name, arguments}`; type is `tool` for a
call. Values and meaning are promptfoo's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final, Literal

from evolve.core.assertions._registry import assertion_type
from evolve.core.assertions._values import NON_EMPTY_TEXT, matches_glob, wrong_value
from evolve.core.javascript.values import is_number, to_json
from evolve.core.model.errors import CannotEvaluate
from evolve.core.model.json_value import JsonValue
from evolve.core.model.verdicts import AssertionInput, Verdict

_COUNT: Final[JsonValue] = {"type": "integer", "minimum": 0}
_NAMED: Final[dict[str, JsonValue]] = {"name": NON_EMPTY_TEXT, "pattern": NON_EMPTY_TEXT}
_TYPES: Final[JsonValue] = {
    "anyOf": [NON_EMPTY_TEXT, {"type": "array", "items": NON_EMPTY_TEXT, "minItems": 1}],
    "x-expected": "a step's type, or a list of types",
}
_MATCHER: Final[JsonValue] = {
    "type": "object",
    "properties": {**_NAMED, "type": _TYPES},
    "additionalProperties": False,
    "minProperties": 1,
}
_STEPS: Final[JsonValue] = {"type": "array", "items": {"anyOf": [NON_EMPTY_TEXT, _MATCHER]}, "minItems": 1}


def _mapping_schema(properties: Mapping[str, JsonValue], *needs: tuple[str, ...]) -> JsonValue:
    """Return the schema of a mapping with some of these keys; of each tuple in `needs` it has one at least."""
    schema: dict[str, JsonValue] = {"type": "object", "properties": dict(properties), "additionalProperties": False}
    if not needs:
        return {**schema, "minProperties": 1}
    choices: list[JsonValue] = [{"required": [*keys]} for keys in product(*needs)]
    return {**schema, "anyOf": choices}


@dataclass(frozen=True, slots=True)
class _StepMatcher:
    """Which steps are meant: by type, and by a name with `*` and `?`."""

    pattern: str
    types: tuple[str, ...] = ()

    def matches(self, step: Mapping[str, JsonValue]) -> bool:
        is_type = not self.types or step.get("type") in self.types
        return is_type and (not self.pattern or matches_glob(str(step.get("name", "")), self.pattern))


@assertion_type(
    "trajectory:tool-used",
    value_schema={
        "anyOf": [
            NON_EMPTY_TEXT,
            {"type": "array", "items": NON_EMPTY_TEXT, "minItems": 1},
            _mapping_schema({**_NAMED, "min": _COUNT, "max": _COUNT}),
        ],
        "x-expected": "a tool's name, a list of names, or a mapping with name or pattern, min and max",
    },
    value_required=True,
)
def trajectory_tool_used(check: AssertionInput) -> Verdict:
    """Pass when all named tools were called, or one tool a number of times. Negated: none of those named was."""
    value, tools = check.assertion.value, _tool_steps(check)
    if isinstance(value, dict):
        matcher = _matcher(check, value, "tool")
        least, high = _limits(check, value)
        low = 1 if least is None else least
        count = sum(map(matcher.matches, tools))
        holds = count >= low and (high is None or count <= high)
        return check.verdict(holds, f"{_label(check)} {_range(low, high)} calls of {matcher.pattern}, got {count}")
    matchers = [_matcher(check, name, "tool") for name in (value if isinstance(value, list) else [value])]
    used = [matcher.pattern for matcher in matchers if any(map(matcher.matches, tools))]
    missing = [matcher.pattern for matcher in matchers if matcher.pattern not in used]
    if check.negated:
        return _verdict(not used, f"Expected no call of {', '.join(used)}, got {_names(tools)}")
    return _verdict(not missing, f"Expected a call of {', '.join(missing)}, got {_names(tools)}")


@assertion_type(
    "trajectory:tool-sequence",
    value_schema={
        "anyOf": [_STEPS, _mapping_schema({"steps": _STEPS, "mode": {"enum": ["in_order", "exact"]}})],
        "x-expected": "a list of tools, or a mapping with steps and mode",
    },
    value_required=True,
)
def trajectory_tool_sequence(check: AssertionInput) -> Verdict:
    """Pass when the tools were called in this order; with `mode: exact`, these and no others."""
    value, tools = check.assertion.value, _tool_steps(check)
    listed = value.get("steps") if isinstance(value, dict) else value
    if not isinstance(listed, list) or not listed:
        raise wrong_value(check, "a list of tools, or a mapping with steps and mode")
    matchers = [_matcher(check, step, "tool") for step in listed]
    is_exact = isinstance(value, dict) and value.get("mode") == "exact"
    wanted = ", ".join(matcher.pattern for matcher in matchers)
    holds = _are_exactly(matchers, tools) if is_exact else _are_in_order(matchers, tools)
    how = "exactly the calls" if is_exact else "in this order the calls"
    return check.verdict(holds, f"{_label(check)} {how} {wanted}, got {_names(tools)}")


@assertion_type(
    "trajectory:tool-args-match",
    value_schema=_mapping_schema(
        {**_NAMED, "args": {"type": "object"}, "arguments": {"type": "object"}, "mode": {"enum": ["partial", "exact"]}},
        ("name", "pattern"),
        ("args", "arguments"),
    ),
    value_required=True,
)
def trajectory_tool_args_match(check: AssertionInput) -> Verdict:
    """Pass when one call of the tool had these arguments; with `mode: exact`, these and no others."""
    value = check.assertion.value
    if not isinstance(value, dict):
        raise wrong_value(check, "a mapping with name or pattern, and args")
    matcher = _matcher(check, value, "tool")
    wanted = value.get("args", value.get("arguments"))
    if not isinstance(wanted, dict):
        raise wrong_value(check, "a mapping with args or arguments")
    given = [step.get("arguments") for step in _tool_steps(check) if matcher.matches(step)]
    is_exact = value.get("mode") == "exact"
    found = "; ".join(map(to_json, given)) or "no call"
    return check.verdict(
        any(_holds(one, wanted, is_exact=is_exact) for one in given),
        f"{_label(check)} {matcher.pattern} with {to_json(wanted)}, got {found}",
    )


@assertion_type(
    "trajectory:step-count",
    value_schema=_mapping_schema({**_NAMED, "type": _TYPES, "min": _COUNT, "max": _COUNT}, ("min", "max")),
    value_required=True,
)
def trajectory_step_count(check: AssertionInput) -> Verdict:
    """Pass when the number of steps, or of those of a type or name, is in the range."""
    value = check.assertion.value
    if not isinstance(value, dict) or ("min" not in value and "max" not in value):
        raise wrong_value(check, "a mapping with min or max")
    matcher = _StepMatcher(_pattern(value), _types(value))
    low, high = _limits(check, value)
    count = sum(map(matcher.matches, _steps(check)))
    holds = (low is None or count >= low) and (high is None or count <= high)
    return check.verdict(holds, f"{_label(check)} {_range(low, high)} steps, got {count}")


def _steps(check: AssertionInput) -> list[Mapping[str, JsonValue]]:
    """Return the answer's trace; raise CannotEvaluate where it has none."""
    trace = check.answer.metadata.get("trajectory")
    if not isinstance(trace, list):
        hint = "providers that write one: turns:PROVIDER, or your own (metadata.trajectory)"
        raise CannotEvaluate(f"{check.assertion.type}: the answer has no trace; {hint}")
    return [step for step in trace if isinstance(step, dict)]


def _tool_steps(check: AssertionInput) -> list[Mapping[str, JsonValue]]:
    return [step for step in _steps(check) if step.get("type") == "tool"]


def _matcher(check: AssertionInput, value: JsonValue, kind: Literal["tool"]) -> _StepMatcher:
    """Return which steps a name or a mapping means; it must have a name or a pattern."""
    if isinstance(value, str) and value:
        return _StepMatcher(value, (kind,))
    if isinstance(value, dict) and _pattern(value):
        return _StepMatcher(_pattern(value), _types(value) or (kind,))
    raise wrong_value(check, "a tool's name, or a mapping with name or pattern")


def _pattern(value: Mapping[str, JsonValue]) -> str:
    return next((str(value[key]) for key in ("pattern", "name") if value.get(key)), "")


def _types(value: Mapping[str, JsonValue]) -> tuple[str, ...]:
    kind = value.get("type")
    return tuple(map(str, kind)) if isinstance(kind, list) else (str(kind),) if kind else ()


def _limits(check: AssertionInput, value: Mapping[str, JsonValue]) -> tuple[float | None, float | None]:
    found = []
    for key in ("min", "max"):
        limit = value.get(key)
        if limit is not None and not is_number(limit):
            raise wrong_value(check, f"a mapping whose {key} is a number")
        found.append(limit)
    return found[0], found[1]


def _are_exactly(matchers: Sequence[_StepMatcher], steps: Sequence[Mapping[str, JsonValue]]) -> bool:
    pairs = zip(matchers, steps, strict=False)
    return len(matchers) == len(steps) and all(matcher.matches(step) for matcher, step in pairs)


def _are_in_order(matchers: Sequence[_StepMatcher], steps: Sequence[Mapping[str, JsonValue]]) -> bool:
    left = iter(steps)
    return all(any(matcher.matches(step) for step in left) for matcher in matchers)


def _holds(given: JsonValue, wanted: JsonValue, *, is_exact: bool) -> bool:
    """Return whether a value has all that is wanted; mappings may have more keys unless it must be exact."""
    if isinstance(given, dict) and isinstance(wanted, dict):
        has_no_more = not is_exact or given.keys() <= wanted.keys()
        return has_no_more and all(
            key in given and _holds(given[key], value, is_exact=is_exact) for key, value in wanted.items()
        )
    return given == wanted and isinstance(given, bool) == isinstance(wanted, bool)


def _label(check: AssertionInput) -> str:
    return "Unexpected:" if check.negated else "Expected"


def _range(low: float | None, high: float | None) -> str:
    if high is None:
        return f"at least {low}"
    return f"at most {high}" if low is None else f"{low} to {high}"


def _names(steps: Sequence[Mapping[str, JsonValue]]) -> str:
    return ", ".join(str(step.get("name")) for step in steps) or "none"


def _verdict(holds: bool, reason: str) -> Verdict:
    return Verdict(holds, 1.0 if holds else 0.0, "Assertion passed" if holds else reason)
