"""Copies a suite's assertions into a case: only those that run no code, need no file and name no grader."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from evolve.core.cases.case_format import inert_types
from evolve.core.cases.inert import inert_value
from evolve.core.model.json_value import JsonValue
from evolve.core.model.suite import Assertion, AssertSet, Requirement


class Copied(NamedTuple):
    """The assertions that were copied, and the requirements that a case must not contain."""

    assertions: tuple[Mapping[str, JsonValue], ...]
    left_out: tuple[Requirement, ...]


def copy_assertions(requirements: Iterable[Requirement]) -> Copied:
    """Return the requirements as a case's `assert` entries; their values must be rendered already."""
    kept: list[Mapping[str, JsonValue]] = []
    left_out: list[Requirement] = []
    for requirement in requirements:
        mapping = _copy(requirement)
        if mapping is None:
            left_out.append(requirement)
        else:
            kept.append(mapping)
    return Copied(tuple(kept), tuple(left_out))


def name_of(requirement: Requirement) -> str:
    """Return the name of a check: its metric, else its type."""
    if requirement.metric:
        return requirement.metric
    if isinstance(requirement, AssertSet):
        return "assert-set"
    return f"not-{requirement.type}" if requirement.negated else requirement.type


def _copy(requirement: Requirement) -> Mapping[str, JsonValue] | None:
    if isinstance(requirement, Assertion):
        return _assertion(requirement) if _is_inert(requirement) else None
    if requirement.config or not all(map(_is_inert, requirement.assertions)):
        return None
    inner: list[JsonValue] = [_assertion(part) for part in requirement.assertions]
    return {"type": "assert-set", "assert": inner, **_extras(requirement)}


def _is_inert(assertion: Assertion) -> bool:
    value = assertion.value
    # Runners differ in whether they render templates inside a mapping; without any, all see the same value.
    holds_marks = isinstance(value, dict | list) and inert_value(value) != value
    is_file = isinstance(value, str) and value.startswith("file://")
    has_code = assertion.transform or assertion.provider or assertion.rubric_prompt or assertion.config
    return assertion.type in inert_types() and not (has_code or is_file or holds_marks)


def _assertion(assertion: Assertion) -> dict[str, JsonValue]:
    kind = f"not-{assertion.type}" if assertion.negated else assertion.type
    value: dict[str, JsonValue] = {} if assertion.value is None else {"value": assertion.value}
    return {"type": kind, **value, **_extras(assertion)}


def _extras(requirement: Requirement) -> dict[str, JsonValue]:
    extras: dict[str, JsonValue] = {}
    if requirement.threshold is not None:
        extras["threshold"] = requirement.threshold
    if requirement.weight != 1:
        extras["weight"] = requirement.weight
    if requirement.metric:
        extras["metric"] = requirement.metric
    return extras
