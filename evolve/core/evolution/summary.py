"""The state of an evolution: its events folded into one value that both the console and the report use.

The value is complete after each event, so a run that was killed has a summary too, with less in it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import singledispatchmethod
from typing import Literal, NamedTuple

from evolve.core.evolution.candidate import CandidateRecord, Cell, cell_passed, cell_score
from evolve.core.evolution.origins import origins
from evolve.core.evolution.reflector_yield import ReflectorYield, reflector_yields
from evolve.core.model.answers import TokenUsage
from evolve.core.model.evolution_events import (
    VOTE,
    Accepted,
    Account,
    CandidateInfo,
    CandidateProposed,
    CandidateScored,
    CandidateScreened,
    CaseRecorded,
    EstimateRevised,
    EvolutionEvent,
    EvolutionFinished,
    EvolutionStarted,
    GateDecided,
    GateStarted,
    Promoted,
    ProposalRejected,
    ReflectorStopped,
    RolledBack,
    RolloutScored,
    TaskInfo,
)
from evolve.core.text.counts import count

Phase = Literal["starting", "search", "gate", "finished"]


class CurvePoint(NamedTuple):
    """A candidate's mean on train after a number of paid calls (`spent`)."""

    spent: int
    candidate: str
    mean: float
    is_best: bool
    """Whether the line of the best candidate goes through this point."""


