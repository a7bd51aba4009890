"""Which operator to try next: Thompson sampling (Thompson 1933, Biometrika 25) on gain per rollout.

Each operator has a Beta belief of how often it pays. A trial that gained is a success in the measure of its gain per
rollout, one that did not is a failure; beliefs fade a little, for what helped early seldom helps late.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from evolve.core.search.randomness import Rng

_FADE = 0.97
_GREAT_GAIN = 0.10
"""A gain of so many points of accuracy for ten rollouts counts as a full success."""


@dataclass(slots=True)
class _Belief:
    successes: float
    failures: float


class Bandit:
    """The operators' beliefs.

    Args:
        priors: operator -> (successes, failures) that count as seen; the order of operators breaks ties.
    """

    def __init__(self, priors: Iterable[tuple[str, tuple[float, float]]]) -> None:
        self._beliefs = {name: _Belief(*prior) for name, prior in priors}

    def rank(self, chance: Rng) -> list[str]:
        """Return all operators, ordered by one draw from each belief, the most promising first."""
        drawn = {name: chance.betavariate(b.successes, b.failures) for name, b in self._beliefs.items()}
        return sorted(drawn, key=lambda name: -drawn[name])

    def pay(self, operator: str, gain: float, rollouts: int) -> None:
        """Update the beliefs with one trial.

        Args:
            gain: the child's mean less its parent's on the same cases; in -1..1.
            rollouts: answers that the trial took, bought or free.
        """
        success = min(1.0, max(0.0, gain) / _GREAT_GAIN * 10 / max(rollouts, 10))
        for belief in self._beliefs.values():
            belief.successes = max(0.5, belief.successes * _FADE)
            belief.failures = max(0.5, belief.failures * _FADE)
        self._beliefs[operator].successes += success
        self._beliefs[operator].failures += 1 - success

    def mean(self, operator: str) -> float:
        """Return how often the operator is thought to pay, 0..1."""
        belief = self._beliefs[operator]
        return belief.successes / (belief.successes + belief.failures)
