"""The tests of Nunjucks 3.2 (`x is even`), on JSON values."""

import math
from collections.abc import Mapping
from typing import Final

from evolve.core.javascript.values import (
    UNDEFINED,
    JsFunction,
    JsRegex,
    Safe,
    Value,
    is_number,
    less,
    strict_equal,
    to_number,
    truthy,
)
from evolve.core.model.errors import CannotEvaluate
from evolve.core.templating.inputs import (
    Filter,
    present,
    strict_text,
    suggestion,
)


def _iterable(value: Value) -> Value:
    present(value, "is iterable")
    return isinstance(value, list | str)


TESTS: Final[Mapping[str, Filter]] = {
    "callable": lambda value: isinstance(value, JsFunction),
    "defined": lambda value: value is not UNDEFINED,
    "undefined": lambda value: value is UNDEFINED,
    "divisibleby": lambda value, by=UNDEFINED: to_number(by) != 0 and _modulo(value, to_number(by)) == 0,
    "escaped": lambda value: isinstance(value, Safe),
    "equalto": lambda value, other=UNDEFINED: strict_equal(value, other),
    "even": lambda value: _modulo(value, 2) == 0,
    "odd": lambda value: _modulo(value, 2) == 1,
    "falsy": lambda value: not truthy(value),
    "truthy": truthy,
    "ge": lambda value, other=UNDEFINED: less(value, other) is False,
    "greaterthan": lambda value, other=UNDEFINED: less(other, value) is True,
    "le": lambda value, other=UNDEFINED: less(other, value) is False,
    "lessthan": lambda value, other=UNDEFINED: less(value, other) is True,
    "lower": lambda value: strict_text(value, "is lower").lower() == value,
    "upper": lambda value: strict_text(value, "is upper").upper() == value,
    "ne": lambda value, other=UNDEFINED: not strict_equal(value, other),
    "null": lambda value: value is None,
    "number": is_number,
    "string": lambda value: isinstance(value, str) and not isinstance(value, Safe),
    "iterable": _iterable,
    "mapping": lambda value: isinstance(value, Mapping | Safe | JsRegex),
}
_TEST_ALIASES: Final = {"eq": "equalto", "sameas": "equalto", "gt": "greaterthan", "lt": "lessthan"}


def _modulo(value: Value, by: float) -> float:
    amount = to_number(value)
    return math.fmod(amount, by) if math.isfinite(amount) else math.nan


def find_test(name: str) -> Filter:
    """Return the test called `name`; raise CannotEvaluate with a suggestion when there is none."""
    test = TESTS.get(_TEST_ALIASES.get(name, name))
    if test is None:
        raise CannotEvaluate(f"there is no test `{name}`{suggestion(name, [*TESTS, *_TEST_ALIASES])}")
    return test