@dataclass(slots=True, eq=False)
class EvolutionSummary:
    """The run so far. The cost of `add` does not grow with the run."""

    started: EvolutionStarted | None = None
    tasks: dict[str, TaskInfo] = field(default_factory=dict)
    candidates: dict[str, CandidateRecord] = field(default_factory=dict)
    """In the order in which they were proposed; the incumbent first."""
    points: list[CurvePoint] = field(default_factory=list)
    rejected: list[ProposalRejected] = field(default_factory=list)
    revised: EstimateRevised | None = None
    """The last estimate of the rest; None before the first one."""
    reflectors_stopped: list[ReflectorStopped] = field(default_factory=list)
    """Why reflectors were not asked to the end; without those that were."""
    recorded: list[CaseRecorded] = field(default_factory=list)
    gate_started: GateStarted | None = None
    gate: GateDecided | None = None
    promoted: Promoted | None = None
    """The last promotion, even if it was rolled back."""
    rolled_back: RolledBack | None = None
    """The rollback of that promotion."""
    finished: EvolutionFinished | None = None
    spent: int = 0
    """Paid calls of search and gate."""
    _used: float = 0.0
    best: str = ""
    """Id of the best candidate so far; the incumbent's until another is better."""
    current: str = ""
    """Id of the candidate that answered last."""
    _counted: dict[str, int] = field(default_factory=lambda: {"search": 0, "gate": 0, "free": 0})
    _tokens: TokenUsage = field(default_factory=TokenUsage)

    # --- adding events

    @singledispatchmethod
    def add(self, event: EvolutionEvent) -> None:
        """Add the next event."""
        raise TypeError(f"not an event of an evolution: {event!r}")

    @add.register
    def _(self, event: EvolutionStarted) -> None:
        # A second start is a resumed run, which repeats all events from the first candidate on.
        self.started, self.finished, self.gate_started, self.gate = event, None, None, None
        self._used = 0.0
        self.spent, self.points, self.rejected, self.reflectors_stopped, self.revised = 0, [], [], [], None
        self.tasks.update({task.id: task for task in event.tasks})
        self._introduce(event.incumbent, 0)
        self.best = self.best or event.incumbent.id

    @add.register
    def _(self, event: EstimateRevised) -> None:
        self.revised = event

    @add.register
    def _(self, event: CandidateProposed) -> None:
        self._introduce(event.candidate, event.spent)
        self.spent = max(self.spent, event.spent)

    @add.register
    def _(self, event: ProposalRejected) -> None:
        self.rejected.append(event)

    @add.register
    def _(self, event: ReflectorStopped) -> None:
        self.reflectors_stopped.append(event)

    @add.register
    def _(self, event: RolloutScored) -> None:
        self.current = event.candidate
        self.spent = max(self.spent, event.spent)
        self._used = max(self._used, event.used)
        if self._of(event.candidate).add(event):
            self._counted["free" if event.is_free else "gate" if self.gate_started else "search"] += 1
            self._tokens += TokenUsage() if event.is_free else event.tokens

    @add.register
    def _(self, event: CandidateScreened) -> None:
        candidate = self._of(event.candidate)
        self._note(candidate, "passed screening" if event.kept else "screened out", event.reason)
        if not event.kept:
            candidate.status = "screened out"

    @add.register
    def _(self, event: CandidateScored) -> None:
        candidate = self._of(event.candidate)
        candidate.scored[event.split] = event
        if event.dropped or candidate.status == "proposed":
            candidate.status = "dropped" if event.dropped else "scored"
        what = "dropped" if event.dropped else "scored"
        self._note(
            candidate, f"{what} on {count(event.cases, f'{event.split} case')}, mean {event.mean:.3f}", event.reason
        )
        if event.split == "train" and event.candidate != VOTE:
            is_first = self.started is not None and event.candidate == self.started.incumbent.id
            self.points.append(CurvePoint(self.spent, event.candidate, event.mean, is_first))

    @add.register
    def _(self, event: Accepted) -> None:
        candidate = self._of(event.candidate)
        candidate.status = "best" if event.is_best else "accepted"
        self._note(candidate, "accepted as the best so far" if event.is_best else "accepted", event.reason)
        if event.is_best and event.candidate != VOTE:
            self.best = event.candidate
            self._lead(candidate)

    @add.register
    def _(self, event: GateStarted) -> None:
        self.gate_started = event

    @add.register
    def _(self, event: GateDecided) -> None:
        self.gate = event

    @add.register
    def _(self, event: CaseRecorded) -> None:
        self.recorded.append(event)

    @add.register
    def _(self, event: Promoted) -> None:
        self.promoted, self.rolled_back = event, None

    @add.register
    def _(self, event: RolledBack) -> None:
        self.rolled_back = event

    @add.register
    def _(self, event: EvolutionFinished) -> None:
        self.finished = event

    def _lead(self, candidate: CandidateRecord) -> None:
        """Draws the curve's best line through a candidate: through its last point if that is the newest."""
        standing = candidate.result_on("train")
        if self.points and self.points[-1].candidate == candidate.info.id:
            self.points[-1] = self.points[-1]._replace(is_best=True)
        elif standing:
            self.points.append(CurvePoint(self.spent, candidate.info.id, standing.mean, True))

    def _introduce(self, info: CandidateInfo, spent: int) -> None:
        known = self.candidates.get(info.id)
        if known is None:
            self.candidates[info.id] = CandidateRecord(info, spent)
        elif known.info.operator == _UNKNOWN:
            known.info, known.spent = info, spent

    def _of(self, name: str) -> CandidateRecord:
        # A log whose beginning is lost still gives a report.
        self._introduce(CandidateInfo(name, (), _UNKNOWN, "", ""), self.spent)
        return self.candidates[name]

    @staticmethod
    def _note(candidate: CandidateRecord, what: str, reason: str) -> None:
        text = f"{what}: {reason}" if reason else what
        if text not in candidate.reasons:
            candidate.reasons.append(text)

    # --- results

    @property
    def origins(self) -> tuple[str, ...]:
        """What people wrote that the leader is or was made of; empty where the search found it alone."""
        leader = self.leader
        infos = {name: one.info for name, one in self.candidates.items()}
        return origins(infos, leader.info.id) if leader else ()

    @property
    def phase(self) -> Phase:
        """The phase that the run is in."""
        if self.finished:
            return "finished"
        return "gate" if self.gate_started else "search" if self.candidates else "starting"

    @property
    def used(self) -> float:
        """What the run has used of its budget, in the budget's unit."""
        if self.finished and self.finished.account.used:
            return self.finished.account.used
        return self.spent if self.started is None or self.started.budget_unit == "answers" else self._used

    @property
    def budget_left(self) -> float:
        """What is left of the budget, in its unit."""
        return max(self.started.budget - self.used, 0.0) if self.started else 0.0

    @property
    def reflectors(self) -> list[ReflectorYield]:
        """What each reflector's answers were worth."""
        return reflector_yields(self.candidates, self.rejected)

    @property
    def incumbent(self) -> CandidateRecord | None:
        """The agent with which the run began."""
        return self.candidates.get(self.started.incumbent.id) if self.started else None

    @property
    def vote(self) -> CandidateRecord | None:
        """The lookup, which needs no model; None if it did not run."""
        return self.candidates.get(VOTE)

    @property
    def leader(self) -> CandidateRecord | None:
        """The winner; before the end, the best candidate so far."""
        names = (self.finished.winner if self.finished else "", self._at_gate, self.best)
        return next((self.candidates[name] for name in names if name in self.candidates), None)

    @property
    def _at_gate(self) -> str:
        return self.gate_started.winner if self.gate_started else self.gate.candidate if self.gate else ""

    @property
    def has_new_leader(self) -> bool:
        """Whether the leader is not the incumbent."""
        return self.leader is not None and self.leader is not self.incumbent

    @property
    def account(self) -> Account:
        """What the run cost; before its end the sum of its rollouts, without seconds."""
        return self.finished.account if self.finished else Account(**self._counted, tokens=self._tokens)

    @property
    def curve(self) -> tuple[CurvePoint, ...]:
        """Means on train by number of paid calls, beginning with the incumbent's."""
        incumbent = self.incumbent
        standing = incumbent.result_on("train") if incumbent else None
        if incumbent is None or standing is None or any(p.candidate == incumbent.info.id for p in self.points):
            return tuple(self.points)
        return (CurvePoint(0, incumbent.info.id, standing.mean, True), *self.points)

    def family_mean(self, candidate: CandidateRecord, split: str) -> float | None:
        """Return the mean of the family means, as the gate computes it; None without answers on the split."""
        families: dict[str, list[float]] = {}
        for name, cell in candidate.cells.items():
            if cell[0].split == split:
                family = self.tasks[name].family if name in self.tasks else name
                families.setdefault(family, []).append(cell_score(cell))
        means = [sum(scores) / len(scores) for scores in families.values()]
        return sum(means) / len(means) if means else None

    def failing(self, *splits: str) -> Iterator[tuple[str, Cell | None]]:
        """Yield the ids of cases that the leader fails, each with its rollouts if the run has them."""
        cells = self.leader.cells if self.leader else {}
        if self.finished and "train" in splits:
            yield from ((name, cells.get(name)) for name in self.finished.still_failing)
            splits = tuple(split for split in splits if split != "train")
        for name, cell in cells.items():
            if cell[0].split in splits and not cell_passed(cell):
                yield name, cell


_UNKNOWN = "unknown"
"""The operator of a candidate whose proposal is not in the log."""


def fold(events: Iterable[EvolutionEvent]) -> EvolutionSummary:
    """Return the summary of these events."""
    evolution = EvolutionSummary()
    for event in events:
        evolution.add(event)
    return evolution
