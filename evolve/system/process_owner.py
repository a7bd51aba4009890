"""The process that owns a claim, a container or a folder, not confused with a later process of the same number."""

import os
import socket
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

_ENDED = "ended"


class Life(Enum):
    """What is known about a process."""

    LIVES = "lives"
    ENDED = "ended"
    UNSEEN = "cannot be seen from here"
    """Another boot, machine or process namespace: its process numbers mean nothing here."""


@dataclass(frozen=True, slots=True)
class Owner:
    """A process of one boot and one process namespace."""

    pid: int
    start: str
    """Its start time in clock ticks after boot, which differs for each process of one number; empty without /proc."""
    boot: str
    namespace: str
    machine: str = ""
    """The name of its machine; empty when an older version wrote the owner."""

    @classmethod
    def current(cls) -> "Owner":
        """Return the current process."""
        pid = os.getpid()
        return cls(pid, start_of(pid), _boot(), _namespace(), socket.gethostname())

    @classmethod
    def parse(cls, text: str) -> "Owner | None":
        """Return the owner that `str` wrote; None when the text is something else."""
        parts = text.split(":", 4)
        if len(parts) < 4 or not parts[0].isdecimal():
            return None
        return cls(int(parts[0]), *parts[1:])

    def __str__(self) -> str:
        return f"{self.pid}:{self.start}:{self.boot}:{self.namespace}:{self.machine}"

    def life(self) -> Life:
        """Return whether the process still runs, as far as this process can know.

        Machines may share a name. So an owner of another boot is UNSEEN, even on a machine with this name: what it left
        must not be removed unless a person confirms it.
        """
        if not self.boot or not self.namespace or (self.boot, self.namespace) != (_boot(), _namespace()):
            return Life.UNSEEN
        start = start_of(self.pid)
        if start:
            return Life.LIVES if start == self.start else Life.ENDED
        return _life_by_signal(self.pid)

    @property
    def is_gone(self) -> bool:
        """Whether there is no need to wait for the process: it has ended, or this machine was restarted since.

        Two machines may share a name and a cache folder; then a claim is given up too early, and an answer is paid for
        twice.
        """
        return self.life() is Life.ENDED or self._is_of_earlier_boot()

    def _is_of_earlier_boot(self) -> bool:
        here, boot = (socket.gethostname(), _namespace()), _boot()
        return bool(self.boot and boot) and self.boot != boot and (self.machine, self.namespace) == here


def start_of(pid: int) -> str:
    """Return the start time of a process; "ended" for a zombie, empty when it has ended or cannot be seen."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    fields = stat.rpartition(")")[2].split()
    # A zombie has ended, though its number is still taken.
    # After the name come state (field 3 of proc(5)) and, at 19, starttime (field 22).
    return _ENDED if fields[0] in "ZX" else fields[19]


def is_alive(pid: int, start: str) -> bool:
    """Return whether the process with this number and start time still runs on this machine."""
    if Path("/proc/self/stat").exists():
        return bool(start) and start_of(pid) == start
    return _life_by_signal(pid) is Life.LIVES


def _life_by_signal(pid: int) -> Life:
    """Ask the kernel about a process that /proc does not show: it has ended, or /proc hides other users' processes."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return Life.ENDED
    except PermissionError:
        return Life.LIVES
    return Life.LIVES


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _namespace() -> str:
    try:
        return str(Path("/proc/self/ns/pid").stat().st_ino)
    except OSError:
        return ""
