"""The answers at a glance: better or not, by how much, how sure, what changed, the cost, what fails, the lookup."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from evolve.core.evolution.summary import EvolutionSummary
from evolve.core.model.gate import GateDecision
from evolve.core.text.counts import count
from evolve.report.evolution.cost import budget_text
from evolve.report.evolution.diff import counts, diff
from evolve.report.evolution.numbers import points, share
from evolve.report.evolution.words import (
    Failing,
    Gain,
    doubts,
    gain,
    harm,
    lineage,
    lookup,
    p_against_alpha,
    where,
    won_and_lost,
)
from evolve.report.quantities import NONE, duration


class Card(NamedTuple):
    """One question, answered: where on the page its evidence is, and what colour it may have."""

    question: str
    answer: str
    detail: str
    link: str
    state: str = ""


class _GainText(NamedTuple):
    """Did it get better, and by how much."""

    state: str
    change: str
    before: str
    after: str
    where: str
    beyond: str
    """The lead over the lookup; empty before the gate."""
    beyond_state: str


class _Bar(NamedTuple):
    """The score of one who answered; `width` is out of 100."""

    name: str
    kind: str
    width: str
    text: str


class _Interval(NamedTuple):
    """A line from low to high with the gain and zero on it: places on a scale of 100."""

    zero: str
    low: str
    width: str
    point: str
    text: str


def glance_values(evolution: EvolutionSummary, still_failing: Sequence[Failing]) -> dict[str, Any]:
    """Return what the template of the first section shows, by the names that it uses."""
    found = gain(evolution)
    cards = (
        _sure(evolution),
        _change_card(evolution),
        _lookup(evolution),
        _fails(evolution, still_failing),
        _harm(evolution),
        _cost(evolution),
    )
    return {
        "gain": _gain_text(found, evolution) if found else None,
        "bars": list(_bars(evolution, found)),
        "interval": _interval(evolution.gate.decision) if evolution.gate else None,
        "cards": [card for card in cards if card],
    }


# --- did it get better, and by how much


def _is_proven(evolution: EvolutionSummary) -> bool:
    return evolution.gate is not None and evolution.gate.decision.word == "proven"


def _gain_text(found: Gain, evolution: EvolutionSummary) -> _GainText:
    # A gain that chance could explain has no colour: green would claim that it is real.
    state = "pass" if _is_proven(evolution) else "fail" if found.after < found.before else ""
    change = points(found.after - found.before)
    rival = lookup(evolution)
    beyond = f"{rival.word.capitalize()}: {rival.interval}" if rival and rival.beyond else ""
    colour = "fail" if rival and rival.wins else "pass" if _is_proven(evolution) else ""
    return _GainText(state, change, share(found.before), share(found.after), where(found), beyond, colour)


def _bars(evolution: EvolutionSummary, found: Gain | None) -> Iterator[_Bar]:
    """Current agent, winner and lookup on one scale."""
    standing = evolution.incumbent.result_on("train") if evolution.incumbent else None
    vote = lookup(evolution)
    if found:
        yield _bar("Current agent", found.before, "was")
        yield _bar("Winner" if evolution.gate_started else "Best so far", found.after, "now")
    elif standing:
        yield _bar("Current agent", standing.mean, "was")
    if vote:
        yield _bar("Lookup, no model", vote.vote, "vote")


def _bar(name: str, value: float, kind: str) -> _Bar:
    return _Bar(name, kind, f"{100 * min(max(value, 0.0), 1.0):.2f}", share(value))


def _interval(decision: GateDecision) -> _Interval:
    left, right = min(decision.low, 0.0), max(decision.high, 0.0)
    width = (right - left) or 1.0

    def at(value: float) -> float:
        return 3 + 94 * (value - left) / width  # a margin of 3 on both sides, so that end points are not cut off

    # A range of no width would be invisible; the mark of the gain is 1.2 wide, so half of it lies left of the gain.
    low, high = at(decision.low), at(decision.high)
    return _Interval(
        zero=f"{at(0.0):.2f}",
        low=f"{low:.2f}",
        width=f"{max(high - low, 0.5):.2f}",
        point=f"{at(decision.gain) - 0.6:.2f}",
        text=f"{points(decision.low)} to {points(decision.high)}",
    )


# --- the other questions


def _sure(evolution: EvolutionSummary) -> Card:
    if evolution.gate is None:
        return Card("How sure?", "Not tested", "the gate has not decided", "gate")
    decision = evolution.gate.decision
    won, lost = won_and_lost(decision)
    state = {"proven": "pass", "provisional": "error", "rejected": "fail"}[decision.word]
    pairs = count(len(decision.discordant), "discordant pair")
    parts = [p_against_alpha(decision), f"{won} won and {lost} lost of {pairs}"]
    return Card("How sure?", decision.word.capitalize(), "; ".join([*parts, *doubts(decision)]), "gate", state)


def _change_card(evolution: EvolutionSummary) -> Card:
    incumbent, leader, steps = evolution.incumbent, evolution.leader, lineage(evolution)
    if incumbent is None or leader is None or not evolution.has_new_leader:
        return Card("What changed?", "Nothing", "the prompt did not change", "change")
    added, removed = counts(diff(incumbent.info.text, leader.info.text))
    how = ", ".join(candidate.info.operator for candidate in steps) or leader.info.operator
    return Card("What changed in the prompt?", f"+{added:,} \N{MINUS SIGN}{count(removed, 'line')}", how, "change")


def _lookup(evolution: EvolutionSummary) -> Card:
    found = lookup(evolution)
    if found is None:
        return Card("Would a lookup do?", NONE, "there is none: the agent's answers are not a closed set", "gate")
    answer = "Use the lookup" if found.wins else "No" if found.vote < found.winner else "As well"
    detail = found.detail
    if found.beyond is None:
        detail = f"without a model {share(found.vote)}, the prompt {share(found.winner)}, on {found.cases}"
    return Card("Would a lookup do?", answer, detail, "gate", "error" if found.wins else "")


def _fails(evolution: EvolutionSummary, cases: Sequence[Failing]) -> Card:
    splits = Counter(case.split for case in cases)
    asked = sum(cell[0].split in splits for cell in evolution.leader.cells.values()) if evolution.leader else 0
    if not cases:
        return Card("What still fails?", "Nothing", "every case that was asked is right", "failing")
    detail = ", ".join(f"{number:,} of {split}" for split, number in splits.items())
    return Card(
        "What still fails?",
        f"{len(cases):,} of {max(asked, len(cases)):,}",
        f"of the cases that were asked: {detail}",
        "failing",
    )


def _harm(evolution: EvolutionSummary) -> Card | None:
    found = harm(evolution)
    if found is None:
        return None
    state = "fail" if found.after > found.before else ""
    return Card("Does it harm?", count(found.after, "harmful answer"), found.detail, "matrix", state)


def _cost(evolution: EvolutionSummary) -> Card:
    account, started = evolution.account, evolution.started
    paid = account.search + account.gate
    free = f"{account.free:,} free"
    is_counted = started is not None and started.budget_unit == "answers"
    parts = [f"of {started.budget:,}; {free}"] if started and is_counted else [free]
    parts += [budget_text(started, evolution.used)] if started and not is_counted else []
    tokens = account.tokens
    if tokens.total:
        cached = f", {share(tokens.cached / tokens.prompt)} of the input cached" if tokens.prompt else ""
        parts.append(f"{count(tokens.total, 'token')}{cached}")
    if evolution.finished:
        estimate = f", estimated {duration(started.estimate.seconds)}" if started else ""
        parts.append(f"{duration(account.seconds)}{estimate}")
    return Card("What did it cost?", count(paid, "answer"), "; ".join(parts), "cost")
