"""What an evolution cost, next to the estimate, for the console and the page."""

from typing import NamedTuple

from evolve.core.evolution.reflector_yield import ReflectorYield
from evolve.core.evolution.summary import EvolutionSummary
from evolve.core.model.evolution_events import Estimate, EvolutionStarted
from evolve.core.text.counts import count
from evolve.report.evolution.numbers import share
from evolve.report.quantities import dollars, duration


class CostRow(NamedTuple):
    """One line of the account."""

    name: str
    value: str
    detail: str


def cost_rows(evolution: EvolutionSummary) -> list[CostRow]:
    """Return the account, with the estimate at its end."""
    account, started = evolution.account, evolution.started
    estimate = started.estimate if started else None
    budget = f"; {budget_text(started, evolution.used)}" if started else ""
    rows = [
        CostRow(
            "Paid answers",
            f"{account.search + account.gate:,}",
            f"{account.search:,} by the search, {account.gate:,} by the gate{budget}",
        ),
        CostRow("Free answers", f"{account.free:,}", "known before, or no model was asked"),
    ]
    if account.repeated:
        rows.append(CostRow("Repeated answers", f"{account.repeated:,}", "asked again after an attempt was stopped"))
    rows += (
        [CostRow("Shrinking", f"{account.shrinking:,}", "answers, with a cap of its own")] if account.shrinking else []
    )
    rows += _reflectors(evolution)
    rows.append(_tokens(evolution))
    if evolution.finished:
        busy = account.model_s / account.seconds if account.seconds else 0.0
        detail = f"the model was busy for {duration(account.model_s)}, {share(min(busy, 1.0))} of it"
        rows.append(CostRow("Time", duration(account.seconds), detail))
    if account.cost is not None:
        rows.append(CostRow("Cost", dollars(account.cost), "as reported by the provider"))
    return rows + ([CostRow("Estimate", *estimate_text(estimate))] if estimate else [])


def _reflectors(evolution: EvolutionSummary) -> list[CostRow]:
    """A row for each reflector; runs of earlier versions know only how often they were asked."""
    yields, calls = evolution.reflectors, evolution.account.reflector
    if not yields:
        return [CostRow("Reflector", f"{calls:,}", "calls, with a cap of its own")] if calls else []
    return [CostRow(f"Reflector {one.reflector}", count(one.asked, "question"), yield_text(one)) for one in yields]


def yield_text(one: ReflectorYield) -> str:
    """Return what became of a reflector's answers."""
    lost = f"{one.malformed:,} malformed, {count(one.duplicate, 'duplicate')}, {one.refused:,} refused"
    if one.unreachable:
        lost = f"{one.unreachable:,} unreachable, {lost}"
    return f"{lost}; {one.screened:,} passed screening, {one.won:,} won"


def budget_text(started: EvolutionStarted, used: float) -> str:
    """Return the whole budget, and what was used of it where that is no number of answers."""
    if started.budget_unit == "answers":
        return f"the budget was {started.budget:,}"
    return f"the budget: {used_text(started, used)}"


def used_text(started: EvolutionStarted, used: float) -> str:
    """Return what was used of a budget in tokens or seconds, and the whole of it."""
    what = "tokens" if started.budget_unit == "tokens" else "s of the model"
    return f"{used:,.0f}/{started.budget:,} {what}"


def _tokens(evolution: EvolutionSummary) -> CostRow:
    tokens = evolution.account.tokens
    cached = f", {share(tokens.cached / tokens.prompt)} of them from the cache" if tokens.prompt else ""
    return CostRow("Tokens", f"{tokens.total:,}", f"{tokens.prompt:,} in{cached}; {tokens.completion:,} out")


def estimate_text(estimate: Estimate) -> tuple[str, str]:
    """Return the estimated time, and what it is based on."""
    cost = "" if estimate.cost is None else f", {dollars(estimate.cost)}"
    speed = f"{estimate.seconds_per_answer:.2f} s per answer, measured on this machine"
    most = f"at most {count(estimate.answers, 'answer')}, {count(estimate.tokens, 'token')}"
    detail = f"{most}{cost}; {speed}"
    return duration(estimate.seconds), detail
