"""The table of assertion types; the first use imports the files of this folder, which register them."""

import importlib
import pkgutil
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeAlias

from evolve.core.model.errors import CannotEvaluate
from evolve.core.model.json_value import JsonValue
from evolve.core.model.verdicts import AssertionInput, ComparisonInput, Verdict

Evaluate: TypeAlias = Callable[[AssertionInput], Verdict | Awaitable[Verdict]]
Compare: TypeAlias = Callable[[ComparisonInput], tuple[Verdict, ...] | Awaitable[tuple[Verdict, ...]]]


@dataclass(frozen=True, slots=True)
class AssertionType:
    """One type: its function, and the value and keys that a suite may give it."""

    name: str
    evaluate: Evaluate
    value_schema: JsonValue = True
    """JSON Schema of `value` in the file (before rendering); checked when a suite is loaded."""
    value_required: bool = False
    keys: frozenset[str] = frozenset()
    """Keys in addition to type, value, threshold, weight, metric, transform, provider, rubricPrompt and config."""
    compares: bool = False
    """Needs the outputs of all prompts and providers of one test (select-best, max-score); run after the others."""
    raw_value: bool = False
    """Strings of the value are code, not templates."""
    compare: Compare | None = None
    """The function of a type that compares; its `evaluate` is never called."""


_types: dict[str, AssertionType] = {}


def assertion_type(
    *names: str,
    value_schema: JsonValue = True,
    value_required: bool = False,
    keys: tuple[str, ...] = (),
    compares: bool = False,
    raw_value: bool = False,
) -> Callable[[Evaluate], Evaluate]:
    """Register the decorated function under each name, and under `not-NAME`.

    Args:
        names: the type's name, then its other names.
        value_schema: JSON Schema of `value` in the file; True for any value.
        value_required: whether a suite must give a value.
        keys: keys of this type only.
        compares: whether the function needs the outputs of all prompts and providers.
        raw_value: whether strings of the value are code, not templates.
    """

    def register(evaluate: Evaluate) -> Evaluate:
        for name in names:
            _types[name] = AssertionType(
                name, evaluate, value_schema, value_required, frozenset(keys), compares, raw_value
            )
        return evaluate

    return register


def comparison_type(
    *names: str, value_schema: JsonValue = True, value_required: bool = False, keys: tuple[str, ...] = ()
) -> Callable[[Compare], Compare]:
    """Register the decorated function as a type that compares the outputs of one test.

    Args:
        names: the type's name, then its other names.
        value_schema: JSON Schema of `value` in the file; True for any value.
        value_required: whether a suite must give a value.
        keys: keys of this type only.
    """

    def register(compare: Compare) -> Compare:
        for name in names:
            _types[name] = AssertionType(
                name, _never, value_schema, value_required, frozenset(keys), compares=True, compare=compare
            )
        return compare

    return register


def _never(check: AssertionInput) -> Verdict:
    raise CannotEvaluate(f"type: {check.assertion.type} compares several outputs; move it out of the assert-set")


@cache
def known_types() -> Mapping[str, AssertionType]:
    """Return all types by name. Modules must stay cheap to import: functions import heavy libraries."""
    for module in pkgutil.iter_modules([str(Path(__file__).parent)]):
        importlib.import_module(f"{__package__}.{module.name}")
    return dict(_types)


def find_type(name: str) -> AssertionType | None:
    """Return the type called `name` (without `not-`), or None."""
    return known_types().get(name)
