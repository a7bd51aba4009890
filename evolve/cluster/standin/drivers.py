"""What a task needs of a driver, and the driver of each kind of task."""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from .shapes import Json

Say = Callable[[Json], None]
"""Takes an event of the task."""


class CannotStart(Exception):
    """The task does not run: what the driver or the set-up says."""

    def __init__(self, text: str, *, may_try_again: bool = False) -> None:
        """The words, and whether the restart policy may try again."""
        super().__init__(text)
        self.may_try_again = may_try_again


@dataclass(frozen=True)
class Place:
    """Where a task runs and with what."""

    folder: Path
    logs: Path
    environment: dict[str, str]
    fill: Callable[[str], str]
    """Puts the node's and the task's values into a text with `${...}`."""
    owner: str = ""
    """The agent's data folder, which marks containers as its own."""


@dataclass(frozen=True)
class Ending:
    """How a task's program ended."""

    code: int
    signal: int = 0
    oom_killed: bool = False
    message: str = ""


class Driver(Protocol):
    """A task's program; `kept` is what a later agent needs to find it again, empty when there is none."""

    kept: Json
    end_signal: signal.Signals
    """What asks the program to end where the job does not say."""

    def start(self, say: Say, /) -> None:
        """Starts the program; raises CannotStart."""

    def is_alive(self) -> bool:
        """Whether the program runs."""

    def ending(self) -> Ending:
        """How the program ended, when it has."""

    def keep_to_limit(self) -> None:
        """Ends a program with too much memory, where nothing else does."""

    def send(self, number: signal.Signals) -> None:
        """Sends a signal to the program."""

    def forget(self) -> None:
        """Leaves an ended program behind, with all that it held."""
