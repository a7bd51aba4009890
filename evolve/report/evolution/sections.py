"""The sections of an evolution's page that need no script: answers at a glance, change, gate, what fails, cost."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from html import escape
from urllib.parse import quote

from evolve.core.evolution.candidate import Candidate
from evolve.core.evolution.summary import Evolution
from evolve.core.model.gate import GateDecision, Pair
from evolve.report.evolution.cost import cost_rows
from evolve.report.evolution.diff import Line, counts, diff
from evolve.report.evolution.glance import glance
from evolve.report.evolution.numbers import NONE, count
from evolve.report.evolution.words import (
    Failing,
    doubts,
    failing,
    interval,
    lineage,
    p_against_alpha,
    verdict,
    won_and_lost,
)
from evolve.report.suites.html import duration

SHOWN_ROWS = 12
"""Rows of a table that are seen at once; the others are behind a line that opens."""
MARKS = {"pass": "✓", "fail": "✗", "error": "!", "": "…"}

_PARTS = (
    ("change", "Change"),
    ("gate", "Gate"),
    ("failing", "Still failing"),
    ("curve", "Score curve"),
    ("tree", "Candidates"),
    ("matrix", "Matrix"),
    ("cost", "Cost"),
)


def header(evolution: Evolution) -> Iterator[str]:
    """Which run this is, its one word, and where to go."""
    found, started = verdict(evolution), evolution.started
    title = f"Evolution of {started.agent}" if started else "Evolution"
    yield f'<header>\n<div class="headline">\n<h1>{escape(title)}</h1>\n'
    yield f'<p class="verdict {found.state}">{MARKS[found.state]} {escape(found.word)}</p>\n'
    yield '<button type="button" id="theme" class="quiet" hidden>Theme: system</button>\n</div>\n'
    yield f'<p class="facts">{" · ".join(_facts(evolution))}</p>\n'
    if evolution.promoted:
        promoted = f"{evolution.promoted.agent} in {evolution.promoted.file} ({evolution.promoted.word})"
        yield f'<p class="note good">Promoted: {escape(promoted)}</p>\n'
    if not evolution.finished and started:
        yield f'<p class="note" id="unfinished">This is the run as far as it came: {escape(found.reason)}.</p>\n'
    links = "".join(f'<a href="#{name}">{text}</a>' for name, text in _PARTS)
    yield f'<nav class="parts" aria-label="Parts of this page">{links}</nav>\n</header>\n'


def _facts(evolution: Evolution) -> Iterator[str]:
    started = evolution.started
    if started is None:
        return
    yield escape(started.provider)
    splits = Counter(task.split for task in evolution.tasks.values())
    yield escape(f"{count(len(evolution.tasks), 'case')} ({', '.join(f'{n} {split}' for split, n in splits.items())})")
    yield escape(f"run {started.run}, seed {started.seed}")
    if started.started_s:
        stamp = datetime.fromtimestamp(started.started_s, UTC).isoformat(timespec="seconds")
        yield f'<time datetime="{stamp}">{stamp.replace("T", " ").replace("+00:00", " UTC")}</time>'
    if evolution.finished:
        yield f"took {duration(evolution.finished.account.seconds)}"


def sections(evolution: Evolution) -> Iterator[str]:
    """All parts of the page, those that the script fills included."""
    yield from glance(evolution)
    yield from _change(evolution)
    yield from _gate(evolution)
    yield from _failing(evolution)
    yield _frame("curve", "Score curve", "Mean on train cases over answers bought. Each mark is a candidate.")
    yield _frame(
        "tree", "Candidates", "Each below the one that it was made from. A name opens its diff, note and rows."
    )
    yield _frame(
        "matrix",
        "Every case, every candidate",
        "Rows are cases, family by family; columns are candidates. A cell opens the answer and its reason.",
    )
    yield from _cost(evolution)


def _frame(name: str, title: str, hint: str) -> str:
    """Where the script draws."""
    return (
        f'<section id="{name}" aria-labelledby="{name}-title" class="drawn">\n<h2 id="{name}-title">{title}</h2>\n'
        f'<p class="hint">{hint}</p>\n<div class="drawing"><noscript>This part needs JavaScript.</noscript></div>\n'
        "</section>\n"
    )


def _section(name: str, title: str, body: Iterable[str]) -> Iterator[str]:
    yield f'<section id="{name}" aria-labelledby="{name}-title">\n<h2 id="{name}-title">{title}</h2>\n'
    yield from body
    yield "</section>\n"


# --- what changed


def _change(evolution: Evolution) -> Iterator[str]:
    return _section("change", "What changed in the prompt", _change_body(evolution))


def _change_body(evolution: Evolution) -> Iterator[str]:
    incumbent, leader = evolution.incumbent, evolution.leader
    if incumbent is None or leader is None or not evolution.has_new_leader:
        yield '<p class="hint">Nothing: no candidate was better than the agent as it is.</p>\n'
        return
    lines = diff(incumbent.info.text, leader.info.text)
    steps = lineage(evolution)
    added, removed = counts(lines)
    yield f'<p class="hint">{count(added, "line")} added, {removed:,} removed, in {count(len(steps), "step")}.</p>\n'
    yield f'<ol class="steps">{"".join(map(_step, steps))}</ol>\n'
    yield _diff(lines, f"From the agent as it is to {leader.info.id}")


def _step(candidate: Candidate) -> str:
    info = candidate.info
    link = f'<a href="#candidate/{quote(info.id, safe="", errors="backslashreplace")}">{escape(info.id)}</a>'
    return f"<li>{link} <b>{escape(info.operator)}</b> {escape(info.note)}</li>"


def _diff(lines: Sequence[Line], label: str) -> str:
    rows = "".join(map(_diff_line, lines)) or '<div class="same"><span>no line differs</span></div>'
    return f'<div class="diff" role="region" tabindex="0" aria-label="{escape(label)}">{rows}</div>\n'


_SIGNS = {"added": "+", "removed": "\N{MINUS SIGN}", "same": " ", "gap": "⋯"}


def _diff_line(line: Line) -> str:
    names = {"added": "ins", "removed": "del"}
    name = names.get(line.kind, "span")
    pieces = "".join(f"<mark>{escape(p.text)}</mark>" if p.is_changed else escape(p.text) for p in line.pieces)
    sign = f'<i aria-hidden="true">{_SIGNS[line.kind]}</i>'
    return f'<div class="{line.kind}">{sign}<{name}>{pieces or " "}</{name}></div>'


# --- the gate


def _gate(evolution: Evolution) -> Iterator[str]:
    return _section("gate", "The gate", _gate_body(evolution))


def _gate_body(evolution: Evolution) -> Iterator[str]:
    if evolution.gate is None:
        waiting = "is asking" if evolution.gate_started and not evolution.finished else "did not open"
        yield f'<p class="hint">The gate {waiting}: there is no evidence on cases that the search never saw.</p>\n'
        return
    told = evolution.gate.decision
    yield f'<dl class="facts-list">{"".join(_gate_facts(evolution.gate.number, told))}</dl>\n'
    won, lost = won_and_lost(told)
    pairs = count(len(told.discordant), "discordant pair")
    yield f"<h3>{pairs}: {won} won, {lost} lost; both answered the other cases alike</h3>\n"
    if told.discordant:
        rows = [_pair(evolution, pair, evolution.gate.candidate) for pair in told.discordant]
        yield from _table("Discordant pairs", ("Result", "Case", "Family", "Before", "After"), rows)


def _gate_facts(number: int, told: GateDecision) -> Iterator[str]:
    yield _fact("Word", f"{told.word}: {told.reason}")
    yield _fact("Test", f"{p_against_alpha(told)}, one-sided, sign-flip by family; gate {number} of the project")
    yield _fact(
        "Gain", f"{interval(told)}, on {count(told.cases, 'case')} of {count(told.families, 'family', 'families')}"
    )
    mind = "; ".join(doubts(told))
    if mind:
        yield _fact("Mind", mind)


def _fact(name: str, text: str) -> str:
    return f"<div><dt>{escape(name)}</dt><dd>{escape(text)}</dd></div>"


def _pair(evolution: Evolution, pair: Pair, winner: str) -> str:
    state, word = ("pass", "won") if pair.candidate > pair.incumbent else ("fail", "lost")
    task = evolution.tasks.get(pair.task)
    incumbent = evolution.started.incumbent.id if evolution.started else ""
    before = _evidence(evolution, incumbent, pair.task, f"{pair.incumbent:.2f}")
    after = _evidence(evolution, winner, pair.task, f"{pair.candidate:.2f}")
    cells = [
        f'<td class="state {state}"><span aria-hidden="true">{MARKS[state]}</span> {word}</td>',
        f'<th scope="row">{escape(task.description if task else pair.task)}</th>',
        f"<td>{escape(pair.family)}</td>",
        f'<td class="num" data-label="before">{before}</td>',
        f'<td class="num" data-label="after">{after}</td>',
    ]
    return f"<tr>{''.join(cells)}</tr>"


def _evidence(evolution: Evolution, candidate: str, task: str, text: str) -> str:
    """A link to a cell's evidence; the text alone where the run does not have it."""
    known = evolution.candidates.get(candidate)
    if known is None or task not in known.cells:
        return escape(text)
    return f'<a href="#case/{quote(candidate, safe="", errors="backslashreplace")}/{quote(task, safe="", errors="backslashreplace")}">{escape(text)}</a>'


