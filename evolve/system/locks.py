"""Locks between processes: `flock` on a file or a folder.

The kernel releases a lock when its holder ends, killed or not, and no child inherits it. A network file system may not
support locks; taking one is an OSError then.
"""

import asyncio
import fcntl
import math
import os
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

FOREVER: Final = math.inf
"""The `wait_s` without a deadline."""

_POLL_S: Final = 0.05
"""Between two tries to take a lock with a deadline or in an event loop: short for a person, cheap in CPU."""


@contextmanager
def locked(place: Path, *, wait_s: float = FOREVER, poll_s: float = _POLL_S) -> Iterator[bool]:
    """Hold the lock of a file or folder for as long as the context lasts, and yield whether it is held.

    Without a deadline that is always True. False means that another process still holds the lock.

    Args:
        place: a folder, which must exist, or a file, which is made when it is missing (mode 0600) and stays.
        wait_s: how long to wait for another holder; 0 tries once.
        poll_s: between two tries with a deadline. Holders that take the lock again and again leave it free for moments
            only, which long pauses miss.

    Raises:
        OSError: the place cannot be opened, or its file system does not support locks.
    """
    handle = _open(place)
    try:
        yield take_lock(handle, wait_s=wait_s, poll_s=poll_s)
    finally:
        os.close(handle)


@asynccontextmanager
async def locked_async(place: Path, *, wait_s: float = FOREVER) -> AsyncIterator[bool]:
    """Do the same as `locked` without blocking the event loop."""
    handle = _open(place)
    try:
        until = time.monotonic() + wait_s
        while not (is_held := take_lock(handle, wait_s=0)) and time.monotonic() < until:
            await asyncio.sleep(_POLL_S)
        yield is_held
    finally:
        os.close(handle)


def take_lock(handle: int, *, wait_s: float = FOREVER, poll_s: float = _POLL_S) -> bool:
    """Lock an open file until it is closed, and return whether that worked in time.

    Args:
        handle: of the file or folder; the lock belongs to this handle.
        wait_s: as in `locked`.
        poll_s: as in `locked`.

    Raises:
        OSError: the file system does not support locks.
    """
    if wait_s == FOREVER:
        # The kernel keeps waiting processes in order; one that polls may be overtaken again and again.
        fcntl.flock(handle, fcntl.LOCK_EX)
        return True
    until = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            left = until - time.monotonic()
            if left <= 0:
                return False
            time.sleep(min(poll_s, left))
        else:
            return True


def _open(place: Path) -> int:
    """Return a handle that no child inherits."""
    if place.is_dir():
        return os.open(place, os.O_RDONLY | os.O_CLOEXEC)
    return os.open(place, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
