"""Who owns containers, networks, images and volumes: a process, told apart from a later one with its number."""

import os
import subprocess
import sys
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from evolve.core.model.errors import EnvironmentFault

LABEL_OWNER = "anneal.owner"
LABEL_LAB = "anneal.lab"


class Life(Enum):
    """What is known about an owner."""

    LIVES = "lives"
    ENDED = "ended"
    UNSEEN = "cannot be seen from here"
    """Another boot, machine or process namespace: a number there says nothing here."""


@dataclass(frozen=True, slots=True)
class Owner:
    """A process of one boot and one process namespace."""

    pid: int
    start: str
    """Its start time in clock ticks after boot, which no other process of its number has."""
    boot: str
    namespace: str

    @classmethod
    def current(cls) -> "Owner":
        """The process that asks."""
        pid = os.getpid()
        return cls(pid, start_of(pid), _boot(), _namespace())

    @classmethod
    def parse(cls, text: str) -> "Owner | None":
        """The owner that a label names; None where the label is not one of ours."""
        parts = text.split(":")
        if len(parts) != 4 or not parts[0].isdecimal():
            return None
        return cls(int(parts[0]), *parts[1:])

    def __str__(self) -> str:
        return f"{self.pid}:{self.start}:{self.boot}:{self.namespace}"

    def labels(self, lab: str) -> dict[str, str]:
        """What everything that the owner makes carries."""
        return {LABEL_OWNER: str(self), LABEL_LAB: lab}

    def life(self) -> Life:
        """Whether the process still runs, as far as this process can tell."""
        if not self.boot or not self.namespace or (self.boot, self.namespace) != (_boot(), _namespace()):
            return Life.UNSEEN
        start = start_of(self.pid)
        if start:
            return Life.LIVES if start == self.start else Life.ENDED
        return _life_by_signal(self.pid)


def start_of(pid: int) -> str:
    """A process's start time; empty when it has ended, is hidden, or without /proc."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    fields = stat.rpartition(")")[2].split()
    return "ended" if fields[0] in "ZX" else fields[19]


def _life_by_signal(pid: int) -> Life:
    """For a process that /proc does not show: it has ended, or /proc hides other users' processes."""
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


def watch(owner: Owner, url: str) -> int:
    """Starts the reaper, which removes what the owner owns at `url` once it has ended.

    Returns:
        The end of the pipe whose closing tells the reaper that the owner has ended; kept open until then.
    """
    read_end, write_end = os.pipe()
    command = [sys.executable, "-m", "evolve.infra.engine.reaper", url, str(owner)]
    try:
        subprocess.run(command, stdin=read_end, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=True)
    except subprocess.CalledProcessError as exc:
        os.close(write_end)
        message = exc.stderr.decode(errors="replace").strip()
        raise EnvironmentFault(f"the reaper of containers did not start: {message}") from exc
    finally:
        os.close(read_end)
    return write_end