# --- what still fails


def _failing(evolution: Evolution) -> Iterator[str]:
    return _section("failing", "What still fails", _failing_body(evolution))


def _failing_body(evolution: Evolution) -> Iterator[str]:
    cases = failing(evolution)
    leader = evolution.leader
    if not cases or leader is None:
        yield '<p class="hint">No case that was asked.</p>\n'
        return
    splits = ", ".join(f"{number:,} of {split}" for split, number in Counter(case.split for case in cases).items())
    who = "the winner" if evolution.has_new_leader else "the agent as it is"
    yield f'<p class="hint">{count(len(cases), "case")} that {who} answers wrongly: {splits}.</p>\n'
    rows = [_failing_row(evolution, case, leader.info.id) for case in cases]
    yield from _table("Cases that still fail", ("Case", "Split", "Answer", "Why"), rows)


def _failing_row(evolution: Evolution, case: Failing, leader: str) -> str:
    status = f'<span class="tag">{escape(case.status)}</span>' if case.status else ""
    status += '<span class="tag lost">was right</span>' if case.was_right else ""
    link = _evidence(evolution, leader, case.task, case.name)
    return (
        f'<tr><th scope="row">{link}<small>{escape(case.family)}</small></th>'
        f'<td>{escape(case.split)} {status}</td><td class="mono">{escape(case.said) or NONE}</td>'
        f"<td>{escape(case.reason) or NONE}</td></tr>"
    )


