"""A winner becomes an agent's next version, with its evidence, as one diff that can be reviewed and undone."""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from evolve.core.cases.failure_case import FailureCase
from evolve.core.evaluation.evidence import MODELS
from evolve.core.evolution.origins import origins
from evolve.core.formats.front_matter import split_front_matter
from evolve.core.model.agents import Agent, Demo, parse_agent
from evolve.core.model.errors import InputError, Location, Problem
from evolve.core.model.evolution_events import (
    CandidateProposed,
    CaseRecorded,
    EvolutionEvent,
    EvolutionFinished,
    EvolutionStarted,
    GateDecided,
    Promoted,
    RolloutScored,
)
from evolve.core.model.gate import BeyondLookup, GateDecision
from evolve.core.model.json_value import JsonValue
from evolve.core.search.genome import agent_of, incumbent_of
from evolve.core.templating.templates import Templates
from evolve.store.agent_files import agent_text, write_agent
from evolve.store.agents import find_agent, load_agent, load_demos
from evolve.store.archive import Archive, Promotion, RunRecord
from evolve.store.case_files import CaseFolder, load_case
from evolve.system.atomic_files import write_together
from evolve.system.disk_faults import store_fault

_Kind = TypeVar("_Kind")

_RECORDED = frozenset(("suite", "splits", "tolerance"))
"""What runs of the agent's suite write into its evidence after a promotion."""


@dataclass(frozen=True, slots=True)
class Result:
    """What a run found, as promotion needs it."""

    record: RunRecord
    started: EvolutionStarted
    gate: GateDecided | None
    finished: EvolutionFinished
    passed: frozenset[str]
    """Ids of the cases that the winner passed at its last try."""
    origins: tuple[str, ...] = ()
    """What people wrote that the winner is or was made of."""


def result_of(archive: Archive, name: str | None) -> Result:
    """Return the result of a run.

    Raises:
        InputError: no such run, or it has not ended.
    """
    record = archive.find(name)
    events = list(archive.events(record.run))
    started = _first(events, EvolutionStarted)
    finished = _first(events, EvolutionFinished)
    if started is None or finished is None:
        raise InputError(Problem(f"run {record.run} has not ended", None, f"continue it: {record.command}"))
    scored = [e for e in events if isinstance(e, RolloutScored) and e.candidate == finished.winner]
    passed = {e.task: e.passed for e in scored}
    gate = _first(events, GateDecided)
    known = {e.candidate.id: e.candidate for e in events if isinstance(e, CandidateProposed)}
    solved = frozenset(task for task, good in passed.items() if good)
    return Result(record, started, gate, finished, solved, origins(known, finished.winner))


def winner_of(result: Result) -> tuple[Agent, list[Demo]]:
    """Return the winner that the run left in its folder, and the bank next to it.

    Raises:
        InputError: it no longer exists, or is damaged.
    """
    path = Path(result.record.winner_file)
    hint = f"run this again, its answers are free: {result.record.command}"
    if not path.is_file():
        message = f"the winner of run {result.record.run} no longer exists"
        raise InputError(Problem(message, Location(str(path)), hint))
    try:
        winner = load_agent(path)
        return winner, load_demos(winner, path)
    except InputError as error:
        raise InputError([replace(problem, hint=hint) for problem in error.problems]) from None


def find_compared_agent(result: Result, named: str | None) -> Path:
    """Return the file of the agent that the run compared its winner with; `named` is its place now, if it was moved.

    Raises:
        InputError: the file does not exist.
    """
    if named is not None:
        return find_agent(named)
    path = Path(result.record.agent_file)
    if not path.is_file():
        message = f"{result.started.agent}, the agent of run {result.record.run}, is no longer here"
        raise InputError(Problem(message, Location(str(path)), "pass the file where it is now: --agent FILE.md"))
    return path


def is_other_agent(target: Path, agent_path: Path) -> bool:
    """Whether the winner goes into another agent's file than the one that it was compared with."""
    return target.resolve() != agent_path.resolve()


def check_promotable(
    result: Result, target: Path, *, may_be_provisional: bool, may_be_lookup: bool = False, is_ci: bool
) -> None:
    """Raise where the result must not be promoted.

    Args:
        result: what the run found.
        target: the file that the promotion would write.
        may_be_provisional: accept a winner that is better but not proven.
        may_be_lookup: accept a winner that is not shown to be better than the best baseline without a model.
        is_ci: whether this is a CI job, which must not change files under version control.

    Raises:
        InputError: every reason at once.
    """
    problems = []
    outcome, run = result.finished.outcome, result.record.run
    if outcome == "provisional" and not may_be_provisional:
        hint = "evolve again with more gate families or a larger --budget, or accept the risk: --provisional"
        problems.append(Problem(f"run {run} is provisional: {result.finished.reason}", None, hint))
    elif outcome not in ("proven", "provisional"):
        problems.append(Problem(f"run {run} has nothing to promote ({outcome}): {result.finished.reason}"))
    if result.gate and outcome in ("proven", "provisional") and not may_be_lookup:
        problems += _lookup_problems(run, result.gate.beyond)
    if is_ci and _is_tracked(target):
        problems.append(
            Problem(f"{target} is under version control", None, "no agent is promoted in CI: promote by hand")
        )
    if target.suffix != ".md":
        problems.append(Problem("an agent's file ends in .md", Location(str(target)), "pass another one: --to FILE.md"))
    if problems:
        raise InputError(problems)


