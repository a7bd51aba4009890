"""The verdict of a gate, as a value: events, logs and reports carry it."""

from dataclasses import dataclass
from typing import Literal

Word = Literal["proven", "provisional", "rejected"]
"""proven: better at the level that was spent; provisional: better, not proven; rejected: no better, or a pinned case
was lost."""


@dataclass(frozen=True, slots=True)
class Pair:
    """One case answered by both: means over repeats, each 0..1."""

    task: str
    family: str
    incumbent: float
    candidate: float


@dataclass(frozen=True, slots=True)
class GateDecision:
    """The gate's word and the evidence for it."""

    word: Word
    reason: str
    """One sentence for people."""
    p_value: float
    """One-sided, of the paired sign-flip permutation by family."""
    alpha: float
    """The level that this decision was allowed to spend."""
    incumbent: float
    """Mean over families of the family means, 0..1."""
    candidate: float
    low: float
    high: float
    """Low and high end of the gain's 95 % confidence interval, by family: what the test does not refute."""
    cases: int
    families: int
    missing_families: int
    """How many more families would have been needed to prove a gain of this size; 0 unless the word is provisional."""
    discordant: tuple[Pair, ...] = ()
    """The pairs that differ, the losses first."""
    lost_pinned: tuple[str, ...] = ()
    """Pinned cases that the candidate loses k of n times."""
    disagreement: float | None = None
    """Share of re-asked gate answers that came out differently; None when none was re-asked."""

    @property
    def gain(self) -> float:
        """Candidate minus incumbent."""
        return self.candidate - self.incumbent
