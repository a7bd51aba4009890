"""Processes and mounts of demo clusters: those of an owner are ended, also by the next start after a `kill -9`."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from evolve.cluster.demo.jobs import MARK
from evolve.core.model.errors import ProcessFault
from evolve.system.process_owner import Owner, start_of

END_S = 10.0
"""How long killed processes may take to disappear."""


def processes_of(is_wanted: Callable[[Owner], bool]) -> Iterator[int]:
    """Yield the processes that carry the mark of a wanted owner, but for this one; those of other users are unseen."""
    for folder in Path("/proc").glob("[0-9]*"):
        pid = int(folder.name)
        owner = _owner_of(folder)
        if owner is not None and pid != os.getpid() and start_of(pid) != "ended" and is_wanted(owner):
            yield pid


def _owner_of(folder: Path) -> Owner | None:
    text = variables_of(int(folder.name)).get(MARK)
    return Owner.parse(text) if text else None


def variables_of(pid: int) -> dict[str, str]:
    """Return the environment with which a process was started; empty where it cannot be seen."""
    try:
        text = Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace")
    except OSError:
        return {}
    return dict(word.split("=", 1) for word in text.split("\0") if "=" in word)


def end_processes(is_wanted: Callable[[Owner], bool]) -> int:
    """Kill the processes of wanted owners, and those that they start meanwhile; return how many there were.

    Raises:
        ProcessFault: some are still there after `END_S` seconds.
    """
    seen: set[int] = set()
    deadline = time.monotonic() + END_S
    while found := set(processes_of(is_wanted)):
        seen |= found
        for pid in found:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        if time.monotonic() > deadline:
            raise ProcessFault(f"processes {sorted(found)} of a demo cluster do not end", command="kill -9")
        time.sleep(0.02)
    return len(seen)


def end_processes_of(owner: str) -> int:
    """Kill the processes of one owner, but for this one; return how many there were."""
    return end_processes(lambda found: str(found) == owner)


def sweep_processes() -> int:
    """Kill what demo clusters left whose owner has ended; return how many processes there were."""
    return end_processes(lambda found: found.is_gone)


def mount_small_disk(folder: Path, size_mb: int) -> bool:
    """Make a folder a disk of its own, in memory; return False where this machine does not allow it."""
    folder.mkdir(parents=True, exist_ok=True)
    options = f"size={size_mb}m,mode=0700"
    return _succeeds("mount", "-t", "tmpfs", "-o", options, "anneal-demo", str(folder))


def unmount(folder: Path) -> None:
    """Undo `mount_small_disk`; nothing happens where nothing is mounted."""
    # A kill may have hit between several mounts of one place.
    while os.path.ismount(folder) and _succeeds("umount", "--lazy", str(folder)):
        continue


def _succeeds(*command: str) -> bool:
    try:
        return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False
