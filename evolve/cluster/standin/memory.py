"""The memory of a task's processes, as its limit counts it, and that of the machine."""

from __future__ import annotations

import os
from pathlib import Path

MIB = 2**20
_COUNTED = ("RssAnon:", "RssShmem:")
"""Pages of files are left out: a cgroup gives them up before it kills anything."""


def used_bytes(pid: int) -> int:
    """Bytes that a process and all its descendants hold; 0 for one that has ended, or where /proc does not say."""
    return _own(pid) + sum(used_bytes(child) for child in _children(pid))


def machine_mb() -> int:
    """MiB of memory of this machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // MIB


def _own(pid: int) -> int:
    lines = _read(Path(f"/proc/{pid}/status")).splitlines()
    return sum(1024 * int(line.split()[1]) for line in lines if line.startswith(_COUNTED))


def _children(pid: int) -> list[int]:
    return [int(word) for file in Path(f"/proc/{pid}/task").glob("*/children") for word in _read(file).split()]


def _read(file: Path) -> str:
    try:
        return file.read_text()
    except OSError:
        return ""
