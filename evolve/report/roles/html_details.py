"""The part of a verification's page that a cell of the matrix leads to: reason, notes, evidence and tasks."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, TypeAlias
from urllib.parse import quote

from evolve.core.model.role_checks import Check, CheckOutcome, CheckResult, TaskLine
from evolve.core.text.counts import count
from evolve.core.text.visible import visible
from evolve.report.roles.matrix import RoleRow, by_interest
from evolve.report.short_text import cut, shown_path

SHOWN_TASKS = 300
"""Tasks of one check; those that failed or changed something come first, the rest is counted."""
EVIDENCE_LIMIT = 60_000
"""Characters of one piece of evidence: a long log must not make the page slow to open."""
PATCH_HEAD = 12
"""Lines of a text in which a patch is recognised: its header, after a few lines of a command's output."""

_TASK_KINDS: Mapping[str, str] = {"failed": "fail", "unreachable": "fail", "changed": "error", "ok": "pass"}
_PATCH_TAGS: Mapping[str, str] = {"+": "ins", "-": "del"}

Pieces: TypeAlias = Sequence[tuple[str, str]]
"""A text by line, each with the element that marks it (empty for none); a text without marks is one piece."""


class TaskDetail(NamedTuple):
    """One task of a check."""

    line: TaskLine
    kind: str
    name: str
    items: str
    where: str
    diff: Pieces


class CheckDetail(NamedTuple):
    """One check of a role."""

    cell: CheckResult
    is_bad: bool
    facts: str
    evidence: Sequence[tuple[str, Pieces]]
    """Title and text."""
    marked: Sequence[TaskDetail]
    """Tasks that changed something or failed, up to the limit of shown tasks."""
    marked_in_all: int
    others: Sequence[TaskDetail]
    others_in_all: int

    @property
    def left_out(self) -> int:
        """Return how many tasks are not shown."""
        return len(self.cell.tasks) - len(self.marked) - len(self.others)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to show but the outcome."""
        cell = self.cell
        return not (cell.reason or cell.notes or cell.evidence or cell.tasks)


class RowDetail(NamedTuple):
    """The checks of one role on one release."""

    name: str
    role: str
    release: str
    checks: Sequence[CheckDetail]


def anchor(result: CheckResult) -> str:
    """Return the name of a result's place in the page, the same in every verification."""
    return f"{result.role}@{result.release}/{result.check.replace(' ', '-')}"


def link(name: str) -> str:
    """Return the address of a place in the page."""
    return "#" + quote(visible(name), safe="@/", errors="backslashreplace")


def details(table: Sequence[RoleRow]) -> Iterator[RowDetail]:
    """Return every check of every role."""
    for row in table:
        checks = [_check(row.cells[check]) for check in Check if check in row.cells]
        yield RowDetail(row.name, row.role, row.release, checks)


def _check(cell: CheckResult) -> CheckDetail:
    facts = [f"{cell.seconds:.1f} s"] if cell.seconds >= 0.05 else []  # less would be shown as 0.0 s
    facts += [count(len(cell.tasks), "task")] if cell.tasks else []
    marked, others = by_interest(cell.tasks)
    shown = marked[:SHOWN_TASKS]
    with_diffs = cell.outcome is not CheckOutcome.PASSED
    return CheckDetail(
        cell,
        is_bad=cell.outcome in (CheckOutcome.FAILED, CheckOutcome.ERROR),
        facts=", ".join(facts),
        evidence=[(title, _evidence(text)) for title, text in cell.evidence.items()],
        marked=[_task(task, with_diffs=with_diffs) for task in shown],
        marked_in_all=len(marked),
        others=[_task(task, with_diffs=with_diffs) for task in others[: SHOWN_TASKS - len(shown)]],
        others_in_all=len(others),
    )


def _evidence(text: str) -> Pieces:
    shown = cut(text, EVIDENCE_LIMIT)
    if _is_patch(shown):
        return _patch(shown)
    return [("", shown)] if shown else []


def _is_patch(text: str) -> bool:
    return any(line.startswith(("@@ ", "--- ", "+++ ")) for line in text.splitlines()[:PATCH_HEAD])


def _patch(text: str) -> Pieces:
    return [(_PATCH_TAGS.get(line[:1], ""), line) for line in text.splitlines()]


def _task(task: TaskLine, *, with_diffs: bool) -> TaskDetail:
    return TaskDetail(
        task,
        kind=_TASK_KINDS.get(task.status, "gap"),
        name=f"{task.role}: {task.task}" if task.role else task.task,
        items=", ".join(task.items),
        where=f"{shown_path(task.path)}:{task.line}" if task.line else shown_path(task.path),
        diff=_patch(task.diff) if with_diffs else [],
    )
