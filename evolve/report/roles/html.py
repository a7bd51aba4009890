"""A verification of roles as one HTML file: opens offline, in any browser, from a mail or a CI artifact.

All of it is plain HTML and needs no script; the script opens the target of a link and keeps the theme. All captured
text is escaped, its control characters too.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from evolve.core.model.role_checks import Check, CheckOutcome, CheckResult
from evolve.report.page import Page
from evolve.report.quantities import utc
from evolve.report.roles.html_details import anchor, details, link
from evolve.report.roles.matrix import (
    NOT_RUN,
    RoleMatrix,
    RoleRow,
    checks_not_made,
    headline,
    is_good,
    rows,
    slowest,
    totals,
    without_frames,
)
from evolve.report.short_text import cut, shown_path
from evolve.system.atomic_files import output_file

REASON_LIMIT = 600
"""Characters of a reason in the list of failures, without frames of tracebacks; the check's own part has all of it."""

_PAGE = Page(
    "roles/report.html",
    # The other reports' pages are the base: colours, tiles, tables and buttons are the same.
    styles=("report.css", "evolution.css", "roles.css"),
    scripts=("roles.js", "theme.js"),
    escapes_controls=True,
)
_PARTS = (
    ("matrix", "Matrix"),
    ("failures", "Failures"),
    ("unchecked", "Not checked"),
    ("slowest", "Slowest tasks"),
    ("checks", "Every check"),
)
"""Ids, which are also the templates' names, and titles."""
_MARKS = {"fail": "✗", "pass": "✓", "error": "!"}
_KINDS: Mapping[str, tuple[str, str]] = {
    CheckOutcome.PASSED: ("pass", "✓"),
    CheckOutcome.FAILED: ("fail", "✗"),
    CheckOutcome.ERROR: ("error", "!"),
    CheckOutcome.UNCHANGED: ("same", "="),
    CheckOutcome.NOT_CHECKED: ("gap", "?"),
    NOT_RUN: ("gap", "·"),
}
"""CSS class and mark of each word; the mark has the same meaning without colour."""
_TILES: Mapping[CheckOutcome, tuple[str, str]] = {
    CheckOutcome.PASSED: ("Passed", "proven on a real host"),
    CheckOutcome.FAILED: ("Failed", "the role does not do what it should"),
    CheckOutcome.ERROR: ("Errors", "the environment failed, not the role"),
    CheckOutcome.UNCHANGED: ("Unchanged", "passed before with the same files, not run again"),
    CheckOutcome.NOT_CHECKED: ("Not checked", "the reasons are below"),
}


def write_roles_html(path: str, verification: RoleMatrix) -> None:
    """Write the report.

    Raises:
        InputError: the file cannot be written.
    """
    with output_file(path) as file:
        file.writelines(roles_page(verification))


def roles_page(verification: RoleMatrix) -> Iterator[str]:
    """Return the page, part by part."""
    table = rows(verification.results)
    found = totals(table)
    values = {
        "headline": f"{'interrupted: ' if verification.interrupted else ''}{headline(table)}",
        "verdict": _verdict(verification, table),
        "marks": _MARKS,
        "kinds": _KINDS,
        "not_run": NOT_RUN,
        "parts": _PARTS,
        "roles": len({row.role for row in table}),
        "releases": sorted({row.release for row in table}),
        "started": utc(verification.started_s),
        "seconds": verification.seconds,
        "one_by_one": sum(row.seconds for row in table),
        "machine": verification.machine,
        "command": verification.command,
        "version": verification.version,
        "tiles": [_tile(kind, found[kind]) for kind in _TILES],
        "checks": list(Check),
        "rows": table,
        "sums": {check: sum(row.cells[check].seconds for row in table if check in row.cells) for check in Check},
        "failures": [_failure(cell) for row in table for cell in row.troubles],
        "gaps": checks_not_made(table),
        "is_whole": all(len(row.cells) == len(Check) for row in table),
        "slow": slowest(table),
        "details": details(table),
        "anchor": anchor,
        "link": link,
        "shown_path": shown_path,
    }
    return _PAGE.render(values)


def _verdict(verification: RoleMatrix, table: Sequence[RoleRow]) -> str:
    if totals(table)[CheckOutcome.FAILED]:
        return "fail"
    return "pass" if is_good(table) and not verification.interrupted else "error"


class _Tile(NamedTuple):
    kind: str
    """Empty where nothing has this outcome."""
    mark: str
    name: str
    number: int
    detail: str


def _tile(outcome: CheckOutcome, number: int) -> _Tile:
    (name, detail), (kind, mark) = _TILES[outcome], _KINDS[outcome]
    return _Tile(kind if number or outcome is CheckOutcome.PASSED else "", mark, name, number, detail)


class _Failure(NamedTuple):
    cell: CheckResult
    reason: str


def _failure(cell: CheckResult) -> _Failure:
    return _Failure(cell, cut(without_frames(cell.reason).strip(), REASON_LIMIT))
