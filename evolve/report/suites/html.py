"""A run as one HTML file: opens offline, in any browser, from a mail or a CI artifact.

The top of the page (counts, rates, latency, cost) is plain HTML and needs no script; the table of results is drawn by
`assets/report.js` from data in the page. Nothing is requested from anywhere, which the page's Content-Security-Policy
also forbids; all text of a run reaches the page as escaped HTML or as JSON that the script shows as text.
"""

import base64
import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from functools import cache
from html import escape
from pathlib import Path

from evolve import __version__
from evolve.core.javascript.values import number_text
from evolve.core.model.events import CaseResult, RunFinished
from evolve.core.model.json_value import JsonValue
from evolve.report.short_text import cut
from evolve.report.suites.html_numbers import Group, Latency, Measure, Numbers, latency, numbers
from evolve.report.suites.html_rows import report_data, shown_path
from evolve.system.atomic_files import output_file

SHOWN_GROUPS = 8
"""Groups of a table that are seen at once; the others are behind a line that opens."""
NONE = "\u2013"
"""What stands where there is no number."""
WITHOUT_SCRIPT = 200
"""Failures that a reader without JavaScript gets."""

_ASSETS = Path(__file__).parents[1] / "assets"


def write_html(path: str, run: RunFinished, *, title: str = "", command: str = "") -> None:
    """Writes the report.

    `title` is the page's, the suites' files without one; `command` is what repeats the run, where it is known.

    Raises:
        InputError: the place cannot be written.
    """
    with output_file(path) as file:
        file.writelines(_page(run, title or _title(run), command))


def html_text(run: RunFinished, *, title: str = "", command: str = "") -> str:
    """The report as text."""
    return "".join(_page(run, title or _title(run), command))


def _page(run: RunFinished, title: str, command: str) -> Iterator[str]:
    found = numbers(run)
    style, script = asset("report.css"), asset("report.js")
    yield '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
    yield f'<meta http-equiv="Content-Security-Policy" content="{policy(style, script)}">\n'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
    yield '<meta name="color-scheme" content="light dark">\n<meta name="referrer" content="no-referrer">\n'
    yield f"<title>{escape(_short(found))}: {escape(title)}</title>\n<style>{style}</style>\n</head>\n<body>\n"
    yield from _header(run, found, title, command)
    yield '<main id="main">\n'
    yield from _overview(run, found)
    yield _results_frame()
    yield from _without_script(run)
    yield "</main>\n"
    yield f"<footer><p>Written by Anneal {escape(__version__)}. Times are local to this browser.</p></footer>\n"
    yield f'<script type="application/json" id="data">{embedded_json(report_data(run))}</script>\n'
    yield f"<script>{script}</script>\n</body>\n</html>\n"


