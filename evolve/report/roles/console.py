"""A verification of roles as plain lines, for a terminal and for the log of a CI run."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from evolve.core.model.role_checks import Check, CheckOutcome, CheckResult
from evolve.core.text.counts import count
from evolve.core.text.visible import visible
from evolve.report.roles.matrix import (
    ENVIRONMENT_FAILED,
    NOT_RUN,
    RoleMatrix,
    RoleRow,
    Unchecked,
    by_interest,
    checks_not_made,
    is_good,
    rows,
    short_totals,
    slowest,
    without_frames,
)
from evolve.report.short_text import cut
from evolve.report.terminal import Paint

SHOWN_TASKS = 20
"""Tasks that a failure names; the HTML report has all of them."""
SHOWN_SLOW = 5
"""Slowest tasks at the end of the output; the HTML report has more."""
EVIDENCE_LINES = 15
"""The last lines of each piece of evidence; the HTML report has all of it."""
_GAP = "  "

_COLOURS: Mapping[str, str] = {
    CheckOutcome.PASSED: "green",
    CheckOutcome.FAILED: "red",
    CheckOutcome.ERROR: "red",
    CheckOutcome.NOT_CHECKED: "yellow",
    CheckOutcome.UNCHANGED: "dim",
    NOT_RUN: "dim",
}


def verification_lines(verification: RoleMatrix, paint: Paint) -> Iterator[str]:
    """Yield the matrix, each failure with its reason, what was not checked, the slowest tasks, and the totals last."""
    table = rows(verification.results)
    yield from _matrix(table, paint)
    for row in table:
        for cell in row.troubles:
            yield ""
            yield from _trouble(cell, paint)
    yield from _block("not checked:", _gap_lines(checks_not_made(table)))
    yield from _block("slowest tasks, all runs together:", _slow_lines(table))
    yield ""
    verdict = _verdict(verification, table, paint)
    yield f"{verdict}: {short_totals(table)}; {_row_count(table)}; {verification.seconds:.1f} s"
    if verification.command and not is_good(table):
        yield f"again: {visible(verification.command)}"


def _verdict(verification: RoleMatrix, table: Sequence[RoleRow], paint: Paint) -> str:
    """The run's word; one that did not reach its end passed nothing."""
    if not is_good(table):
        return paint("FAIL", "red")
    if verification.interrupted:
        return f"{paint('INTERRUPTED', 'yellow')} ({visible(verification.interrupted)})"
    return paint("PASS", "green")


def _matrix(table: Sequence[RoleRow], paint: Paint) -> Iterator[str]:
    """The matrix; heads of two words take two lines, so that ten checks fit next to each other."""
    heads = [("", "role"), *(_two_lines(check) for check in Check), ("", "seconds")]
    body = [[visible(row.name), *_words(row), f"{row.seconds:.1f}"] for row in table]
    widths = [max(len(word) for word in (*head, *column)) for head, *column in zip(heads, *body, strict=True)]
    for line in zip(*heads, strict=True):
        yield _GAP.join(word.ljust(width) for word, width in zip(line, widths, strict=True)).rstrip()
    for words in body:
        padded = [(word, word.ljust(width)) for word, width in zip(words, widths, strict=True)]
        yield _GAP.join(paint(text, _COLOURS[word]) if word in _COLOURS else text for word, text in padded).rstrip()


def _two_lines(check: Check) -> tuple[str, str]:
    first, _, second = str(check).rpartition(" ")
    return first, second


def _words(row: RoleRow) -> list[str]:
    return [str(row.cells[check].outcome) if check in row.cells else NOT_RUN for check in Check]


def _trouble(cell: CheckResult, paint: Paint) -> Iterator[str]:
    word = "FAIL" if cell.outcome is CheckOutcome.FAILED else "ERROR"
    yield f"{paint(word, 'red')} {visible(cell.role)}@{visible(cell.release)} {cell.check} ({cell.seconds:.1f} s)"
    # pytest prints the whole reason above, and the page has it, too.
    yield from _indent(without_frames(cell.reason) or "no reason was given", "  ")
    marked, _ = by_interest(cell.tasks)
    wanted = [task for task in marked if task.status != "changed"]
    yield from (f"  {task.status}: {visible(str(task))}" for task in wanted[:SHOWN_TASKS])
    if len(wanted) > SHOWN_TASKS:
        yield f"  ... and {len(wanted) - SHOWN_TASKS} more"
    for title, text in cell.evidence.items():
        lines = text.rstrip().splitlines()
        left_out = f" (the last {EVIDENCE_LINES} of {count(len(lines), 'line')})" if len(lines) > EVIDENCE_LINES else ""
        yield f"  {visible(title)}{left_out}:"
        yield from _indent("\n".join(lines[-EVIDENCE_LINES:]), "    ")


def _indent(text: str, indent: str) -> Iterator[str]:
    for line in text.splitlines():  # a line may be a whole JSON document; its ends say what it is
        yield f"{indent}{visible(cut(line, 500))}".rstrip()


def _gap_lines(gaps: Iterable[Unchecked]) -> Iterator[str]:
    """Yield a line for each reason; checks that were not made for the same reason share it."""
    checks: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for gap in gaps:
        if gap.why.startswith(ENVIRONMENT_FAILED):
            continue  # listed above as an error
        checks.setdefault((gap.why, tuple(gap.names)), []).append(str(gap.check))
    for (why, names), which in checks.items():
        text = "; ".join(line.strip() for line in why.splitlines() if line.strip())
        # Two or three lines of a terminal; the HTML report has all of it.
        yield f"{', '.join(which)}: {visible(cut(text, 300))} ({visible(', '.join(names))})"


def _slow_lines(table: Sequence[RoleRow]) -> Iterator[str]:
    for task in slowest(table, SHOWN_SLOW):
        runs = count(task.runs, "run")
        yield f"{task.seconds:7.1f} s  {runs}  {visible(f'{task.role} : {task.task}  {task.spot}')}"


def _block(title: str, lines: Iterator[str]) -> Iterator[str]:
    found = list(lines)
    if found:
        yield ""
        yield title
        yield from (f"  {line}" for line in found)


def _row_count(table: Sequence[RoleRow]) -> str:
    return count(len(table), "role and release", "roles and releases")
