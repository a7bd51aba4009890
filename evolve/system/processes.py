"""Whether a process still lives, told apart from a later one with the same number."""

import os
from pathlib import Path


def start_mark(pid: int) -> str:
    """A process's start time, which no other of its number has; empty when it has ended, or without /proc."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    fields = stat.rpartition(")")[2].split()
    # A zombie has ended, though its number is still taken.
    return "" if fields[0] in "ZX" else fields[19]


def is_alive(pid: int, mark: str) -> bool:
    """Whether the process that had this mark still runs."""
    if Path("/proc/self/stat").exists():
        return bool(mark) and start_mark(pid) == mark
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
