"""The decision of a gate, as a value for events, logs and reports."""

from dataclasses import dataclass
from typing import Literal

Word = Literal["proven", "provisional", "rejected"]
"""proven: better, significant at the level that was spent. provisional: better, but not significant. rejected: not
better, or it fails a pinned case, or does harm where the incumbent does none."""


Lane = Literal["better", "cheaper"]
"""What a gate tests. better: the candidate is better. cheaper: it is not worse by 2 points, with a fifth fewer tokens.
Each lane has levels of its own."""


@dataclass(frozen=True, slots=True)
class TokensPerAnswer:
    """Tokens that incumbent and candidate need for an answer, prompt included, on the same cases."""

    incumbent: float
    candidate: float

    @property
    def saved(self) -> float:
        """The share that the candidate saves; below 0 where it needs more, 0 where none are reported."""
        return (self.incumbent - self.candidate) / self.incumbent if self.incumbent else 0.0


@dataclass(frozen=True, slots=True)
class Pair:
    """One case answered by incumbent and candidate: mean scores over repeats, each 0..1."""

    task: str
    family: str
    incumbent: float
    candidate: float


@dataclass(frozen=True, slots=True)
class BeyondLookup:
    """The winner compared with the best baseline that asks no model, on the gate's cases."""

    baseline: str
    """Which baseline it was."""
    baseline_score: float
    """Mean of the family means, 0..1; the same for `winner_score`."""
    winner_score: float
    low: float
    high: float
    """Ends of the difference's 95 % confidence interval, by family, as for the gate's gain."""
    cases: int
    families: int

    @property
    def gain(self) -> float:
        """Winner minus baseline."""
        return self.winner_score - self.baseline_score

    @property
    def is_beyond(self) -> bool:
        """Whether the interval's lower end is above 0: chance alone does not explain that the winner is better."""
        return self.low > 0


@dataclass(frozen=True, slots=True)
class GateDecision:
    """The gate's decision and the evidence for it."""

    word: Word
    reason: str
    """One sentence for people."""
    p_value: float
    """One-sided, by family: from the paired sign-flip test, or for cheaper winners from `core/search/cheaper.py`."""
    alpha: float
    """The level that this decision was allowed to spend."""
    incumbent: float
    """Mean of the family means, 0..1; the same for `candidate`."""
    candidate: float
    low: float
    high: float
    """Ends of the gain's 95 % confidence interval, by family: all gains that the test does not refute."""
    cases: int
    families: int
    missing_families: int
    """How many more families a proof of this gain would need; 0 unless the word is provisional."""
    discordant: tuple[Pair, ...] = ()
    """The pairs that differ, the losses first."""
    lost_pinned: tuple[str, ...] = ()
    """Pinned cases that the candidate fails k of n times."""
    disagreement: float | None = None
    """Share of repeated gate answers that changed; None when none was repeated."""
    new_harm: tuple[str, ...] = ()
    """Cases where the candidate's answer does harm and the incumbent's does not."""
    lane: Lane = "better"
    tokens: TokensPerAnswer | None = None
    """Only in the lane of cheaper winners."""

    @property
    def gain(self) -> float:
        """Candidate minus incumbent."""
        return self.candidate - self.incumbent
