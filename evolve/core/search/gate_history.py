"""What a project remembers of its gates, and which gate families they have worn out.

A gate's families are there to be seen once. Each word about them tells the people and the searches that follow a little
of what is in them, so that a family serves an agent a few times and is then to be replaced by a new one (the reusable
holdout: Dwork et al., "The reusable holdout: preserving validity in adaptive data analysis", Science 349, 2015).
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from evolve.core.model.gate import Word

WORN_AFTER = 3
"""So many words about a family, and it is worn for the agent they were about."""


@dataclass(frozen=True, slots=True)
class GateRecord:
    """One gate of the project's life. Opening it spends its level, even if it never comes to a word."""

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
    """Empty, as all below, while there is no word."""
    candidate: str = ""
    word: Word | None = None
    p_value: float = 1.0
    gain: float = 0.0
    cases: int = 0
    families: tuple[str, ...] = ()
    """The gate families that were read."""


@dataclass(frozen=True, slots=True)
class GateSupply:
    """Which gate families an agent may still be tried on."""

    usable: tuple[str, ...]
    """The least read first; of equals in alphabetical order."""
    worn: tuple[str, ...]
    """Read by too many gates of the agent."""
    searched: tuple[str, ...]
    """Seen by a search, and so of no use to any gate."""

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
        agent: name without version; what gates of other agents read counts for nothing.
        searched: families that stand before the search as well, such as those of its failure cases.
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
