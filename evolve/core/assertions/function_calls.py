"""`function-calls`: the functions that the output calls, and their arguments, compared with those that it should."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from evolve.core.assertions._registry import assertion_type
from evolve.core.assertions._values import wrong_value
from evolve.core.formats.function_calls import FunctionCall, function_calls
from evolve.core.javascript.values import is_number, to_json
from evolve.core.model.json_value import JsonValue
from evolve.core.model.verdicts import AssertionInput, Verdict

_SCHEMA: JsonValue = {
    "type": "array",
    "maxItems": 20,
    "items": {"type": "object", "minProperties": 1, "maxProperties": 1, "additionalProperties": {"type": "object"}},
    "x-expected": "a list of calls, each a function's name with the allowed values of its arguments; [] for no call",
}
_LEFT_OUT: Final = ""
"""Among an argument's allowed values: it may be left out."""
_IGNORED: Final = re.compile(r"[ ,./\-_*^]")
"""Characters that make no difference between two texts, as in the Berkeley Function Calling Leaderboard."""
_SHOWN: Final = 120
"""Characters of a value in a reason."""


@assertion_type("function-calls", value_schema=_SCHEMA, value_required=True)
def match_function_calls(check: AssertionInput) -> Verdict:
    """Pass when the output makes exactly the calls of `value`, in any order; `[]` expects none.

    `value` has for each call the allowed values of each argument; `""` among them means that it may be left out.
    Texts are compared without case, blanks and `,./-_*^`; dots and underscores in names are the same.
    """
    expected = _expected(check)
    called = function_calls(check.output)
    problem = _problem(expected, called)
    return check.verdict(not problem, problem or f"Expected other calls than {_list_text(called)}")


def _expected(check: AssertionInput) -> list[FunctionCall]:
    value = check.assertion.value
    if not isinstance(value, list):
        raise wrong_value(check, "a list of calls")
    found = []
    for item in value:
        if not isinstance(item, dict) or len(item) != 1:
            raise wrong_value(check, "a list of calls, each one function's name with its arguments")
        ((name, arguments),) = item.items()
        if not isinstance(arguments, dict):
            raise wrong_value(check, "a list of calls, each with a mapping of arguments")
        found.append(FunctionCall(name, arguments))
    return found


def _problem(expected: Sequence[FunctionCall], called: Sequence[FunctionCall]) -> str:
    """Return why the calls are not the expected ones; empty where they are."""
    if len(expected) != len(called):
        wanted = "no call" if not expected else f"calls of {', '.join(call.name for call in expected)}"
        return f"Expected {wanted}, got {_list_text(called)}"
    if len(expected) == 1:
        return _difference(expected[0], called[0])
    fits = [[not _difference(one, other) for other in called] for one in expected]
    if _pairs_up(fits):
        return ""
    lonely = next((call.name for call, row in zip(expected, fits, strict=True) if not any(row)), expected[0].name)
    return f"Expected a call of {lonely} with its arguments, got {_list_text(called)}"


def _pairs_up(fits: Sequence[Sequence[bool]]) -> bool:
    """Return whether each expected call has a call of its own (a matching by augmenting paths)."""
    taken: dict[int, int] = {}

    def find(row: int, seen: set[int]) -> bool:
        for column, is_fit in enumerate(fits[row]):
            if is_fit and column not in seen:
                seen.add(column)
                if column not in taken or find(taken[column], seen):
                    taken[column] = row
                    return True
        return False

    return all(find(row, set()) for row in range(len(fits)))


def _difference(expected: FunctionCall, called: FunctionCall) -> str:
    if _plain_name(expected.name) != _plain_name(called.name):
        return f"Expected a call of {expected.name}, got {called.name}"
    for name, value in called.arguments.items():
        if name not in expected.arguments:
            return f"Expected no argument {name} of {expected.name}, got {_short(value)}"
        if not _is_allowed(value, expected.arguments[name]):
            return f"Expected {name} of {expected.name} among {_short(expected.arguments[name])}, got {_short(value)}"
    missing = [name for name, allowed in expected.arguments.items() if name not in called.arguments]
    needed = [name for name in missing if not _may_be_left_out(expected.arguments[name])]
    return f"Expected the arguments {', '.join(needed)} of {expected.name}, which are missing" if needed else ""


def _plain_name(name: str) -> str:
    return name.replace(".", "_")


def _may_be_left_out(allowed: JsonValue) -> bool:
    return isinstance(allowed, list) and _LEFT_OUT in allowed


def _is_allowed(value: JsonValue, allowed: JsonValue) -> bool:
    return any(_is_same(value, one) for one in (allowed if isinstance(allowed, list) else [allowed]))


def _is_same(value: JsonValue, wanted: JsonValue) -> bool:
    if isinstance(value, str) and isinstance(wanted, str):
        return _plain_text(value) == _plain_text(wanted)
    if is_number(value) and is_number(wanted):
        return value == wanted
    if isinstance(value, list) and isinstance(wanted, list):
        return len(value) == len(wanted) and all(map(_is_same, value, wanted))
    if isinstance(value, dict) and isinstance(wanted, dict):
        return _is_same_mapping(value, wanted)
    return type(value) is type(wanted) and value == wanted


def _is_same_mapping(value: Mapping[str, JsonValue], wanted: Mapping[str, JsonValue]) -> bool:
    """Compare as the arguments of a call: each key of `wanted` has its allowed values, or one value as it is."""
    for key, item in value.items():
        if key not in wanted or not (_is_allowed(item, wanted[key]) or _is_same(item, wanted[key])):
            return False
    return all(key in value or _may_be_left_out(allowed) for key, allowed in wanted.items())


def _plain_text(text: str) -> str:
    return _IGNORED.sub("", text).lower().replace("'", '"')


def _list_text(calls: Sequence[FunctionCall]) -> str:
    return ", ".join(f"{call.name}({_short(dict(call.arguments))})" for call in calls) or "no call"


def _short(value: JsonValue) -> str:
    text = to_json(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
