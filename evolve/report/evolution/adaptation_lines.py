"""What `evolve adapt` prints: what happened to a report, and the state of the queue; for people and for machines."""

import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from evolve.core.adaptation.failures import Step
from evolve.core.adaptation.status import AgentStatus, IntakeResult, RunStatus, Waiting
from evolve.core.evolution.request import DEFAULT_BUDGET
from evolve.core.model.json_value import JsonValue
from evolve.core.text.counts import count
from evolve.core.text.visible import visible

_LARGER_BUDGET = 2 * DEFAULT_BUDGET
"""The next attempt, after one with the default budget found nothing: a second one with the same budget would not."""
_WHY_NOT: Mapping[Step, str] = {
    "unlabelled": "the right action is not known: the case is saved, and is not used until you label it",
    "regression": "a regression: the agent passed this pinned case before; no evolution was started",
    "recurred": "the case is retired: the failure was only counted",
    "flaky": "the case is flaky and is not used for evolution",
}


def intake_lines(taken: IntakeResult) -> list[str]:
    """Return what happened to a report, and the command to type next."""
    answered = f"{taken.agent} answered {taken.answer.action}"
    if taken.recorded is None or taken.step is None:
        return [visible(f"{taken.job_id}: {answered}, which is right: nothing to adapt")]
    lines = [f"{taken.job_id}: {taken.answer.error or answered}"]
    lines.append(f"case: {taken.recorded.file} ({taken.recorded.change})")
    if taken.step in _WHY_NOT:
        lines.append(_WHY_NOT[taken.step])
    if taken.step == "known" and taken.evolved is not None:
        run, outcome = taken.evolved
        lines.append(f"this agent was evolved with this case before: {outcome} in run {run}; no evolution was started")
    if taken.step == "evolve" and not taken.is_new_in_queue:
        lines.append("the case is in the queue already")
    return [visible(line) for line in [*lines, *_next(taken)]]


def intake_values(taken: IntakeResult) -> dict[str, JsonValue]:
    """Return the same as values for JSON."""
    values: dict[str, JsonValue] = {
        "job_id": taken.job_id,
        "agent": taken.agent,
        "answer": str(taken.answer.action),
        "step": taken.step or "nothing",
    }
    if taken.answer.error:
        values["error"] = taken.answer.error
    if taken.recorded is not None:
        recorded = taken.recorded
        values |= {"case": recorded.file, "change": recorded.change, "fingerprint": recorded.fingerprint}
    if taken.evolved is not None:
        values["evolved"] = {"run": taken.evolved.run, "outcome": taken.evolved.outcome}
    return values


def status_lines(agents: Sequence[AgentStatus], per_day: int) -> list[str]:
    """Return what runs and what waits, for each agent."""
    if not agents:
        return ["nothing is running and nothing is waiting"]
    return [visible(line) for status in agents for line in _agent_lines(status, per_day)]


def status_values(agents: Sequence[AgentStatus]) -> dict[str, JsonValue]:
    """Return the same as values for JSON."""
    return {"agents": [_agent_values(status) for status in agents]}


def at_limit(per_day: int) -> str:
    """Return the message for an agent of which no further evolution may start today."""
    word = "evolution has" if per_day == 1 else "evolutions have"
    return (
        f"{per_day} {word} been started for this agent today (--per-day): its failures wait; "
        "`evolve adapt --work` or the next failure starts an evolution with them tomorrow"
    )


def count_failures(failures: int) -> str:
    """Return a number of failures with its noun."""
    return count(failures, "failure")


def _next(taken: IntakeResult) -> Iterator[str]:
    assert taken.recorded is not None
    file = shlex.quote(taken.recorded.file)
    own = f" --agent {shlex.quote(taken.agent_file)}" if taken.agent_file else ""
    again = f"evolve --test-case {file}{own} --budget {_LARGER_BUDGET}"
    if taken.step == "unlabelled":
        yield f"next: evolve cases label {file} ACTION{own}"
    if taken.step == "known" and taken.evolved is not None:
        # The diff has the evidence; which flags a promotion needs depends on it.
        is_better = taken.evolved.outcome in ("proven", "provisional")
        yield f"next: evolve diff {taken.evolved.run}" if is_better else f"next: {again}"
    if taken.step == "regression":
        name = taken.agent_file or taken.agent.partition("@")[0]
        yield f"if a promotion broke it, `evolve rollback {shlex.quote(name)}` undoes that"
        yield f"next: {again}"


def _agent_lines(status: AgentStatus, per_day: int) -> Iterator[str]:
    running = status.running
    yield f"{Path(status.agent).stem} ({status.agent})"
    if running is not None:
        log = f", log {running.log}" if running.log else ""
        since = f"since {_moment(running.started_s)}, process {running.pid}{log}"
        yield f"  evolving {count_failures(len(running.failures))} {since}"
    elif status.last is not None:
        yield f"  last: {_end_of(status.last)}"
    if status.was_killed and status.waiting:
        yield "  its process was killed: `evolve adapt --work` or the next failure continues it"
    yield from (f"  waiting since {_moment(item.queued_s)}: {item.file}" for item in status.waiting)
    yield f"  started today: {status.started_today} of {per_day}"


def _end_of(run: RunStatus) -> str:
    began = _moment(run.started_s)
    if run.ended_s is None:
        return f"killed; began {began}"
    return f"{run.outcome}; {began} to {_moment(run.ended_s)}"


def _moment(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))


def _agent_values(status: AgentStatus) -> JsonValue:
    running, last = status.running, status.last
    return {
        "agent": Path(status.agent).stem,
        "file": status.agent,
        "running": None if running is None else _run_values(running),
        "waiting": [_waiting_item(item) for item in status.waiting],
        "started_today": status.started_today,
        "last": None if last is None or running is not None else _run_values(last),
    }


def _run_values(run: RunStatus) -> dict[str, JsonValue]:
    return {**asdict(run), "failures": [_waiting_item(item) for item in run.failures]}


def _waiting_item(item: Waiting) -> JsonValue:
    return dict(item._asdict())