# --- what it cost


def _cost(evolution: Evolution) -> Iterator[str]:
    body = [
        f'<tr><th scope="row">{escape(row.name)}</th><td class="num">{escape(row.value)}</td>'
        f"<td>{escape(row.detail)}</td></tr>"
        for row in cost_rows(evolution)
    ]
    table = [*_table("Account", ("What", "How much", "Of which"), body)]
    if evolution.rejected:
        table.append(_rejections(evolution))
    if evolution.started and evolution.started.command:
        table.append(f'<p class="command">Again: <code>{escape(evolution.started.command)}</code></p>\n')
    return _section("cost", "What it cost", table)


def _rejections(evolution: Evolution) -> str:
    tally = Counter((item.operator, item.reason) for item in evolution.rejected)
    rows = "".join(
        f"<li><b>{escape(name)}</b> {escape(why)} ({n} times)</li>" for (name, why), n in tally.most_common(200)
    )
    what = f"{count(len(evolution.rejected), 'proposal')} refused before any answer was bought"
    return f'<details class="groups refused"><summary>{what}</summary><ul>{rows}</ul></details>\n'


def _table(title: str, heads: Sequence[str], rows: Sequence[str]) -> Iterator[str]:
    """A table of which the first rows are seen at once."""
    yield _rows(title, heads, rows[:SHOWN_ROWS])
    if len(rows) > SHOWN_ROWS:
        more = f"{len(rows) - SHOWN_ROWS:,} more"
        rest = _rows(f"{title}, {more}", heads, rows[SHOWN_ROWS:])
        yield f'<details class="more"><summary>{more}</summary>{rest}</details>\n'


def _rows(title: str, heads: Sequence[str], rows: Sequence[str]) -> str:
    head = "".join(f'<th scope="col">{text}</th>' for text in heads)
    return (
        f'<div class="table stack" tabindex="0" role="region" aria-label="{escape(title)}"><table>'
        f'<caption class="unseen">{escape(title)}</caption><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>\n"
    )
