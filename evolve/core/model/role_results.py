"""Results of role checks as plain JSON values, for pytest-xdist and files; `from_json(to_json(result)) == result`."""

from dataclasses import asdict
from typing import Any

from evolve.core.model.role_checks import Check, CheckOutcome, CheckResult, TaskLine

_TUPLES = ("items", "notified", "written")


def to_json(result: CheckResult) -> dict[str, Any]:
    """Strings, numbers, lists and mappings alone."""
    data = asdict(result)
    data["notes"] = list(result.notes)
    data["tasks"] = [{**task, **{key: list(task[key]) for key in _TUPLES}} for task in data["tasks"]]
    return {**data, "check": result.check.value, "outcome": result.outcome.value}


def task_from_json(data: dict[str, Any]) -> TaskLine:
    """One task of a result; the callback writes the same values, a line each."""
    return TaskLine(**{**data, **{key: tuple(data[key]) for key in _TUPLES}})


def from_json(data: dict[str, Any]) -> CheckResult:
    """The result that `to_json` was given."""
    tasks = tuple(map(task_from_json, data["tasks"]))
    given = {**data, "check": Check(data["check"]), "outcome": CheckOutcome(data["outcome"])}
    return CheckResult(**{**given, "notes": tuple(data["notes"]), "tasks": tasks})
