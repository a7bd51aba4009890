"""Lines of progress for a step that takes long: what it does, how much is there, how long it has taken."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

EVERY_S: Final = 10.0
"""Seconds between two lines: a build takes one to three minutes."""

Say = Callable[[str], None]


@contextmanager
def reported(say: Say, step: str, size: Callable[[], int] | None = None, *, every_s: float = EVERY_S) -> Iterator[None]:
    """Say now and then how far a step is, and at its end how long it took.

    Args:
        say: called with a line, from another thread while the step runs.
        step: what the lines begin with.
        size: returns how many bytes there are so far; None where that is not known.
        every_s: seconds between two lines.
    """
    began, ended = time.monotonic(), threading.Event()

    def report() -> None:
        while not ended.wait(every_s):
            say(f"{step}: {_amount(size)}{time.monotonic() - began:.0f} s")

    thread = threading.Thread(target=report, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
    say(f"{step}: done, {_amount(size)}{time.monotonic() - began:.0f} s")


def _amount(size: Callable[[], int] | None) -> str:
    return f"{size() / 1e6:,.0f} MB after " if size is not None else ""


def folder_size(folder: Path) -> int:
    """Return the bytes of a folder's files; what vanishes meanwhile does not count.

    Other file systems below it are not entered: a builder could not unmount them while somebody looks into them.
    """
    total = 0
    device = os.lstat(folder).st_dev if folder.exists() else None
    for root, names, files in os.walk(folder, onerror=None):
        names[:] = [name for name in names if _device(os.path.join(root, name)) == device]
        for name in files:
            try:
                total += os.lstat(os.path.join(root, name)).st_size
            except OSError:
                continue
    return total


def _device(path: str) -> int | None:
    try:
        return os.lstat(path).st_dev
    except OSError:
        return None


class PulledBytes:
    """Counts what an engine has pulled, by the events of its stream."""

    def __init__(self) -> None:
        self._layers: dict[str, int] = {}

    def note(self, event: dict[str, Any]) -> None:
        """Take one event of the stream."""
        if event.get("status") == "Downloading" and event.get("id"):
            self._layers[event["id"]] = int(event.get("progressDetail", {}).get("current") or 0)

    def total(self) -> int:
        """Return the bytes so far."""
        return sum(self._layers.values())