def _lookup_problems(run: str, found: BeyondLookup | None) -> list[Problem]:
    if found is None or found.is_beyond:
        return []
    lead = f"{100 * found.gain:+.1f} points, {100 * found.low:+.1f} to {100 * found.high:+.1f}"
    what = f"run {run}: the winner is not shown to be better than a lookup without a model ({found.baseline}: {lead})"
    return [Problem(what, None, "use the lookup, or promote the winner anyway: --despite-lookup")]


def next_version(result: Result, winner: Agent, agent_path: Path, target: Path, today: str) -> Agent:
    """Return the winner as the target's next version, with its evidence.

    Args:
        result: what the run found.
        winner: the agent that the run left in its folder.
        agent_path: the file of the agent that the winner was compared with.
        target: the file that the promotion writes; it may be new.
        today: the date for the evidence, YYYY-MM-DD.

    Raises:
        InputError: the agent has changed since the run compared the winner with it, or the target's inputs or output
            differ from the winner's.
    """
    now = load_agent(agent_path)
    if now.title != result.started.agent:
        message = f"it is {now.title} now; run {result.record.run} compared its winner with {result.started.agent}"
        raise InputError(Problem(message, Location(str(agent_path)), "evolve again from the current version"))
    if agent_text(replace(agent_of(incumbent_of(now), now), evidence=None)) != result.started.incumbent.text:
        message = f"it was edited since run {result.record.run} compared its winner with it"
        raise InputError(Problem(message, Location(str(agent_path)), "evolve again from the current text"))
    known = load_agent(target) if target.exists() else replace(winner, name=target.stem, version=0)
    _check_contract(winner, known, target)
    is_other = is_other_agent(target, agent_path)
    compared: dict[str, JsonValue] = {"compared_with": now.title} if is_other else {}
    return replace(
        winner,
        name=known.name,
        version=known.version + 1,
        description=known.description if is_other else winner.description,
        parent=now.title,
        evidence={
            **_suite_of(known),
            **_suite_of(now),
            **_of_provider({**_evidence(result, today), **compared}, result.started.provider, winner.model),
        },
    )


def _check_contract(winner: Agent, known: Agent, target: Path) -> None:
    """Raise where a caller of the target's agent would have to change: other inputs, or another output."""
    where = Location(str(target))
    problems = []
    mine, theirs = ({item.name for item in agent.inputs} for agent in (winner, known))
    if mine != theirs:
        message = f"the winner's inputs are {sorted(mine)}, those of {known.title} are {sorted(theirs)}"
        problems.append(Problem(message, where, "pass a new file: --to FILE.md"))
    if winner.output != known.output:
        message = f"the winner's output schema differs from that of {known.title}"
        problems.append(Problem(message, where, "pass a new file: --to FILE.md"))
    if problems:
        raise InputError(problems)


def promote(
    archive: Archive, result: Result, agent: Agent, demos: Sequence[Demo], target: Path
) -> tuple[Promoted, list[str]]:
    """Write the agent and its bank, pin the failure cases that it fixes, and record how to undo it.

    Args:
        archive: where the promotion is recorded.
        result: what the run found.
        agent: the next version.
        demos: its bank.
        target: its file.

    Returns:
        The event, and the failure cases that are pinned now.
    """
    bank = target.parent / "demos" / f"{agent.name.lower()}.yaml"
    before = {str(path.resolve()): _text_in(path) for path in (target, bank)}
    written = write_agent(target, agent, demos, Templates("strict").render)
    # Record and pin only after the files are in place: a failed write must leave neither.
    pinned = _pin(result)
    after = {str(path.resolve()): path.read_text(encoding="utf-8") for path in written}
    kept = {name: text for name, text in before.items() if name in after}
    archive.note_promotion(target.resolve(), result.record.run, kept, after, pinned)
    promoted = Promoted(agent.title, str(target), result.finished.winner, result.finished.outcome)
    archive.append(result.record.run, [*(_event_of_pin(name) for name in pinned), promoted])
    return promoted, pinned


