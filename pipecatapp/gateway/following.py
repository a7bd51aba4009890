"""Follows several things of Consul at once, and knows which of them it does not get."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Final

from evolve.cluster.faults import ClusterFault

_FIRST_PAUSE_S: Final = 0.5
_LONGEST_PAUSE_S: Final = 10.0
"""After a fault of Consul; what was known stays in use meanwhile."""


class Following:
    """Tasks, each of which waits for one thing of Consul again and again."""

    def __init__(self) -> None:
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._problems: dict[str, str] = {}

    @property
    def problem(self) -> str:
        """The first thing's that Consul does not give; empty while it gives all of them."""
        return next(iter(self._problems.values()), "")

    def names(self) -> frozenset[str]:
        """Return what is followed."""
        return frozenset(self._tasks)

    def start(self, name: str, step: Callable[[], Awaitable[None]]) -> None:
        """Follow one thing.

        Args:
            name: of the thing.
            step: waits for its next state, and takes it.
        """
        self._tasks[name] = asyncio.create_task(self._repeat(name, step))

    def end(self, name: str) -> None:
        """Follow one thing no longer."""
        self._tasks.pop(name).cancel()
        self._problems.pop(name, None)

    async def stop(self) -> None:
        """End all of it."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _repeat(self, name: str, step: Callable[[], Awaitable[None]]) -> None:
        pause_s = _FIRST_PAUSE_S
        while True:
            try:
                await step()
                self._problems.pop(name, None)
                pause_s = _FIRST_PAUSE_S
            except ClusterFault as fault:
                self._problems[name] = fault.message
                # Not all gateways at once, when Consul is back.
                await asyncio.sleep(pause_s * random.uniform(0.5, 1))
                pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)
