"""The random numbers that the search needs. The loop passes a seeded `random.Random`: the same seed, the same run."""

from collections.abc import MutableSequence, Sequence
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


class Rng(Protocol):
    """A seeded source of random numbers."""

    def random(self) -> float:
        """Return a number in [0, 1)."""
        ...

    def choice(self, seq: Sequence[T], /) -> T:
        """Return one of the members, all equally likely."""
        ...

    def sample(self, population: Sequence[T], k: int, /) -> list[T]:
        """Return `k` different members."""
        ...

    def shuffle(self, x: MutableSequence[Any], /) -> None:
        """Put the members in random order, in place."""
        ...

    def betavariate(self, alpha: float, beta: float, /) -> float:
        """Return a draw from the Beta distribution."""
        ...
