"""The server's time: the machine's, or a virtual one that does not advance by itself.

Virtual time is for the mock driver alone. A process or a container lives in the machine's time, and nothing says from
outside when it is next due to change: a task that sleeps looks like one that waits for a request, and what it reads of
the clock, its timeouts and its peers would not move along. Time that moves on while no process changes would therefore
fail deployments and expire restarts that a real Nomad would not.
"""

from __future__ import annotations

import time

from .shapes import SECOND


class Clock:
    """The machine's time."""

    def now_ns(self) -> int:
        """Nanoseconds since 1970."""
        return time.time_ns()


class VirtualClock(Clock):
    """A time of its own, for jobs of the mock driver: hours of it pass in seconds."""

    def __init__(self, start_s: int = 1_800_000_000) -> None:
        """The time at the start, in seconds since 1970."""
        self._now_ns = start_s * SECOND

    def now_ns(self) -> int:
        """Nanoseconds since 1970."""
        return self._now_ns

    def advance(self, seconds: float) -> None:
        """Moves the time on."""
        self._now_ns += int(seconds * SECOND)
