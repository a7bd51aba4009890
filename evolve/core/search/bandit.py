"""Which operator to try next: Thompson sampling (Thompson 1933, Biometrika 25) on gain per rollout.

Each operator has a Beta belief about how often it pays. A trial with a gain counts as a success in proportion to its
gain per rollout, one without as a failure. Beliefs fade a little, because what helped early seldom helps late.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from evolve.core.search.randomness import Rng

_FADE = 0.97
"""What a belief keeps from one trial to the next; a trial weighs half after 23 more of them (0.97 ** 23 = 0.5)."""
_GREAT_GAIN = 0.10
"""A gain of 10 points of accuracy for ten rollouts counts as a full success."""
_UNIT_ROLLOUTS = 10
"""The rollouts that gains are measured by. Fewer count as ten: a short trial, such as a screen, shows little."""
_LEAST_COUNT = 0.5
"""No belief fades below this: a Beta draw needs positive counts, and near 0 it would be almost always 0 or 1."""


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

    def rank(self, rng: Rng) -> list[str]:
        """Return all operators, ordered by one draw from each belief, the most promising first."""
        drawn = {name: rng.betavariate(b.successes, b.failures) for name, b in self._beliefs.items()}
        return sorted(drawn, key=lambda name: -drawn[name])

    def pay(self, operator: str, gain: float, rollouts: int) -> None:
        """Update the beliefs with one trial.

        Args:
            gain: the child's mean minus its parent's on the same cases; in -1..1.
            rollouts: answers that the trial took, paid for or free.
        """
        success = min(1.0, max(0.0, gain) / _GREAT_GAIN * _UNIT_ROLLOUTS / max(rollouts, _UNIT_ROLLOUTS))
        for belief in self._beliefs.values():
            belief.successes = max(_LEAST_COUNT, belief.successes * _FADE)
            belief.failures = max(_LEAST_COUNT, belief.failures * _FADE)
        self._beliefs[operator].successes += success
        self._beliefs[operator].failures += 1 - success

    def mean(self, operator: str) -> float:
        """Return how often the operator is expected to pay, 0..1."""
        belief = self._beliefs[operator]
        return belief.successes / (belief.successes + belief.failures)
