"""The lines that report an evolution: before it starts, while it runs, and at its end."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import PurePath

from evolve.core.evolution.candidate import CandidateRecord
from evolve.core.evolution.summary import EvolutionSummary
from evolve.core.model.evolution_events import (
    VOTE,
    Accepted,
    EstimateRevised,
    EvolutionEvent,
    EvolutionFinished,
    EvolutionStarted,
    GateDecided,
    GateStarted,
    Promoted,
    ReflectorStopped,
    RolledBack,
)
from evolve.core.text.counts import count
from evolve.core.text.visible import visible
from evolve.report.evolution.cost import cost_rows, estimate_text, used_text
from evolve.report.evolution.diff import counts, diff
from evolve.report.evolution.numbers import points, share, short
from evolve.report.evolution.words import (
    Failing,
    doubts,
    gain,
    harm,
    interval,
    lineage,
    lookup,
    p_against_alpha,
    remaining_failures,
    verdict,
    where,
    won_and_lost,
)

# Cuts of names and reasons below keep each line within about 120 columns.
SHOWN_PAIRS = 40
"""A screen or two; the page has all of them."""
SHOWN_FAILING = 10
"""The same for cases that still fail, so that the end of the summary stays on one screen."""


def start_lines(event: EvolutionStarted) -> Iterator[str]:
    """Yield what the run will do, and what it will cost at most."""
    splits = Counter(task.split for task in event.tasks)
    kinds = ", ".join(f"{number} {split}" for split, number in splits.items())
    again = "continuing with" if event.resumed else "evolving"
    yield visible(f"{again} {event.agent} on {event.provider}: {count(len(event.tasks), 'case')} ({kinds})")
    time, detail = estimate_text(event.estimate)
    yield f"estimate: {time}, {detail}"


def notable(event: EvolutionEvent, evolution: EvolutionSummary) -> str:
    """Return the line of an event in a log; empty for most events."""
    match event:
        case Accepted(is_best=True):
            return f"better: {best(evolution)}"
        case EstimateRevised():
            time, detail = estimate_text(event.rest)
            return f"estimate of the rest: {time}, {detail}"
        case ReflectorStopped():
            return _stopped_line(event)
        case GateStarted():
            return f"gate: {_name(evolution.leader)} against the current agent, on {count(event.cases, 'case')}"
        case GateDecided():
            decision = event.decision
            change = f"{share(decision.incumbent)} to {share(decision.candidate)}"
            return f"gate: {decision.word}: {change}, {p_against_alpha(decision)}"
        case Promoted():
            return visible(f"promoted: {event.agent} in {event.file}")
        case RolledBack():
            return visible(f"rolled back: {event.agent or 'no agent'} is in {event.file} again")
        case EvolutionFinished():
            return f"{event.outcome}: {visible(event.reason)}"
    return ""


def progress(evolution: EvolutionSummary) -> str:
    """Return the run's progress in one short line."""
    found = gain(evolution)
    change = f"; best {share(found.after)}, {points(found.after - found.before)} points" if found else ""
    candidates = count(len(evolution.candidates), "candidate")
    return f"{evolution.phase}: {cost_line(evolution)}; {candidates}{change}"


def title_line(evolution: EvolutionSummary) -> str:
    """Return the agent, the phase, and how many candidates have which status."""
    statuses = (candidate.status for candidate in evolution.candidates.values())
    tally = Counter("accepted" if status == "best" else status for status in statuses)
    kinds = ", ".join(f"{number} {status}" for status, number in tally.items() if status != "proposed")
    agent = evolution.started.agent if evolution.started else "evolution"
    return f"{agent}: {evolution.phase}, {count(len(evolution.candidates), 'candidate')}" + (
        f" ({kinds})" if kinds else ""
    )


def best(evolution: EvolutionSummary) -> str:
    """Return the best candidate so far, compared with the incumbent."""
    found, incumbent = gain(evolution), evolution.incumbent
    if found is None:
        standing = incumbent.result_on("train") if incumbent else None
        return f"nothing better yet than the current agent, {share(standing.mean)}" if standing else "no score yet"
    change = f"{share(found.before)} to {share(found.after)}, {points(found.after - found.before)} points"
    return visible(f"{change} on {where(found)}: {_name(evolution.leader)}")


def cost_line(evolution: EvolutionSummary) -> str:
    """Return the number of paid and of free answers."""
    started, free = evolution.started, f"{evolution.account.free:,} free"
    if started is None or started.budget_unit == "answers":
        budget = f"/{started.budget:,}" if started else ""
        return f"{evolution.spent:,}{budget} answers, {free}"
    return f"{count(evolution.spent, 'answer')}, {used_text(started, evolution.used)}, {free}"


