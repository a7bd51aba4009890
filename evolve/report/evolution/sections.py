"""The parts of an evolution's page that need no script: header, change, gate, what still fails, cost."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote

from evolve.core.evolution.summary import EvolutionSummary
from evolve.core.model.evolution_events import CandidateInfo
from evolve.core.model.gate import GateDecision, Pair
from evolve.core.text.counts import count
from evolve.report.evolution.cost import cost_rows
from evolve.report.evolution.diff import Line, counts, diff
from evolve.report.evolution.words import (
    Failing,
    doubts,
    interval,
    lineage,
    lookup,
    p_against_alpha,
    verdict,
    won_and_lost,
)
from evolve.report.quantities import utc

SHOWN_ROWS = 12
"""Rows of a table that are visible at once; the others open with a click."""
SHOWN_REJECTIONS = 200
"""Kinds of refused proposals, the most frequent first; a long search can refuse thousands."""
MARKS: Mapping[str, str] = {"pass": "✓", "fail": "✗", "error": "!", "": "…"}

_PARTS = (
    ("change", "Change"),
    ("gate", "Gate"),
    ("failing", "Still failing"),
    ("curve", "Score curve"),
    ("tree", "Candidates"),
    ("matrix", "Matrix"),
    ("cost", "Cost"),
)
_DRAWN = (
    ("curve", "Score curve", "Mean on train cases over the number of paid answers. Each mark is a candidate."),
    ("tree", "Candidates", "Each is listed below its parent. A name opens its diff, note and rows."),
    (
        "matrix",
        "Every case, every candidate",
        "Rows are cases, family by family; columns are candidates. A cell opens the answer and its reason.",
    ),
)
"""Parts that the script draws: id, title, hint."""
_SIGNS = {"added": "+", "removed": "\N{MINUS SIGN}", "same": " ", "gap": "⋯"}
_TAGS = {"added": "ins", "removed": "del"}


def section_values(evolution: EvolutionSummary, still_failing: Sequence[Failing]) -> dict[str, Any]:
    """Return what the templates of these parts show, by the names that they use."""
    started = evolution.started
    return {
        "verdict": verdict(evolution),
        "agent": started.agent if started else "",
        "started": utc(started.started_s) if started and started.started_s else "",
        "command": started.command if started else "",
        "facts": list(_facts(evolution)),
        "finished": evolution.finished,
        "promoted": evolution.promoted,
        "rolled_back": evolution.rolled_back,
        "parts": _PARTS,
        "drawn": _DRAWN,
        "marks": MARKS,
        "signs": _SIGNS,
        "tags": _TAGS,
        "shown_rows": SHOWN_ROWS,
        "change": _change(evolution),
        "gate": _gate(evolution),
        "is_at_gate": evolution.gate_started is not None and evolution.finished is None,
        "failing": _failures(evolution, still_failing),
        "account": cost_rows(evolution),
        "reflectors_stopped": evolution.reflectors_stopped,
        "rejected": len(evolution.rejected),
        "rejections": Counter((item.operator, item.reason) for item in evolution.rejected).most_common(
            SHOWN_REJECTIONS
        ),
    }


def _facts(evolution: EvolutionSummary) -> Iterator[str]:
    started = evolution.started
    if started is None:
        return
    yield started.provider
    splits = Counter(task.split for task in evolution.tasks.values())
    yield f"{count(len(evolution.tasks), 'case')} ({', '.join(f'{n} {split}' for split, n in splits.items())})"
    yield f"run {started.run}, seed {started.seed}"


# --- links to the evidence


class _Evidence(NamedTuple):
    text: str
    link: str
    """Empty where the run has no such evidence."""


def _evidence(evolution: EvolutionSummary, candidate: str, task: str, text: str) -> _Evidence:
    known = evolution.candidates.get(candidate)
    if known is None or task not in known.cells:
        return _Evidence(text, "")
    return _Evidence(text, f"#case/{_quoted(candidate)}/{_quoted(task)}")


def _quoted(name: str) -> str:
    # Half of a surrogate pair has no UTF-8; the link then leads nowhere, but the page stays valid.
    return quote(name, safe="", errors="backslashreplace")


# --- what changed


class _Step(NamedTuple):
    link: str
    info: CandidateInfo


class _Change(NamedTuple):
    leader: str
    added: int
    removed: int
    steps: Sequence[_Step]
    lines: Sequence[Line]


def _change(evolution: EvolutionSummary) -> _Change | None:
    incumbent, leader = evolution.incumbent, evolution.leader
    if incumbent is None or leader is None or not evolution.has_new_leader:
        return None
    lines = diff(incumbent.info.text, leader.info.text)
    infos = [candidate.info for candidate in lineage(evolution)]
    steps = [_Step(f"#candidate/{_quoted(info.id)}", info) for info in infos]
    return _Change(leader.info.id, *counts(lines), steps, lines)


# --- the gate


class _PairRow(NamedTuple):
    state: str
    word: str
    name: str
    family: str
    before: _Evidence
    after: _Evidence


class _Gate(NamedTuple):
    facts: Sequence[tuple[str, str]]
    won: int
    lost: int
    pairs: Sequence[_PairRow]


def _gate(evolution: EvolutionSummary) -> _Gate | None:
    if evolution.gate is None:
        return None
    decision = evolution.gate.decision
    rows = [_pair(evolution, pair, evolution.gate.candidate) for pair in decision.discordant]
    facts = [*_gate_facts(evolution.gate.number, decision), *_lookup_facts(evolution)]
    return _Gate(facts, *won_and_lost(decision), rows)


def _gate_facts(number: int, decision: GateDecision) -> Iterator[tuple[str, str]]:
    cases = f"{count(decision.cases, 'case')} of {count(decision.families, 'family', 'families')}"
    yield "Decision", f"{decision.word}: {decision.reason}"
    yield "Test", f"{p_against_alpha(decision)}, one-sided, sign-flip by family; gate {number} of the project"
    yield "Gain", f"{interval(decision)}, on {cases}"
    mind = "; ".join(doubts(decision))
    if mind:
        yield "Mind", mind


def _lookup_facts(evolution: EvolutionSummary) -> Iterator[tuple[str, str]]:
    found = lookup(evolution)
    if found and found.beyond:
        yield "Lookup", found.text


def _pair(evolution: EvolutionSummary, pair: Pair, winner: str) -> _PairRow:
    state, word = ("pass", "won") if pair.candidate > pair.incumbent else ("fail", "lost")
    task = evolution.tasks.get(pair.task)
    incumbent = evolution.started.incumbent.id if evolution.started else ""
    before = _evidence(evolution, incumbent, pair.task, f"{pair.incumbent:.2f}")
    after = _evidence(evolution, winner, pair.task, f"{pair.candidate:.2f}")
    return _PairRow(state, word, task.description if task else pair.task, pair.family, before, after)


# --- what still fails


class _FailingRow(NamedTuple):
    case: Failing
    evidence: _Evidence


class _FailingCases(NamedTuple):
    who: str
    splits: str
    cases: Sequence[_FailingRow]


def _failures(evolution: EvolutionSummary, cases: Sequence[Failing]) -> _FailingCases | None:
    leader = evolution.leader
    if not cases or leader is None:
        return None
    splits = ", ".join(f"{number:,} of {split}" for split, number in Counter(case.split for case in cases).items())
    who = "the winner" if evolution.has_new_leader else "the current agent"
    rows = [_FailingRow(case, _evidence(evolution, leader.info.id, case.task, case.name)) for case in cases]
    return _FailingCases(who, splits, rows)
