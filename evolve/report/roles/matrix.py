"""A verification of roles as its reports read it: the matrix, the slowest tasks, and what was not checked."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from evolve import __version__
from evolve.core.model.role_checks import Check, CheckOutcome, CheckResult, TaskLine

NOT_RUN = "not run"
"""The word in the matrix where a verification has no result for a check: it was not selected, or not reached."""
SLOWEST = 15
"""Rows of the table of slowest tasks; more would hide those that are worth a change."""
NOT_CHECKED_NOTE = "not "
"""How a note begins that says what a check left out (`not checked: ...`, `not broken by any fault: ...`): it is listed
with what was not checked."""
ENVIRONMENT_FAILED = "the environment failed"
"""How the reason of an error begins where it is listed with what was not checked."""
MARKED = ("failed", "unreachable", "changed")
"""States of tasks that a reader looks for; the others are `ok` and `skipped`."""

_FRAMES = re.compile(r"Traceback \(most recent call last\):\n(?:[ \t].*\n)+")
"""A traceback without its last line, which is not indented."""

_WORST_FIRST = (
    CheckOutcome.FAILED,
    CheckOutcome.ERROR,
    CheckOutcome.NOT_CHECKED,
    CheckOutcome.UNCHANGED,
    CheckOutcome.PASSED,
)


@dataclass(frozen=True, slots=True)
class RoleMatrix:
    """One verification of roles, complete or not."""

    results: Sequence[CheckResult]
    started_s: float
    """Seconds since the epoch."""
    seconds: float
    """Wall clock; roles run side by side, so the checks' own seconds add up to more."""
    machine: str = ""
    """One line: cores, memory, kernel, Python."""
    version: str = __version__
    """Anneal's version."""
    command: str = ""
    """The command that runs it again."""
    interrupted: str = ""
    """What ended the run before its end; empty when it ran to its end."""


@dataclass(frozen=True, slots=True)
class RoleRow:
    """One role on one release."""

    role: str
    release: str
    cells: Mapping[Check, CheckResult]
    """Checks without a result are missing here."""

    @property
    def name(self) -> str:
        """`role@release`."""
        return f"{self.role}@{self.release}"

    @property
    def seconds(self) -> float:
        """Return the time of the role's checks, one after another."""
        return sum(cell.seconds for cell in self.cells.values())

    @property
    def troubles(self) -> Sequence[CheckResult]:
        """Return what failed or could not be run, in the order of the checks."""
        wanted = (CheckOutcome.FAILED, CheckOutcome.ERROR)
        return [self.cells[check] for check in Check if check in self.cells and self.cells[check].outcome in wanted]


@dataclass(frozen=True, slots=True)
class SlowTask:
    """One task of a role over all checks and hosts."""

    role: str
    task: str
    spot: str
    """`file:line`."""
    runs: int
    seconds: float
    """Of all its runs."""
    longest_s: float


@dataclass(frozen=True, slots=True)
class Unchecked:
    """One thing that was not checked, and for which roles."""

    check: Check
    why: str
    names: Sequence[str]
    """`role@release`."""


def rows(results: Iterable[CheckResult]) -> Sequence[RoleRow]:
    """Return the matrix by role and release; where a check has several results, the worst of them counts."""
    found: dict[tuple[str, str], dict[Check, CheckResult]] = {}
    for result in results:
        cells = found.setdefault((result.role, result.release), {})
        known = cells.get(result.check)
        cells[result.check] = _join_results(known, result) if known else result
    return [RoleRow(role, release, cells) for (role, release), cells in sorted(found.items())]


def _join_results(one: CheckResult, other: CheckResult) -> CheckResult:
    """Two results of one check as one, with the texts of both."""
    worse = min(one, other, key=lambda result: _WORST_FIRST.index(result.outcome))
    return replace(
        worse,
        reason="\n".join(dict.fromkeys(filter(None, (one.reason, other.reason)))),
        notes=tuple(dict.fromkeys(one.notes + other.notes)),
        evidence={**one.evidence, **other.evidence},
        seconds=one.seconds + other.seconds,
        tasks=one.tasks + other.tasks,
    )


def totals(table: Iterable[RoleRow]) -> Mapping[CheckOutcome, int]:
    """Return how often each outcome is in the matrix; every outcome is a key."""
    counted = Counter(cell.outcome for row in table for cell in row.cells.values())
    return {outcome: counted[outcome] for outcome in CheckOutcome}


