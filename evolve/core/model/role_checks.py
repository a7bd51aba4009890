"""What a verification of roles says: hosts' tasks, checks of a role, and what came of each.

Results have a form in plain JSON, for pytest-xdist and files: `from_json(to_json(result)) == result`.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any


class Check(StrEnum):
    """One thing proven about a role on a host, in the order in which the report shows them."""

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
    """What came of a check; only `FAILED` speaks against the role."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_CHECKED = "not checked"
    """The role gives nothing to check (no fault declared, no earlier commit), or an earlier check is in the way."""
    UNCHANGED = "unchanged"
    """Passed before with the same role, dependencies, image and harness, and was not run again."""
    ERROR = "error"
    """The environment failed: engine, image, network."""


@dataclass(frozen=True, slots=True)
class TaskLine:
    """What one task did on one host: one line of the callback's JSON."""

    host: str
    role: str
    """Empty for a task of the play itself."""
    task: str
    path: str
    """The file that holds the task, as Ansible names it."""
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
    """What the module says that it changed, as a unified diff or a few lines; cut to 4,000 characters."""
    is_handler: bool = False
    notified: tuple[str, ...] = ()
    """The handlers that the task notifies when it changes."""
    written: tuple[str, ...] = ()
    """Paths on the host that a changed task says it wrote."""

    @property
    def spot(self) -> str:
        """`file:line`, as far as it is known."""
        return f"{self.path}:{self.line}" if self.line else self.path

    def __str__(self) -> str:
        items = f" (items: {', '.join(self.items)})" if self.items else ""
        name = f"{self.role} : {self.task}" if self.role else self.task
        return f"{self.spot}: {name}{items} on {self.host}"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What one check says about one role on one release."""

    role: str
    release: str
    """The release of the hosts, such as `bookworm`."""
    check: Check
    outcome: CheckOutcome
    reason: str = ""
    """For people, one thing a line: what, where, what was expected, what to do next; empty when it passed."""
    notes: tuple[str, ...] = ()
    """What was checked, and what could not be checked although the check passed."""
    evidence: Mapping[str, str] = field(default_factory=dict)
    """Title to text: the failed tasks' output, diffs, the journal's end, what runs it again."""
    seconds: float = 0.0
    tasks: tuple[TaskLine, ...] = ()
    """The tasks that ran for this check."""


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
