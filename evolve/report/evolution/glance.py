"""The answers at a glance: better or not, by how much, how sure, what changed, the cost, what fails, the lookup."""

from collections import Counter
from collections.abc import Iterator
from html import escape
from typing import NamedTuple

from evolve.core.evolution.summary import Evolution
from evolve.core.model.gate import GateDecision
from evolve.report.evolution.diff import counts, diff
from evolve.report.evolution.numbers import NONE, count, points, share
from evolve.report.evolution.words import (
    Gain,
    doubts,
    failing,
    gain,
    harm,
    lineage,
    lookup,
    p_against_alpha,
    verdict,
    where,
    won_and_lost,
)
from evolve.report.suites.html import duration


class Card(NamedTuple):
    """One question, answered: where on the page its evidence is, and what colour it may have."""

    question: str
    answer: str
    detail: str
    link: str
    state: str = ""


def glance(evolution: Evolution) -> Iterator[str]:
    """The first section of the page."""
    yield '<section id="glance" aria-labelledby="glance-title" tabindex="-1">\n'
    yield '<h2 id="glance-title" class="unseen">At a glance</h2>\n'
    yield f'<div class="hero">{"".join(_hero(evolution))}</div>\n'
    cards = (
        _sure(evolution),
        _changed(evolution),
        _lookup(evolution),
        _fails(evolution),
        _harm(evolution),
        _cost(evolution),
    )
    yield f'<dl class="cards">{"".join(_card(card) for card in cards if card)}</dl>\n</section>\n'


# --- did it get better, and by how much


def _hero(evolution: Evolution) -> Iterator[str]:
    found = gain(evolution)
    yield '<div class="gain"><p class="question">Did it get better, and by how much?</p>'
    if found is None:
        word = verdict(evolution)
        yield f'<p class="big word">{escape(word.word)}</p><p class="hint">{escape(word.reason)}</p></div>'
    else:
        change = points(found.after - found.before)
        state = "pass" if found.after > found.before else "fail" if found.after < found.before else ""
        yield f'<p class="big {state}">{change} <small>points</small></p>'
        yield f'<p class="fromto"><b>{share(found.before)}</b> to <b>{share(found.after)}</b> right, '
        yield f"on {escape(where(found))}</p></div>"
    yield f'<div class="bars">{"".join(_bars(evolution, found))}</div>'


def _bars(evolution: Evolution, found: Gain | None) -> Iterator[str]:
    """The three who answered, on one scale; below, the gain with its interval."""
    standing = evolution.incumbent.standing("train") if evolution.incumbent else None
    vote = lookup(evolution)
    if found:
        yield _bar("Agent as it is", found.before, "was")
        yield _bar("Winner" if evolution.gate_started else "Best so far", found.after, "now")
    elif standing:
        yield _bar("Agent as it is", standing.mean, "was")
    if vote:
        yield _bar("Lookup, no model", vote.vote, "vote")
    if evolution.gate:
        yield _interval(evolution.gate.decision)


def _bar(name: str, value: float, kind: str) -> str:
    width = f"{100 * min(max(value, 0.0), 1.0):.2f}"
    return (
        f'<div class="barrow"><span>{name}</span><svg class="bar" aria-hidden="true" viewBox="0 0 100 10" '
        f'preserveAspectRatio="none"><rect class="{kind}" width="{width}" height="10"/></svg>'
        f"<b>{share(value)}</b></div>"
    )


def _interval(told: GateDecision) -> str:
    """A line from low to high with the gain on it, and where zero is."""
    left, right = min(told.low, 0.0), max(told.high, 0.0)
    width = (right - left) or 1.0

    def at(value: float) -> float:
        return 3 + 94 * (value - left) / width

    low, high, middle, zero = at(told.low), at(told.high), at(told.gain), at(0.0)
    text = f"{points(told.low)} to {points(told.high)}"
    return (
        '<div class="barrow interval"><span>Gain, 95%</span><svg class="ci" aria-hidden="true" viewBox="0 0 100 20" '
        f'preserveAspectRatio="none"><line class="zero" x1="{zero:.2f}" x2="{zero:.2f}" y1="0" y2="20"/>'
        f'<rect class="range" x="{low:.2f}" y="8" width="{max(high - low, 0.5):.2f}" height="4"/>'
        f'<rect class="point" x="{middle - 0.6:.2f}" y="3" width="1.2" height="14"/></svg><b>{text}</b></div>'
    )


# --- the other questions


def _sure(evolution: Evolution) -> Card:
    if evolution.gate is None:
        return Card("How sure?", "Not tested", "the gate has not decided", "gate")
    told = evolution.gate.decision
    won, lost = won_and_lost(told)
    state = {"proven": "pass", "provisional": "error", "rejected": "fail"}[told.word]
    parts = [p_against_alpha(told), f"{won} won and {lost} lost of {count(len(told.discordant), 'discordant pair')}"]
    return Card("How sure?", told.word.capitalize(), "; ".join([*parts, *doubts(told)]), "gate", state)


def _changed(evolution: Evolution) -> Card:
    incumbent, leader, steps = evolution.incumbent, evolution.leader, lineage(evolution)
    if incumbent is None or leader is None or not evolution.has_new_leader:
        return Card("What changed?", "Nothing", "the prompt is as it was", "change")
    added, removed = counts(diff(incumbent.info.text, leader.info.text))
    how = ", ".join(candidate.info.operator for candidate in steps) or leader.info.operator
    return Card("What changed in the prompt?", f"+{added:,} \N{MINUS SIGN}{removed:,} lines", how, "change")


def _lookup(evolution: Evolution) -> Card:
    found = lookup(evolution)
    if found is None:
        return Card("Would a lookup do?", NONE, "nothing to vote on: answers are no closed set", "gate")
    answer = "Use the lookup" if found.wins else "No" if found.vote < found.winner else "As well"
    detail = f"without a model {share(found.vote)}, the prompt {share(found.winner)}, on {found.cases}"
    return Card("Would a lookup do?", answer, detail, "gate", "error" if found.wins else "")


def _fails(evolution: Evolution) -> Card:
    cases = failing(evolution)
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


def _harm(evolution: Evolution) -> Card | None:
    found = harm(evolution)
    if found is None:
        return None
    state = "fail" if found.after > found.before else ""
    return Card("Does it harm?", count(found.after, "harmful answer"), found.detail, "matrix", state)


def _cost(evolution: Evolution) -> Card:
    account, started = evolution.account, evolution.started
    bought = account.search + account.gate
    parts = [f"of {started.budget:,}; {account.free:,} free"] if started else [f"{account.free:,} free"]
    tokens = account.tokens
    if tokens.total:
        cached = f", {share(tokens.cached / tokens.prompt)} of the input cached" if tokens.prompt else ""
        parts.append(f"{tokens.total:,} tokens{cached}")
    if evolution.finished:
        estimate = f", estimated {duration(started.estimate.seconds)}" if started else ""
        parts.append(f"{duration(account.seconds)}{estimate}")
    return Card("What did it cost?", f"{bought:,} answers", "; ".join(parts), "cost")


def _card(card: Card) -> str:
    return (
        f'<div class="tile {card.state}"><dt><a href="#{card.link}">{escape(card.question)}</a></dt>'
        f"<dd><strong>{escape(card.answer)}</strong> <span>{escape(card.detail)}</span></dd></div>\n"
    )
