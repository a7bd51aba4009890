"""The results of a verification of roles: the tasks on hosts, the checks of a role, and the outcome of each.

Results can be converted to plain JSON, for pytest-xdist and files: `from_json(to_json(result)) == result`.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any


class Check(StrEnum):
    """One check of a role on a host; the order is that of the report."""

    ARGUMENTS = "arguments"
    PREFLIGHT = "preflight"
    CHECK_MODE = "check mode"
    CONVERGE = "converge"
    IDEMPOTENCE = "idempotence"
    HIDDEN_CHANGES = "hidden changes"
    FUNCTION = "function"
    RESTART = "restart"
    INTERRUPTION = "interruption"
    UPGRADE = "upgrade"


class CheckOutcome(StrEnum):
    """The outcome of a check; only `FAILED` is the role's fault."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_CHECKED = "not checked"
    """There is nothing to check (no fault declared, no earlier commit), or an earlier check failed."""
    UNCHANGED = "unchanged"
    """It passed before with the same role, dependencies, image and harness, and was not run again."""
    ERROR = "error"
    """The environment failed: engine, image, network."""


@dataclass(frozen=True, slots=True)
class TaskLine:
    """What one task did on one host: one line of JSON from the callback."""

    host: str
    role: str
    """The role's name; empty for a task of the play itself."""
    task: str
    path: str
    """The file that contains the task, as Ansible names it."""
    line: int
    action: str
    status: str
    """`ok`, `changed`, `failed`, `skipped` or `unreachable`."""
    seconds: float
    items: tuple[str, ...] = ()
    """The labels of the loop's items that changed or failed; empty without a loop."""
    message: str = ""
    """Why it failed: the module's message and the tail of its output."""
    diff: str = ""
    """The module's own account of its changes, as a unified diff or a few lines; cut to 4,000 characters."""
    is_handler: bool = False
    notified: tuple[str, ...] = ()
    """The handlers that the task notifies when it changes."""
    written: tuple[str, ...] = ()
    """Paths on the host that a changed task reports to have written."""
    units: tuple[str, ...] = ()
    """Units of systemd that the task is about."""

    @property
    def spot(self) -> str:
        """`file:line`, without the line if it is unknown."""
        return f"{self.path}:{self.line}" if self.line else self.path

    def __str__(self) -> str:
        items = f" (items: {', '.join(self.items)})" if self.items else ""
        name = f"{self.role} : {self.task}" if self.role else self.task
        return f"{self.spot}: {name}{items} on {self.host}"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The result of one check of one role on one release."""

    role: str
    release: str
    """The release of the hosts, such as `bookworm`."""
    check: Check
    outcome: CheckOutcome
    reason: str = ""
    """For people, one problem per line: what, where, what was expected, what to do next; empty when it passed."""
    notes: tuple[str, ...] = ()
    """What was checked, and what could not be checked although the check passed."""
    evidence: Mapping[str, str] = field(default_factory=dict)
    """Text by title: the failed tasks' output, diffs, the end of the journal, the command that repeats the check."""
    seconds: float = 0.0
    tasks: tuple[TaskLine, ...] = ()
    """The tasks that ran for this check."""


_TUPLES = ("items", "notified", "written", "units")


def to_json(result: CheckResult) -> dict[str, Any]:
    """Return the result as strings, numbers, lists and mappings."""
    data = asdict(result)
    data["notes"] = list(result.notes)
    data["tasks"] = [{**task, **{key: list(task[key]) for key in _TUPLES}} for task in data["tasks"]]
    return {**data, "check": result.check.value, "outcome": result.outcome.value}


def task_from_json(data: dict[str, Any]) -> TaskLine:
    """Return one task of a result; the callback writes the same values, one task per line."""
    return TaskLine(**{**data, **{key: tuple(data[key]) for key in _TUPLES}})


def from_json(data: dict[str, Any]) -> CheckResult:
    """Return the result that `to_json` was given."""
    tasks = tuple(map(task_from_json, data["tasks"]))
    given = {**data, "check": Check(data["check"]), "outcome": CheckOutcome(data["outcome"])}
    return CheckResult(**{**given, "notes": tuple(data["notes"]), "tasks": tasks})
