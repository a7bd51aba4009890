"""Who holds a claim: a process, told apart from a later one with the same number."""

import os
import socket
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Owner:
    """A process of a machine."""

    machine: str
    pid: int
    started: str
    """Start time in ticks; empty where there is no /proc."""

    @staticmethod
    def here() -> "Owner":
        """This process."""
        return Owner(_machine(), os.getpid(), _started(os.getpid()))

    def __str__(self) -> str:
        return f"{self.machine}:{self.pid}:{self.started}"

    @staticmethod
    def parse(text: str) -> "Owner":
        """The owner that `str` wrote; an unreadable one is another machine's."""
        machine, _, rest = text.rpartition(":")[0].rpartition(":")
        return Owner(machine, int(rest) if rest.isdigit() else 0, text.rpartition(":")[2])

    @property
    def is_gone(self) -> bool:
        """Whether it is certain that the process has ended; of other machines nothing is certain."""
        if self.machine != _machine() or not self.started:
            return False
        return _started(self.pid) != self.started


def _machine() -> str:
    """The host and its process namespace: numbers mean nothing outside of it."""
    try:
        return f"{socket.gethostname()}/{os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return socket.gethostname()


def _started(pid: int) -> str:
    """The start time of a living process; empty when there is none."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]
