"""One candidate of an evolution: its answers, its status, and its comparison with another."""

from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypeAlias

from evolve.core.model.evolution_events import CandidateInfo, CandidateScored, RolloutScored

Status = Literal["proposed", "screened out", "dropped", "scored", "accepted", "best"]
"""How far a candidate came; `best` means that it was the best when it was accepted."""

Cell: TypeAlias = tuple[RolloutScored, ...]
"""One candidate's rollouts on one case, one for each repeat; never empty."""


def cell_score(cell: Cell) -> float:
    """Return the mean score over repeats, 0..1."""
    return sum(rollout.score for rollout in cell) / len(cell)


def cell_passed(cell: Cell) -> bool:
    """Return whether more than half of the repeats passed."""
    return 2 * sum(rollout.passed for rollout in cell) > len(cell)


def cell_harmful(cell: Cell) -> bool:
    """Return whether the answer of any repeat would do harm."""
    return any(rollout.is_harmful for rollout in cell)


class Standing(NamedTuple):
    """A candidate's results on the cases of a split that it answered."""

    cases: int
    passed: int
    harmful: int
    mean: float


class CandidateComparison(NamedTuple):
    """Two candidates on the cases that both answered; `won` and `lost` are the second's."""

    cases: int
    first: float
    second: float
    won: int
    lost: int
    first_harmful: int
    second_harmful: int


@dataclass(slots=True, eq=False)
class CandidateRecord:
    """What is known about one candidate."""

    info: CandidateInfo
    spent: int = 0
    """Paid calls of the run when it was proposed."""
    status: Status = "proposed"
    reasons: list[str] = field(default_factory=list)
    """Decisions about it and the reasons, in order."""
    cells: dict[str, Cell] = field(default_factory=dict)
    """By case."""
    scored: dict[str, CandidateScored] = field(default_factory=dict)
    """The search's own results by split, for splits whose rollouts are missing."""

    def result_on(self, split: str) -> Standing | None:
        """Return its results on a split; None when it answered none of its cases."""
        cells = [cell for cell in self.cells.values() if cell[0].split == split]
        if not cells:
            reported = self.scored.get(split)
            return Standing(reported.cases, 0, 0, reported.mean) if reported else None
        mean = sum(map(cell_score, cells)) / len(cells)
        return Standing(len(cells), sum(map(cell_passed, cells)), sum(map(cell_harmful, cells)), mean)

    def add(self, rollout: RolloutScored) -> bool:
        """Add a rollout and return whether it is new; one that a resumed run repeats replaces the earlier one."""
        known = self.cells.get(rollout.task, ())
        others = tuple(item for item in known if item.repeat != rollout.repeat)
        self.cells[rollout.task] = (*others, rollout)
        return len(others) == len(known)


def compare(first: CandidateRecord, second: CandidateRecord, split: str) -> CandidateComparison | None:
    """Compare two candidates on the cases of a split that both answered; None when there are none."""
    pairs = [
        (cell, second.cells[task])
        for task, cell in first.cells.items()
        if task in second.cells and cell[0].split == split
    ]
    if not pairs:
        return None
    gains = [cell_score(right) - cell_score(left) for left, right in pairs]
    return CandidateComparison(
        len(pairs),
        sum(cell_score(left) for left, _ in pairs) / len(pairs),
        sum(cell_score(right) for _, right in pairs) / len(pairs),
        sum(gain > 0 for gain in gains),
        sum(gain < 0 for gain in gains),
        sum(cell_harmful(left) for left, _ in pairs),
        sum(cell_harmful(right) for _, right in pairs),
    )
