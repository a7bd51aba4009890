"""A run as one HTML file: opens offline, in any browser, from a mail or a CI artifact.

The top of the page (counts, rates, latency, cost) is plain HTML and needs no script; the table of results is drawn by
`assets/report.js` from data in the page. All text of a run is in the page as escaped HTML or as JSON that the script
shows as text.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from evolve.core.model.events import CaseResult, RunFinished
from evolve.core.text.counts import count
from evolve.report.page import Page
from evolve.report.quantities import NONE, dollars, milliseconds, percent, utc
from evolve.report.short_text import cut, shown_path
from evolve.report.suites.histogram import histograms
from evolve.report.suites.html_numbers import Group, Latency, Measure, Numbers, latency, numbers
from evolve.report.suites.html_rows import report_data
from evolve.report.suites.notes import run_notes
from evolve.system.atomic_files import output_file

SHOWN_GROUPS = 8
"""Groups of a table that are visible at once; the others open with a click."""
SHOWN_SUITES = 4
"""Suites that the top of the page names; the others are counted."""
WITHOUT_SCRIPT = 200
"""Failures in the list for readers without JavaScript; the full list would double a large page."""

_SCRIPTS = (*(f"report{part}.js" for part in ("", "_filters", "_detail", "_list", "_matrix", "_start")), "theme.js")
_PAGE = Page("suites/report.html", styles=("report.css",), scripts=_SCRIPTS, is_module=True)
_MARKS = {"pass": "✓", "fail": "✗", "error": "!"}


def write_html(path: str, run: RunFinished, *, title: str = "", command: str = "") -> None:
    """Write the report.

    Args:
        path: the file to write.
        run: the run.
        title: the page's title; without one, the suites' files.
        command: the command that repeats the run; empty where it is not known.

    Raises:
        InputError: the file cannot be written.
    """
    with output_file(path) as file:
        file.writelines(_page(run, title or _title(run), command))


def html_text(run: RunFinished, *, title: str = "", command: str = "") -> str:
    """Return the report as text."""
    return "".join(_page(run, title or _title(run), command))


def _page(run: RunFinished, title: str, command: str) -> Iterator[str]:
    found = numbers(run)
    whole = found.whole
    failed = [result for _, results in run.results for result in results if result.status != "pass"]
    values = {
        "run": run,
        "title": title,
        "command": command,
        "headline": _headline(whole),
        "state": "fail" if whole.failed else "error" if whole.errors else "pass",
        "marks": _MARKS,
        "tests": whole.tests,
        "paths": [shown_path(suite.path) for suite in run.suites[:SHOWN_SUITES]],
        "further_suites": len(run.suites[SHOWN_SUITES:]),
        "started": utc(run.started_s) if run.started_s else "",
        "notes": list(run_notes(run)),
        "proportion": _bar(whole, 12),
        "tiles": _tiles(run, found),
        "tables": _tables(found),
        "histograms": histograms(run),
        "failures": map(_failure, failed[:WITHOUT_SCRIPT]),
        "further_failures": len(failed[WITHOUT_SCRIPT:]),
    }
    return _PAGE.render(values, {"data": report_data(run)})


def _title(run: RunFinished) -> str:
    names = [suite.description.split("\n")[0] or Path(suite.path).name for suite in run.suites]
    return cut(", ".join(dict.fromkeys(names)) or "no suite", 120)  # a title of two lines at most


def _headline(whole: Group) -> str:
    if not whole.failed and not whole.errors:
        return f"{whole.passed:,} passed"
    parts = [f"{whole.failed:,} failed"] if whole.failed else []
    return ", ".join(parts + ([count(whole.errors, "error")] if whole.errors else []))


# --- tiles


class _Tile(NamedTuple):
    name: str
    value: str
    detail: str
    state: str = ""
    """One of `_MARKS`, or empty."""


def _tiles(run: RunFinished, found: Numbers) -> list[_Tile]:
    whole = found.whole
    return [
        _Tile("Passed", f"{whole.passed:,}", f"{percent(whole.pass_rate)} of all", "pass"),
        _Tile("Failed", f"{whole.failed:,}", "an assertion did not hold", "fail" if whole.failed else ""),
        _Tile("Errors", f"{whole.errors:,}", _error_kinds(run), "error" if whole.errors else ""),
        _Tile("Mean score", f"{whole.mean_score:.3f}", "errors count as 0"),
        _Tile("Latency, median", milliseconds(found.latency.p50), _latency_text(found.latency)),
        _Tile("Tokens", _thousands(whole.tokens.total), _token_text(found)),
        _Tile("Cost", NONE if whole.cost is None else dollars(whole.cost), _cost_text(found)),
    ]


def _error_kinds(run: RunFinished) -> str:
    kinds = [result.error_kind for _, results in run.results for result in results if result.status == "error"]
    names = {"environment": "environment", "evaluation": "not evaluated", "input": "input", "": "other"}
    found = [f"{kinds.count(kind)} {names[kind]}" for kind in dict.fromkeys(kinds)]
    return ", ".join(found) or "everything could be judged"


def _latency_text(found: Latency) -> str:
    if not found.calls:
        return "no calls were made"
    parts = (("p90", found.p90), ("p99", found.p99), ("longest", found.longest))
    return ", ".join(f"{name} {milliseconds(value)}" for name, value in parts)


def _token_text(found: Numbers) -> str:
    usage = found.whole.tokens
    parts = [f"{_thousands(usage.prompt)} in, {_thousands(usage.completion)} out"]
    if usage.prompt:
        parts.append(f"{percent(usage.cached / usage.prompt)} of the input from the prefix cache")
    if found.graders.total:
        parts.append(f"graders {_thousands(found.graders.total)}")
    return "; ".join(parts)


def _cost_text(found: Numbers) -> str:
    stored = (
        f"{found.stored:,} of {found.whole.tests:,} answers from the store" if found.stored else "no stored answers"
    )
    if found.whole.cost is None:
        return f"no price is known; {stored}"
    answers = len(found.whole.usages)
    known = f"known for {found.whole.priced:,} of {answers:,} answers; " if found.whole.priced < answers else ""
    return known + stored


def _thousands(value: int) -> str:
    return f"{value:,}" if value else NONE


# --- bars and tables


class _Part(NamedTuple):
    state: str
    x: str
    width: str


class _Bar(NamedTuple):
    """Passed, failed and errors as lengths of 100; the numbers are next to it as text."""

    label: str
    height: int
    parts: list[_Part]


def _bar(group: Group, height: int = 8) -> _Bar:
    total = group.tests or 1
    x, parts = 0.0, []
    for state, number in (("pass", group.passed), ("fail", group.failed), ("error", group.errors)):
        width = 100 * number / total
        if width:
            parts.append(_Part(state, f"{x:.2f}", f"{width:.2f}"))
        x += width
    return _Bar(f"{group.passed} passed, {group.failed} failed, {group.errors} errors", height, parts)


class _Line(NamedTuple):
    """One group of results in a table."""

    name: str
    counts: list[tuple[int, str]]
    """Each number with its CSS class unless it is 0; an empty class is none."""
    bar: _Bar
    texts: list[str]


class _Table(NamedTuple):
    title: str
    key: str
    """The key that the script filters by."""
    heads: tuple[str, ...]
    """Empty for the bar."""
    lines: Sequence[_Line]
    is_wide: bool = False

    @property
    def is_open(self) -> bool:
        return len(self.lines) <= SHOWN_GROUPS or self.is_wide


_RATE = ("", "Pass rate", "Mean score")
_GROUP_HEADS = ("Tests", "Failed", "Errors", *_RATE)


def _tables(found: Numbers) -> list[_Table]:
    """The tables of groups; the long ones, which are closed, at the end."""
    wide = (*_GROUP_HEADS, "Median", "Tokens", "Cost")
    tables = [_Table("By provider and prompt", "column", wide, list(map(_wide_line, found.columns)), is_wide=True)]
    tables += [
        _Table(f"By {key}", key, _GROUP_HEADS, list(map(_group_line, groups))) for key, groups in found.by_metadata
    ]
    tables += [_measure_table("By metric", "metric", found.metrics)]
    tables += [_measure_table("By assertion type", "type", found.types)]
    return sorted((table for table in tables if table.lines), key=lambda table: not table.is_open)


def _group_line(group: Group) -> _Line:
    counts = [(group.tests, ""), (group.failed, "fail"), (group.errors, "error")]
    return _Line(group.name, counts, _bar(group), [percent(group.pass_rate), f"{group.mean_score:.3f}"])


def _wide_line(group: Group) -> _Line:
    times = latency(group.latencies_ms)
    median = milliseconds(times.p50) if times.calls else NONE
    cost = NONE if group.cost is None else dollars(group.cost)
    line = _group_line(group)
    return line._replace(texts=[*line.texts, median, _thousands(group.tokens.total), cost])


def _measure_table(title: str, key: str, measures: Iterable[Measure]) -> _Table:
    return _Table(title, key, ("Assertions", "Failed", *_RATE), list(map(_measure_line, measures)))


def _measure_line(measure: Measure) -> _Line:
    failed = measure.assertions - measure.passed
    group = Group(measure.name, measure.passed, failed)
    counts = [(measure.assertions, ""), (failed, "fail")]
    return _Line(measure.name, counts, _bar(group), [percent(group.pass_rate), f"{measure.score:.3f}"])


def _failure(result: CaseResult) -> dict[str, Any]:
    reason = cut(result.error or result.verdict.reason, 300)  # a few lines: the list is for readers without JavaScript
    return {"status": result.status, "id": result.evaluation.id, "reason": reason}