def now(evolution: EvolutionSummary) -> str:
    """Return the candidate that is answering."""
    candidate = evolution.candidates.get(evolution.current)
    return f"now: {_name(candidate)}" if candidate else ""


def _name(candidate: CandidateRecord | None, limit: int = 60) -> str:
    if candidate is None:
        return "nobody"
    note = short(candidate.info.note, limit)
    name = "lookup" if candidate.info.id == VOTE else f"{candidate.info.id} {candidate.info.operator}"
    return visible(name + (f" ({note})" if note else ""))


# --- the end


def summary_lines(
    evolution: EvolutionSummary, *, report: str | PurePath = "", next_commands: Sequence[str] = ()
) -> list[str]:
    """Return the lines that end a run, for stdout.

    Args:
        evolution: the run.
        report: the path of its page; empty for none.
        next_commands: what a reader would run now, such as the promotion.
    """
    found = verdict(evolution)
    agent = evolution.started.agent if evolution.started else "evolution"
    lines = [f"{found.word}: {agent}: {found.reason}", *_lookup_lines(evolution), *gain_lines(evolution)]
    lines += [*gate_lines(evolution), *_change_lines(evolution), *_failure_lines(remaining_failures(evolution))]
    lines += map(_stopped_line, evolution.reflectors_stopped)
    lines += [f"cost: {row.name[0].lower()}{row.name[1:]} {row.value} ({row.detail})" for row in cost_rows(evolution)]
    if evolution.promoted:
        undone = ", then rolled back" if evolution.rolled_back else ""
        lines.append(f"promoted: {evolution.promoted.agent} in {evolution.promoted.file}{undone}")
    lines += [f"report: {report}"] if str(report) else []
    lines += ["next:", *(f"  {command}" for command in next_commands)] if next_commands else []
    return [visible(line) for line in lines]


def gain_lines(evolution: EvolutionSummary) -> Iterator[str]:
    """Yield the leader's score and its harmful answers, against the current agent."""
    found = gain(evolution)
    if found:
        change = f"{share(found.before)} to {share(found.after)} ({points(found.after - found.before)} points)"
        yield f"score: {change} on {where(found)}"
    harmful = harm(evolution)
    if harmful:
        yield f"harmful answers: {harmful.after:,}, {harmful.detail}"


def gate_lines(evolution: EvolutionSummary) -> Iterator[str]:
    """Yield what the gate found; nothing while it has not decided."""
    if evolution.gate is None:
        return
    decision = evolution.gate.decision
    won, lost = won_and_lost(decision)
    yield f"gate {evolution.gate.number}: {decision.word}, {p_against_alpha(decision)}; gain {interval(decision)}"
    yield from (f"  {doubt}" for doubt in doubts(decision))
    yield f"  discordant pairs: {won} won, {lost} lost"
    for pair in decision.discordant[:SHOWN_PAIRS]:
        word = "won " if pair.candidate > pair.incumbent else "lost"
        task = evolution.tasks.get(pair.task)
        name = short(task.description, 70) if task else pair.task
        yield f"    {word} {pair.incumbent:.2f} to {pair.candidate:.2f}  {pair.family}: {name}"
    if len(decision.discordant) > SHOWN_PAIRS:
        yield f"    and {len(decision.discordant) - SHOWN_PAIRS} more, in the report"


def _stopped_line(event: ReflectorStopped) -> str:
    asked = count(event.calls, "question")
    name = f"reflector {event.reflector}" if event.reflector else "reflector"
    return visible(f"{name}: not asked any more after {asked}: {short(event.reason, 200)} ({event.hint})")


def _change_lines(evolution: EvolutionSummary) -> Iterator[str]:
    incumbent, leader = evolution.incumbent, evolution.leader
    if incumbent is None or leader is None or not evolution.has_new_leader:
        return
    added, removed = counts(diff(incumbent.info.text, leader.info.text))
    yield f"changed: {count(added, 'line')} added, {removed:,} removed"
    yield from (f"  {_name(candidate, 110)}" for candidate in lineage(evolution))


def _lookup_lines(evolution: EvolutionSummary) -> Iterator[str]:
    found = lookup(evolution)
    if found:
        yield found.text if found.beyond else f"lookup: {found.text}"


def _failure_lines(cases: Sequence[Failing]) -> Iterator[str]:
    if not cases:
        return
    splits = ", ".join(f"{number} {split}" for split, number in Counter(case.split for case in cases).items())
    yield f"still failing: {count(len(cases), 'case')} ({splits})"
    for case in cases[:SHOWN_FAILING]:
        lost = " (was right before)" if case.was_right else ""
        yield f"  {case.split} {case.family}: {short(case.reason or case.name, 90)}{lost}"
    if len(cases) > SHOWN_FAILING:
        yield f"  and {len(cases) - SHOWN_FAILING} more, in the report"
