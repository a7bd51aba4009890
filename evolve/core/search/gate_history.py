"""The record of a project's gates, and which gate families have been used too often.

A gate's families are meant to be seen once. Each result shows people and later searches a little of what is in them.
So a family can test an agent a few times and must then be replaced by a new one (the reusable holdout: Dwork et al.,
"The reusable holdout: preserving validity in adaptive data analysis", Science 349, 2015).
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from evolve.core.model.gate import Lane, Word

WORN_AFTER = 3
"""After this many results about an agent a family is worn for it: each result gives away a little, see above."""


@dataclass(frozen=True, slots=True)
class GateRecord:
    """One gate of the project. Opening it spends its level, even if it never comes to a result."""

    number: int
    """Counts from 1."""
    run: str
    agent: str
    """Name, without version."""
    parent: str
    """NAME@VERSION of the incumbent."""
    opened: str
    """Date, ISO 8601; so is `decided`."""
    alpha: float
    decided: str = ""
    """Empty, like all fields below, while there is no result."""
    candidate: str = ""
    word: Word | None = None
    p_value: float = 1.0
    gain: float = 0.0
    cases: int = 0
    families: tuple[str, ...] = ()
    """The gate families that were read."""
    lane: Lane = "better"
    """Which levels the gate spends."""
    new_harm: tuple[str, ...] = ()
    """Cases where the candidate did harm and the incumbent did not."""


@dataclass(frozen=True, slots=True)
class GateSupply:
    """Which gate families can still test an agent."""

    usable: tuple[str, ...]
    """The least read first, then in alphabetical order."""
    worn: tuple[str, ...]
    """Read by too many gates of the agent."""
    searched: tuple[str, ...]
    """Seen by a search; no gate can use them."""

    @property
    def is_exhausted(self) -> bool:
        """No family is left."""
        return not self.usable

    @property
    def advice(self) -> str:
        """What a person should know and do; empty while every family is usable."""
        lost = len(self.worn) + len(self.searched)
        if not lost:
            return ""
        known = lost + len(self.usable)
        state = (
            "no gate family is left" if self.is_exhausted else f"{len(self.usable)} of {known} gate families are left"
        )
        return (
            f"{state}: {len(self.worn)} were read by {WORN_AFTER} gates, {len(self.searched)} were seen by a search; "
            f"add cases of new root causes with 'split: gate'"
        )


def usable_gate_families(
    families: Iterable[str], gates: Sequence[GateRecord], agent: str, *, searched: Iterable[str] = ()
) -> GateSupply:
    """Return which gate families can still be used to test the agent.

    Args:
        families: of the gate split.
        gates: the project's, of all agents.
        agent: name without version; gates of other agents do not count.
        searched: families that the search sees too, such as those of its failure cases.
    """
    reads = family_reads(gates, agent)
    known = sorted(set(families), key=lambda family: (reads[family], family))
    seen = set(searched)
    return GateSupply(
        usable=tuple(f for f in known if f not in seen and reads[f] < WORN_AFTER),
        worn=tuple(f for f in known if f not in seen and reads[f] >= WORN_AFTER),
        searched=tuple(f for f in known if f in seen),
    )


def family_reads(gates: Sequence[GateRecord], agent: str) -> Counter[str]:
    """Return how many gate results about the agent each family has contributed to."""
    return Counter(family for gate in gates if gate.agent == agent for family in gate.families)


def families_hash(families: Iterable[str]) -> str:
    """Return sixteen hex digits; the same for the same families in any order."""
    return hashlib.sha256("\n".join(sorted(set(families))).encode()).hexdigest()[:16]
