"""A winner becomes an agent's next version, with its evidence, as one diff that can be reviewed; and the way back."""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from evolve.core.agents import Agent, Demo
from evolve.core.errors import InputError, Location, Problem
from evolve.core.evolution_events import (
    CaseRecorded,
    EvolutionEvent,
    EvolutionFinished,
    EvolutionStarted,
    GateDecided,
    Promoted,
    RolloutScored,
)
from evolve.core.json_value import JsonValue
from evolve.core.search.genome import agent_of, genome_of
from evolve.core.templating.templates import Templates
from evolve.store.agent_files import agent_text, write_agent
from evolve.store.agents import load_agent, load_demos
from evolve.store.archive import Archive, Promotion, RunRecord
from evolve.store.case_files import CaseFolder, load_case

_Kind = TypeVar("_Kind")


@dataclass(frozen=True, slots=True)
class Result:
    """What a run found, as promotion needs it."""

    record: RunRecord
    started: EvolutionStarted
    gate: GateDecided | None
    finished: EvolutionFinished
    passed: frozenset[str]
    """Ids of the cases that the winner passed at its last try."""


def result_of(archive: Archive, name: str | None) -> Result:
    """The result of a run.

    Raises:
        InputError: no such run, or it has not ended.
    """
    record = archive.find(name)
    events = list(archive.events(record.run))
    started = _first(events, EvolutionStarted)
    finished = _first(events, EvolutionFinished)
    if started is None or finished is None or finished.outcome == "interrupted":
        raise InputError(Problem(f"run {record.run} has not ended", None, f"go on with it: {record.command}"))
    scored = [e for e in events if isinstance(e, RolloutScored) and e.candidate == finished.winner]
    passed = {e.task: e.passed for e in scored}
    gate = _first(events, GateDecided)
    return Result(record, started, gate, finished, frozenset(task for task, good in passed.items() if good))


def check_promotable(result: Result, target: Path, *, may_be_provisional: bool, is_ci: bool) -> None:
    """Refuses what must not be promoted.

    Raises:
        InputError: every reason at once.
    """
    problems = []
    outcome, run = result.finished.outcome, result.record.run
    if outcome == "provisional" and not may_be_provisional:
        hint = "evolve again with more gate families or a larger --budget, or take the risk: --provisional"
        problems.append(Problem(f"run {run} is provisional: {result.finished.reason}", None, hint))
    elif outcome not in ("proven", "provisional"):
        problems.append(Problem(f"run {run} has nothing to promote ({outcome}): {result.finished.reason}"))
    if is_ci and _is_tracked(target):
        problems.append(
            Problem(f"{target} is under version control", None, "no agent is promoted in CI: promote by hand")
        )
    if problems:
        raise InputError(problems)


def next_version(result: Result, winner: Agent, agent_path: Path, target: Path, today: str) -> Agent:
    """The winner as the target's next version, with its evidence.

    Raises:
        InputError: the agent has changed since the run compared the winner with it.
    """
    now = load_agent(agent_path)
    if now.title != result.started.agent:
        message = f"it is {now.title} now; run {result.record.run} compared its winner with {result.started.agent}"
        raise InputError(Problem(message, Location(str(agent_path)), "evolve again from the present version"))
    if agent_text(replace(agent_of(genome_of(now), now), evidence=None)) != result.started.incumbent.text:
        message = f"it was edited since run {result.record.run} compared its winner with it"
        raise InputError(Problem(message, Location(str(agent_path)), "evolve again from the present text"))
    known = load_agent(target) if target.exists() else replace(winner, name=target.stem, version=0)
    return replace(
        winner,
        name=known.name,
        version=known.version + 1,
        description=known.description if target != agent_path else winner.description,
        parent=now.title,
        evidence={**_suite_of(known), **_suite_of(now), **_evidence(result, today)},
    )