def missing_results(selected: Iterable[tuple[str, str, Check]], why: str) -> list[CheckResult]:
    """Return a result for each role, release and check that was selected and did not run, with the reason."""
    return [
        CheckResult(role, release, check, CheckOutcome.NOT_CHECKED, f"did not run: {why}")
        for role, release, check in selected
    ]


def is_good(table: Iterable[RoleRow]) -> bool:
    """Whether nothing failed and nothing was an error."""
    return not any(row.troubles for row in table)


def slowest(table: Iterable[RoleRow], limit: int = SLOWEST) -> Sequence[SlowTask]:
    """Return the tasks that took most time over all checks, hosts and releases, the slowest first."""
    found: dict[tuple[str, str, str], list[float]] = {}
    for row in table:
        for task in (task for cell in row.cells.values() for task in cell.tasks):
            found.setdefault((task.role or row.role, task.task, task.spot), []).append(task.seconds)
    slow = [SlowTask(*key, len(times), sum(times), max(times)) for key, times in found.items()]
    return sorted(slow, key=lambda task: (-task.seconds, task.role, task.spot))[:limit]


def checks_not_made(table: Iterable[RoleRow]) -> Sequence[Unchecked]:
    """Return what was not checked and why, in the order of the checks; roles with the same reason are grouped."""
    found: dict[tuple[Check, str], list[str]] = {}
    for row in table:
        for check, why in _gaps(row):
            found.setdefault((check, why), []).append(row.name)
    order = list(Check)
    return [Unchecked(*key, names) for key, names in sorted(found.items(), key=lambda item: order.index(item[0][0]))]


def _gaps(row: RoleRow) -> Iterator[tuple[Check, str]]:
    for check in Check:
        cell = row.cells.get(check)
        if cell is None:  # the matrix shows it; with -k this is most of the checks
            continue
        if cell.outcome is CheckOutcome.NOT_CHECKED:
            yield check, cell.reason or "no reason was given"
        elif cell.outcome is CheckOutcome.ERROR:
            yield check, f"{ENVIRONMENT_FAILED}: {first_line(cell.reason)}"
        yield from ((check, note) for note in cell.notes if note.lower().startswith(NOT_CHECKED_NOTE))


def by_interest(tasks: Iterable[TaskLine]) -> tuple[Sequence[TaskLine], Sequence[TaskLine]]:
    """Return the tasks that failed or changed something, and the others, both in the order in which they ran."""
    everything = tuple(tasks)
    marked = [task for task in everything if task.status in MARKED]
    return marked, [task for task in everything if task.status not in MARKED]


def first_line(text: str) -> str:
    """Return the first line that is not blank; empty without one."""
    return next((line.strip() for line in text.splitlines() if line.strip()), "")


def without_frames(text: str) -> str:
    """Return a text with Python tracebacks cut to their last line, for places that repeat a text."""
    return _FRAMES.sub("", text)


def headline(table: Sequence[RoleRow]) -> str:
    """Return what went wrong, such as `2 failed, 1 error`; how many passed where nothing did."""
    found = totals(table)
    bad = [kind for kind in (CheckOutcome.FAILED, CheckOutcome.ERROR) if found[kind]]
    return ", ".join(_count_text(kind, found[kind]) for kind in bad or [CheckOutcome.PASSED])


def short_totals(table: Sequence[RoleRow]) -> str:
    """Return all counts, such as `2 failed, 1 error, 50 passed`: failed and passed always, others unless they are 0."""
    found = totals(table)
    order = (*_WORST_FIRST[:2], CheckOutcome.PASSED, CheckOutcome.UNCHANGED, CheckOutcome.NOT_CHECKED)
    always = (CheckOutcome.FAILED, CheckOutcome.PASSED)
    parts = [_count_text(kind, found[kind]) for kind in order if found[kind] or kind in always]
    missing = sum(len(Check) - len(row.cells) for row in table)
    return ", ".join([*parts, f"{missing:,} {NOT_RUN}"] if missing else parts)


def _count_text(outcome: CheckOutcome, number: int) -> str:
    word = "errors" if outcome is CheckOutcome.ERROR and number != 1 else outcome
    return f"{number:,} {word}"
