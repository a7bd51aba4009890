"""Blocking queries: waits for a thing to change, with an index that follows the server's and a limit on their rate."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from evolve.cluster.faults import ClusterFault, NotFound

T = TypeVar("T")
LONGEST_WAIT_S = 600.0
"""What both servers allow; they cut a longer wait without a word."""


@dataclass(frozen=True, slots=True)
class Seen(Generic[T]):
    """A value with the index of its state."""

    value: T
    index: int


Read = Callable[[int, float], Awaitable[Seen[T]]]
"""Reads once: from an index on (0: at once), waiting for at most so many seconds."""


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `burst` questions at once, and one in `every_s` from then on: a server may wake its callers at will."""

    every_s: float = 1.0
    burst: int = 5
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


class Watch(Generic[T]):
    """Follows one thing. A fault is raised to the caller and loses nothing.

    The next call of `next` after a fault returns the thing as it is, changed or not: that is how its caller learns that
    the server answers again.
    """

    def __init__(self, read: Read[T], *, wait_s: float = 60.0, rate: Rate | None = None) -> None:
        """Make a watch that has asked nothing yet.

        Args:
            read: the blocking query.
            wait_s: how long one query may wait; at most 600 s.
            rate: limits of the questions.
        """
        self._read = read
        self._wait_s = min(wait_s, LONGEST_WAIT_S)
        self._rate = rate or Rate()
        self._allowed = float(self._rate.burst)
        self._asked_at = self._rate.clock()
        self._index = 0
        self._last: T | None = None
        self._is_first = True

    @property
    def index(self) -> int:
        """The index that the next question starts from; 0 asks for the state as it is."""
        return self._index

    async def next(self) -> T | None:
        """Return the thing at first, after a fault, and whenever it differs; None when it does not exist."""
        while True:
            await self._wait_for_turn()
            try:
                seen = await self._ask()
            except ClusterFault:
                self._index, self._is_first = 0, True
                raise
            self._follow(seen.index)
            # A list with a prefix also wakes for its neighbours: contents are compared, not wake-ups.
            if self._is_first or seen.value != self._last:
                self._is_first, self._last = False, seen.value
                return seen.value

    async def _ask(self) -> Seen[T | None]:
        try:
            seen = await self._read(self._index, self._wait_s)
        except NotFound as fault:
            # A missing thing has an index too, and its creation wakes the query.
            return Seen(None, fault.index)
        return Seen(seen.value, seen.index)

    def _follow(self, index: int) -> None:
        """Take the server's index; one that went backwards is of a restored or another state, so all is read again."""
        self._index = index if index >= self._index else 0

    async def _wait_for_turn(self) -> None:
        rate = self._rate
        now = rate.clock()
        self._allowed = min(rate.burst, self._allowed + (now - self._asked_at) / rate.every_s)
        self._asked_at = now
        self._allowed -= 1
        if self._allowed < 0:
            await rate.sleep(-self._allowed * rate.every_s)