def embedded_json(value: JsonValue) -> str:
    """JSON that can stand inside of a script element: nothing in it can end the element or start a comment."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for char in "<>&\u2028\u2029":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return text


@cache
def asset(name: str) -> str:
    """The text of a file that pages carry with them."""
    return (_ASSETS / name).read_text("utf-8")


def policy(style: str, script: str) -> str:
    """The content security policy of a page that runs this script and nothing else."""
    return (
        f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _title(run: RunFinished) -> str:
    names = [suite.description.split("\n")[0] or Path(suite.path).name for suite in run.suites]
    return cut(", ".join(dict.fromkeys(names)) or "no suite", 120)


def _short(found: Numbers) -> str:
    whole = found.whole
    if not whole.failed and not whole.errors:
        return f"{whole.passed:,} passed"
    parts = [f"{whole.failed:,} failed"] if whole.failed else []
    return ", ".join(parts + ([_count(whole.errors, "error")] if whole.errors else []))


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


# --- the top


def _header(run: RunFinished, found: Numbers, title: str, command: str) -> Iterator[str]:
    state = "fail" if found.whole.failed else "error" if found.whole.errors else "pass"
    yield '<a class="skip" href="#results">Skip to the results</a>\n<header>\n<div class="headline">\n'
    yield f'<h1>{escape(title)}</h1>\n<p class="verdict {state}">{_MARKS[state]} {escape(_short(found))}</p>\n'
    yield '<button type="button" id="theme" class="quiet" hidden>Theme: system</button>\n</div>\n<p class="facts">'
    facts = [_count(found.whole.tests, "test"), *(escape(shown_path(suite.path)) for suite in run.suites[:4])]
    if len(run.suites) > 4:
        facts.append(f"and {len(run.suites) - 4} more suites")
    if run.started_s:
        stamp = datetime.fromtimestamp(run.started_s, UTC).isoformat(timespec="seconds")
        facts.append(f'<time datetime="{stamp}">{stamp.replace("T", " ").replace("+00:00", " UTC")}</time>')
    yield " · ".join([*facts, f"took {duration(run.seconds)}"]) + "</p>\n"
    if run.interrupted:
        yield '<p class="note">The run was stopped before its end: tests that were not run are missing here.</p>\n'
    if command:
        yield f'<p class="command">Again: <code>{escape(command)}</code></p>\n'
    yield "</header>\n"


_MARKS = {"pass": "✓", "fail": "✗", "error": "!"}


def _overview(run: RunFinished, found: Numbers) -> Iterator[str]:
    whole = found.whole
    yield '<section aria-labelledby="overview-title">\n<h2 id="overview-title" class="unseen">Overview</h2>\n'
    yield f'<div class="proportion">{_bar(whole, 12)}</div>\n<dl class="tiles">\n'
    yield _tile("Passed", f"{whole.passed:,}", f"{percent(whole.pass_rate)} of all", "pass")
    yield _tile("Failed", f"{whole.failed:,}", "an assertion did not hold", "fail" if whole.failed else "")
    yield _tile("Errors", f"{whole.errors:,}", _error_kinds(run), "error" if whole.errors else "")
    yield _tile("Mean score", f"{whole.mean_score:.3f}", "errors count as 0")
    yield _tile("Latency, median", milliseconds(found.latency.p50), _latency_text(found.latency))
    yield _tile("Tokens", _thousands(whole.tokens.total), _token_text(found))
    yield _tile("Cost", NONE if whole.cost is None else dollars(whole.cost), _cost_text(found))
    yield "</dl>\n"
    yield f'<div class="tables">\n{"".join(_tables(found))}</div>\n</section>\n'


def _tables(found: Numbers) -> list[str]:
    """The tables of groups; the long ones, which are closed, at the end."""
    tables = [_group_table("By provider and prompt", "column", found.columns)]
    tables += [_group_table(f"By {key}", key, groups) for key, groups in found.by_metadata]
    tables += [_measure_table("By metric", "metric", found.metrics)]
    tables += [_measure_table("By assertion type", "type", found.types)]
    return sorted(tables, key=lambda table: "wide" not in table[:40] and " open>" not in table[:60])


def _tile(name: str, value: str, detail: str, state: str = "") -> str:
    mark = f'<span class="mark" aria-hidden="true">{_MARKS[state]}</span> ' if state else ""
    return (
        f'<div class="tile {state}"><dt>{mark}{escape(name)}</dt><dd><strong>{escape(value)}</strong> '
        f"<span>{escape(detail)}</span></dd></div>\n"
    )


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
    return stored if found.whole.cost is not None else f"no provider told a cost; {stored}"


def _bar(group: Group, height: int = 8) -> str:
    """Passed, failed and errors as lengths; the numbers stand beside it as text."""
    total = group.tests or 1
    x, parts = 0.0, []
    for state, count in (("pass", group.passed), ("fail", group.failed), ("error", group.errors)):
        width = 100 * count / total
        if width:
            parts.append(f'<rect class="{state}" x="{x:.2f}" width="{width:.2f}" height="{height}"/>')
        x += width
    label = f"{group.passed} passed, {group.failed} failed, {group.errors} errors"
    return (
        f'<svg class="bar" role="img" aria-label="{label}" viewBox="0 0 100 {height}" preserveAspectRatio="none">'
        f"{''.join(parts)}</svg>"
    )


_RATE = ("", "Pass rate", "Mean score")


def _group_table(title: str, key: str, groups: Sequence[Group]) -> str:
    wide = key == "column"
    heads = ("Tests", "Failed", "Errors", *_RATE, *(("Median", "Tokens", "Cost") if wide else ()))
    return _table(title, heads, [_group_row(key, group, wide) for group in groups], wide=wide)


def _group_row(key: str, group: Group, wide: bool) -> str:
    cells = [f"{group.tests:,}", _some(group.failed, "fail"), _some(group.errors, "error")]
    cells += [_bar(group), percent(group.pass_rate), f"{group.mean_score:.3f}"]
    if wide:
        times = latency(group.latencies_ms)
        cells += [milliseconds(times.p50) if times.calls else NONE, _thousands(group.tokens.total)]
        cells.append(NONE if group.cost is None else dollars(group.cost))
    return _table_row(key, group.name, cells)


def _some(count: int, state: str) -> str:
    return f'<span class="{state}">{count:,}</span>' if count else "0"


def _measure_table(title: str, key: str, measures: Sequence[Measure]) -> str:
    rows = []
    for measure in measures:
        failed = measure.assertions - measure.passed
        group = Group(measure.name, measure.passed, failed)
        cells = [f"{measure.assertions:,}", _some(failed, "fail"), _bar(group), percent(group.pass_rate)]
        rows.append(_table_row(key, measure.name, [*cells, f"{measure.score:.3f}"]))
    return _table(title, ("Assertions", "Failed", *_RATE), rows)


def _table_row(key: str, name: str, cells: Iterable[str]) -> str:
    """One group; the script makes its name a button that filters the results."""
    label = f'<span data-key="{escape(key)}" data-value="{escape(name)}">{escape(name) or "(empty)"}</span>'
    return f'<tr><th scope="row">{label}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>'


def _table(title: str, heads: Sequence[str], rows: Sequence[str], *, wide: bool = False) -> str:
    if not rows:
        return ""
    kind, is_open = " wide" if wide else "", " open" if len(rows) <= SHOWN_GROUPS or wide else ""
    hint = f" ({len(rows)}, the worst first)" if len(rows) > 1 and not wide else ""
    head = "".join(f'<th scope="col">{head or "<span class=unseen>Share</span>"}</th>' for head in ("Name", *heads))
    return (
        f'<details class="groups{kind}"{is_open}><summary>{escape(title)}{hint}</summary>'
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(title)}">'
        f'<table><caption class="unseen">{escape(title)}</caption><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div></details>\n"
    )


# --- the results


def _results_frame() -> str:
    """Where the script puts the filters and the table; empty without it."""
    title = '<h2 id="results-title">Results</h2>'
    return f'<section id="results" aria-labelledby="results-title" tabindex="-1" hidden>\n{title}\n</section>\n'


def _without_script(run: RunFinished) -> Iterator[str]:
    failed = [result for _, results in run.results for result in results if result.status != "pass"]
    yield "<noscript>\n<h2>Failures</h2>\n<p>The table with filters, prompts and outputs needs JavaScript.</p>\n<ul>\n"
    yield from (_plain_failure(result) for result in failed[:WITHOUT_SCRIPT])
    yield "</ul>\n"
    if len(failed) > WITHOUT_SCRIPT:
        yield f"<p>and {len(failed) - WITHOUT_SCRIPT:,} more</p>\n"
    yield "</noscript>\n"


def _plain_failure(result: CaseResult) -> str:
    reason = cut(result.error or result.verdict.reason, 300)
    return f"<li>{result.status}: <code>{escape(result.evaluation.id)}</code> {escape(reason)}</li>\n"


# --- numbers as text


def percent(share: float) -> str:
    """`0.9996` as `99.9%`: never rounded up to all."""
    tenths = int(share * 1000 + 1e-9)
    return f"{tenths // 10}%" if tenths % 10 == 0 and abs(share * 1000 - tenths) < 1e-6 else f"{tenths / 10:.1f}%"


def milliseconds(value: float) -> str:
    """`0.4 ms`, `312 ms`, `2.4 s`."""
    if value < 10:
        return f"{number_text(round(value, 1))} ms"
    return f"{value:,.0f} ms" if value < 1000 else f"{value / 1000:,.1f} s"


def duration(seconds: float) -> str:
    """`0.8 s`, `1 min 23 s`, `2 h 5 min`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def dollars(value: float) -> str:
    """`$1.25`, `$0.0031`."""
    return f"${value:,.2f}" if value >= 0.1 or value == 0 else f"${value:.2g}" if value < 0.0001 else f"${value:.4f}"


def _thousands(value: int) -> str:
    return f"{value:,}" if value else NONE