def undo(archive: Archive, promotion: Promotion) -> list[str]:
    """Put back what a promotion changed; the cases that it pinned become open again.

    Returns:
        The files that were changed.

    Raises:
        InputError: a file was changed since; then no file is touched. Scores by split that were recorded in the agent
            do not count as a change.
        StoreFault: a file cannot be written or removed.
    """
    changed = [name for name, text in promotion.after.items() if _is_changed(name, text)]
    if changed:
        hint = "use your version control to go back, or undo those changes first"
        raise InputError([Problem("changed since the promotion", Location(name), hint) for name in changed])
    write_together({Path(name): text for name, text in promotion.before.items() if text is not None})
    for path in [Path(name) for name, text in promotion.before.items() if text is None]:
        _remove(path)
    opened = [name for name in promotion.pinned if _reopen(Path(name))]
    archive.note_undone(promotion)
    return [*promotion.before, *opened]


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise store_fault(f"cannot remove {path}", path, error) from error


def _event_of_pin(file: str) -> CaseRecorded:
    case = load_case(Path(file))
    return CaseRecorded(file, case.fingerprint, case.agent, case.status, "pinned")


def _first(events: Sequence[EvolutionEvent], kind: type[_Kind]) -> _Kind | None:
    return next((event for event in reversed(events) if isinstance(event, kind)), None)


def _suite_of(agent: Agent) -> dict[str, JsonValue]:
    """The suite that the agent's evidence names; the next version keeps it."""
    suite = agent.evidence.get("suite") if isinstance(agent.evidence, dict) else None
    return {} if suite is None else {"suite": suite}


def _of_provider(found: dict[str, JsonValue], provider: str, own: str) -> dict[str, JsonValue]:
    """Return the evidence in its place: that of another model than the agent's own is below `models`.

    Evidence of the version before is not kept, for whichever model: it was measured with another prompt.
    """
    return found if provider == own or not own else {MODELS: {provider: found}}


def _evidence(result: Result, today: str) -> dict[str, JsonValue]:
    """What the gate found; a run of the suite records the scores by split."""
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
        **_lane(decision),
    }
    if gate.beyond is not None:
        kept["beyond_lookup"] = {
            "baseline": gate.beyond.baseline,
            "score": round(gate.beyond.baseline_score, 3),
            "interval": [round(gate.beyond.low, 3), round(gate.beyond.high, 3)],
        }
    kept["run"] = result.record.run
    kept["candidate"] = result.finished.winner
    if result.origins:
        kept["origin"] = [*result.origins]
    kept["provider"] = result.started.provider
    kept["date"] = today
    return kept


def _lane(decision: GateDecision) -> dict[str, JsonValue]:
    """What only a gate of the lane of cheaper winners has."""
    if decision.tokens is None:
        return {}
    return {"lane": decision.lane, "tokens": [round(decision.tokens.incumbent), round(decision.tokens.candidate)]}


def _pin(result: Result) -> list[str]:
    """Failure cases that drove this run and that the winner passes."""
    fixed = [task for task in result.started.tasks if task.status == "open" and task.id in result.passed]
    pinned = []
    for task in fixed:
        path = Path(result.record.folder, task.file)
        if path.is_file():
            case = CaseFolder(path.parent).update(path, _pin_if_open)
            pinned += [str(path.resolve())] if case.status == "pinned" else []
    return pinned


def _pin_if_open(case: FailureCase) -> FailureCase:
    """The case pinned, if it is open: one that a person retired since the run stays retired."""
    return replace(case, status="pinned") if case.status == "open" else case


def _text_in(path: Path) -> str | None:
    """The text of a file; None where there is none."""
    return path.read_text(encoding="utf-8") if path.is_file() else None


def _is_tracked(path: Path) -> bool:
    """Whether git has the file."""
    try:
        found = subprocess.run(
            ["git", "ls-files", "--error-unmatch", path.name],
            cwd=path.resolve().parent,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=20,  # seconds; git answers in milliseconds, and a stale network mount must not hang a promotion
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return found.returncode == 0


def _is_changed(name: str, promoted: str) -> bool:
    now = _text_in(Path(name))
    if now is None or now == promoted or not name.endswith(".md"):
        return now != promoted
    try:
        return _without_splits(now, name) != _without_splits(promoted, name)
    except InputError:  # no longer an agent
        return True


def _without_splits(text: str, name: str) -> Agent:
    agent = parse_agent(*split_front_matter(text, name), name)
    return replace(agent, evidence=_promoted_part(agent.evidence))


def _promoted_part(evidence: JsonValue) -> dict[str, JsonValue]:
    """Return the evidence without what runs of the suite record, for any model."""
    kept = dict(evidence) if isinstance(evidence, dict) else {}
    models = kept.pop(MODELS, None)
    parts = {name: _promoted_part(value) for name, value in models.items()} if isinstance(models, dict) else {}
    # A model that only runs of the suite have recorded is no part of the promotion.
    promoted: dict[str, JsonValue] = {name: part for name, part in parts.items() if part}
    return {
        **{key: value for key, value in kept.items() if key not in _RECORDED},
        **({MODELS: promoted} if promoted else {}),
    }


def _reopen(path: Path) -> bool:
    """Open a case that is still pinned; a person may have retired or deleted it since."""
    if not path.is_file() or load_case(path).status != "pinned":
        return False
    CaseFolder(path.parent).update(path, lambda case: replace(case, status="open"))
    return True
