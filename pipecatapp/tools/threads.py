"""Work that blocks, in a thread that notices when nobody waits for it any more."""

import asyncio
from collections.abc import Callable
from threading import Event
from typing import TypeVar

T = TypeVar("T")


class Stopped(Exception):
    """Nobody waits for the work any more."""


class Stop:
    """Says whether work should go on. Python cannot end a thread, so that the work has to ask."""

    def __init__(self) -> None:
        self._event = Event()

    def set(self) -> None:
        """Ask the work to end."""
        self._event.set()

    def check(self) -> None:
        """Raise Stopped where nobody waits any more."""
        if self._event.is_set():
            raise Stopped


async def in_thread(work: Callable[[Stop], T]) -> T:
    """Return what the work returns; when the caller is cancelled, the work's next `check` ends it."""
    stop = Stop()
    try:
        return await asyncio.to_thread(work, stop)
    finally:
        stop.set()