def promote(
    archive: Archive, result: Result, agent: Agent, demos: Sequence[Demo], target: Path
) -> tuple[Promoted, list[str]]:
    """Writes the agent and its bank, pins the failure cases that it mends, and notes how to undo it.

    Returns:
        The event, and the failure cases that are pinned now.
    """
    bank = target.parent / "demos" / f"{agent.name.lower()}.yaml"
    before = {str(path.resolve()): _text(path) for path in (target, bank)}
    written = write_agent(target, agent, demos, Templates("strict").render)
    pinned = _pin(result)
    after = {str(path.resolve()): path.read_text(encoding="utf-8") for path in written}
    kept = {name: text for name, text in before.items() if name in after}
    archive.note_promotion(target.resolve(), result.record.run, kept, after, pinned)
    promoted = Promoted(agent.title, str(target), result.finished.winner, result.finished.outcome)
    archive.append(result.record.run, [*(_pinned_event(name) for name in pinned), promoted])
    return promoted, pinned


def _pinned_event(file: str) -> CaseRecorded:
    case = load_case(Path(file))
    return CaseRecorded(file, case.fingerprint, case.agent, case.status, "pinned")


def undo(archive: Archive, promotion: Promotion) -> list[str]:
    """Puts back what a promotion changed; the cases that it pinned are open again.

    Returns:
        The files that were changed.

    Raises:
        InputError: a file was changed since; then nothing is touched.
    """
    changed = [name for name, text in promotion.after.items() if _text(Path(name)) != text]
    if changed:
        hint = "use your version control to go back, or undo those changes first"
        raise InputError([Problem("changed since the promotion", Location(name), hint) for name in changed])
    for name, text in promotion.before.items():
        if text is None:
            Path(name).unlink(missing_ok=True)
        else:
            Path(name).write_text(text, encoding="utf-8")
    opened = [name for name in promotion.pinned if Path(name).is_file()]
    for name in opened:
        path = Path(name)
        CaseFolder(path.parent).update(path, lambda case: replace(case, status="open"))
    archive.note_undone(promotion)
    return [*promotion.before, *opened]


def demos_beside(agent: Agent, path: Path) -> list[Demo]:
    """The bank of the winner that a run left in its folder."""
    return load_demos(agent, path) if agent.demos else []


def _first(events: Sequence[EvolutionEvent], kind: type[_Kind]) -> _Kind | None:
    return next((event for event in reversed(events) if isinstance(event, kind)), None)


def _suite_of(agent: Agent) -> dict[str, JsonValue]:
    """The suite that the agent's evidence names, which the next version's goes on with."""
    suite = agent.evidence.get("suite") if isinstance(agent.evidence, dict) else None
    return {} if suite is None else {"suite": suite}


def _evidence(result: Result, today: str) -> dict[str, JsonValue]:
    """What the gate found; the scores by split are recorded by a run of the suite."""
    kept: dict[str, JsonValue] = {}
    gate = result.gate
    assert gate is not None
    decision = gate.decision
    kept["gate"] = {
        "number": gate.number,
        "word": decision.word,
        "p": float(f"{decision.p_value:.2g}"),
        "alpha": round(decision.alpha, 5),
        "incumbent": round(decision.incumbent, 3),
        "candidate": round(decision.candidate, 3),
        "interval": [round(decision.low, 3), round(decision.high, 3)],
        "families": decision.families,
        "cases": decision.cases,
        "vote": None if gate.vote is None else round(gate.vote, 3),
    }
    kept["run"] = result.record.run
    kept["candidate"] = result.finished.winner
    kept["provider"] = result.started.provider
    kept["date"] = today
    return kept


def _pin(result: Result) -> list[str]:
    """Failure cases that drove this run and that the winner passes."""
    mended = [task for task in result.started.tasks if task.status == "open" and task.id in result.passed]
    pinned = []
    for task in mended:
        path = Path(task.file)
        if path.is_file():
            CaseFolder(path.parent).update(path, lambda case: replace(case, status="pinned"))
            pinned.append(str(path.resolve()))
    return pinned


def _text(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None


def _is_tracked(path: Path) -> bool:
    """Whether git has the file."""
    try:
        found = subprocess.run(
            ["git", "ls-files", "--error-unmatch", path.name],
            cwd=path.resolve().parent,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=20,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return found.returncode == 0
