"""A verification of roles as one HTML file: opens offline, in any browser, from a mail or a CI artifact.

All of it is plain HTML and needs no script; the script opens what a link leads to and keeps the theme. Nothing is
requested from anywhere, which the page's Content-Security-Policy also forbids; all captured text is escaped.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from html import escape

from evolve.core.model.role_checks import Check, CheckOutcome, CheckResult
from evolve.report.roles.html_details import KINDS, anchor, details, inert, link, state
from evolve.report.roles.matrix import (
    NOT_RUN,
    Row,
    Verification,
    headline,
    is_good,
    rows,
    slowest,
    totals,
    unchecked,
    without_frames,
)
from evolve.report.short_text import cut
from evolve.report.suites.html import asset, duration, policy
from evolve.report.suites.html_rows import shown_path
from evolve.system.atomic_files import output_file

REASON_LIMIT = 600
"""Characters of a reason in the list of failures, without frames of tracebacks; below it stands whole."""

_PARTS = (
    ("matrix", "Matrix"),
    ("failures", "Failures"),
    ("unchecked", "Not checked"),
    ("slowest", "Slowest tasks"),
    ("checks", "Every check"),
)
_TILES: Mapping[CheckOutcome, tuple[str, str]] = {
    CheckOutcome.PASSED: ("Passed", "proven on a real host"),
    CheckOutcome.FAILED: ("Failed", "speaks against the role"),
    CheckOutcome.ERROR: ("Errors", "the environment failed, not the role"),
    CheckOutcome.UNCHANGED: ("Unchanged", "passed before with the same files, not run again"),
    CheckOutcome.NOT_CHECKED: ("Not checked", "the reasons are below"),
}


def write_roles_html(path: str, verification: Verification) -> None:
    """Writes the report.

    Raises:
        InputError: the place cannot be written.
    """
    with output_file(path) as file:
        file.writelines(roles_page(verification))


def roles_page(verification: Verification) -> Iterator[str]:
    """The page, part by part."""
    style, script = _style(), asset("roles.js")
    table = rows(verification.results)
    yield '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
    yield f'<meta http-equiv="Content-Security-Policy" content="{policy(style, script)}">\n'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
    yield '<meta name="color-scheme" content="light dark">\n<meta name="referrer" content="no-referrer">\n'
    yield f"<title>{escape(headline(table))}: roles</title>\n<style>{style}</style>\n</head>\n<body>\n"
    yield '<a class="skip" href="#matrix">Skip to the matrix</a>\n'
    yield from _header(verification, table)
    yield '<main id="main">\n'
    yield _tiles(table)
    for name, title in _PARTS:
        yield f'<section id="{name}" aria-labelledby="{name}-title" tabindex="-1">\n'
        yield f'<h2 id="{name}-title">{title}</h2>\n'
        yield from _BODIES[name](table)
        yield "</section>\n"
    yield "</main>\n"
    yield f"<footer><p>Written by Anneal {escape(verification.version)}. Times are local to this browser.</p>"
    yield "</footer>\n"
    yield f"<script>{script}</script>\n</body>\n</html>\n"


@cache
def _style() -> str:
    # The other reports' pages are the base: colours, tiles, tables and buttons are the same.
    return asset("report.css") + asset("evolution.css") + asset("roles.css")


# --- the top


def _header(verification: Verification, table: Sequence[Row]) -> Iterator[str]:
    found = totals(table)
    verdict = "fail" if found[CheckOutcome.FAILED] else "pass" if is_good(table) else "error"
    mark = {"fail": "✗", "pass": "✓", "error": "!"}[verdict]
    yield '<header>\n<div class="headline">\n<h1>Roles on real hosts</h1>\n'
    yield f'<p class="verdict {verdict}">{mark} {escape(headline(table))}</p>\n'
    yield '<button type="button" id="theme" class="quiet" hidden>Theme: system</button>\n</div>\n'
    yield f'<p class="facts">{" · ".join(_facts(verification, table))}</p>\n'
    if verification.command:
        yield f'<p class="command">Again: <code>{inert(verification.command)}</code></p>\n'
    links = "".join(f'<a href="#{name}">{text}</a>' for name, text in _PARTS)
    yield f'<nav class="parts" aria-label="Parts of this page">{links}</nav>\n</header>\n'


def _facts(verification: Verification, table: Sequence[Row]) -> Iterator[str]:
    roles, releases = len({row.role for row in table}), sorted({row.release for row in table})
    yield f"{roles} role{'' if roles == 1 else 's'} on {inert(', '.join(releases) or 'no release')}"
    stamp = datetime.fromtimestamp(verification.started_s, UTC).isoformat(timespec="seconds")
    yield f'<time datetime="{stamp}">{stamp.replace("T", " ").replace("+00:00", " UTC")}</time>'
    one_by_one = sum(row.seconds for row in table)
    yield f"took {duration(verification.seconds)}, the checks {duration(one_by_one)} one after another"
    if verification.machine:
        yield inert(verification.machine)


def _tiles(table: Sequence[Row]) -> str:
    found = totals(table)
    tiles = "".join(_tile(kind, found[kind]) for kind in _TILES)
    return f'<dl class="tiles outcomes">\n{tiles}</dl>\n'


def _tile(outcome: CheckOutcome, number: int) -> str:
    (name, detail), (kind, mark) = _TILES[outcome], KINDS[outcome]
    shown = kind if number or outcome is CheckOutcome.PASSED else ""
    sign = f'<span class="mark" aria-hidden="true">{mark}</span> ' if shown else ""
    return (
        f'<div class="tile {shown}"><dt>{sign}{name}</dt><dd><strong>{number:,}</strong> '
        f"<span>{detail}</span></dd></div>\n"
    )


# --- the matrix


def _matrix(table: Sequence[Row]) -> Iterator[str]:
    if not table:
        yield '<p class="hint">No role was verified.</p>\n'
        return
    yield '<p class="hint">A row is a role on a release. A cell leads to the reason and the evidence.</p>\n'
    heads = "".join(f'<th scope="col">{head}</th>' for head in ("Role", *map(_capital, Check), "Seconds"))
    yield '<div class="table roles" tabindex="0" role="region" aria-label="Roles and checks"><table>'
    yield f'<caption class="unseen">Outcomes by role and check</caption><thead><tr>{heads}</tr></thead><tbody>'
    yield from map(_matrix_row, table)
    yield f"</tbody><tfoot>{_seconds_row(table)}</tfoot></table></div>\n"


def _matrix_row(row: Row) -> str:
    head = f'<th scope="row"><a href="{link(row.name)}">{inert(row.role)}</a><small>{inert(row.release)}</small></th>'
    cells = "".join(_cell(row, check) for check in Check)
    return f'<tr>{head}{cells}<td class="num" data-label="seconds">{row.seconds:.1f}</td></tr>\n'


def _cell(row: Row, check: Check) -> str:
    result = row.cells.get(check)
    if result is None:
        return f'<td class="cell gap" data-label="{check}">{state(NOT_RUN)}</td>'
    took = f"<small>{result.seconds:.1f} s</small>" if result.seconds >= 0.05 else ""
    target = f'<a href="{link(anchor(result))}">{state(result.outcome)}</a>'
    return f'<td class="cell {KINDS[result.outcome][0]}" data-label="{check}">{target}{took}</td>'


def _seconds_row(table: Sequence[Row]) -> str:
    sums = (sum(row.cells[check].seconds for row in table if check in row.cells) for check in Check)
    cells = "".join(f'<td data-label="{check}">{took:.1f} s</td>' for check, took in zip(Check, sums, strict=True))
    whole = sum(row.seconds for row in table)
    return f'<tr><th scope="row">All</th>{cells}<td class="num" data-label="seconds">{whole:.1f}</td></tr>'


def _capital(check: Check) -> str:
    return str(check).capitalize()


# --- lists


def _failures(table: Sequence[Row]) -> Iterator[str]:
    troubles = [cell for row in table for cell in row.troubles]
    if not troubles:
        yield '<p class="hint">Nothing failed.</p>\n'
        return
    heads = ("Outcome", "Role and check", "Reason")
    yield from _table("What failed", heads, map(_failure, troubles))


def _failure(cell: CheckResult) -> str:
    target = f'<a href="{link(anchor(cell))}">{inert(cell.role)} on {inert(cell.release)}: {cell.check}</a>'
    reason = inert(cut(without_frames(cell.reason).strip(), REASON_LIMIT)) or "no reason was given"
    return f'<tr><td>{state(cell.outcome)}</td><th scope="row">{target}</th><td class="lines">{reason}</td></tr>'


def _unchecked(table: Sequence[Row]) -> Iterator[str]:
    gaps = [
        f'<tr><th scope="row">{_capital(gap.check)}</th><td class="lines">{inert(gap.why)}</td>'
        f"<td>{inert(', '.join(gap.names))}</td></tr>"
        for gap in unchecked(table)
    ]
    if not gaps:
        is_whole = all(len(row.cells) == len(Check) for row in table)
        what = "every check was run on every role" if is_whole else "every check that was selected was run"
        yield f'<p class="hint">Nothing: {what}.</p>\n'
        return
    yield '<p class="hint">What this verification says nothing about, with the reason.</p>\n'
    yield from _table("What was not checked", ("Check", "Why", "Roles"), iter(gaps))


def _slowest(table: Sequence[Row]) -> Iterator[str]:
    slow = [
        f'<tr><td class="num">{task.seconds:.1f}</td><td class="num">{task.longest_s:.1f}</td>'
        f'<td class="num">{task.runs}</td><th scope="row">{inert(task.role)}: {inert(task.task)}</th>'
        f'<td class="mono">{inert(shown_path(task.spot))}</td></tr>'
        for task in slowest(table)
    ]
    if not slow:
        yield '<p class="hint">No task was run.</p>\n'
        return
    yield '<p class="hint">Over all checks, hosts and releases; the same task of a role stands here once.</p>\n'
    yield from _table("The slowest tasks", ("Seconds", "Longest", "Runs", "Task", "Where"), iter(slow))


def _table(title: str, heads: Sequence[str], body: Iterator[str]) -> Iterator[str]:
    columns = "".join(f'<th scope="col">{head}</th>' for head in heads)
    yield f'<div class="table" tabindex="0" role="region" aria-label="{title}"><table>'
    yield f'<caption class="unseen">{title}</caption><thead><tr>{columns}</tr></thead><tbody>'
    yield from body
    yield "</tbody></table></div>\n"


_BODIES = {
    "matrix": _matrix,
    "failures": _failures,
    "unchecked": _unchecked,
    "slowest": _slowest,
    "checks": details,
}
