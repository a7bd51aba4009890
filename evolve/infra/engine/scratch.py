"""Temporary folders with names that say which process they belong to, so that those of a killed one can be removed."""

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

from evolve.system.process_owner import Life, Owner

NAME = re.compile(r"anneal-[a-z]+-(?P<pid>\d+)-(?P<start>\d+)-(?P<realm>[0-9a-f]{8})-.+")
"""What `prefix` makes, and the random end that `tempfile` adds."""


def folder(kind: str, *, parent: Path | None = None) -> Path:
    """Return a new folder of this process, `anneal-KIND-PID-START-REALM-XXXX`; the caller removes it.

    Args:
        kind: what it is for, a word in lower case.
        parent: where; default: the folder for temporary files (TMPDIR).
    """
    return Path(tempfile.mkdtemp(prefix=prefix(kind), dir=parent))


def prefix(kind: str) -> str:
    """Return how the name of a folder of this process begins, for `tempfile`."""
    me = Owner.current()
    return f"anneal-{kind}-{me.pid}-{me.start}-{_realm(me)}-"


def sweep_folders(parents: Iterable[Path] | None = None) -> int:
    """Remove this user's folders whose process has ended, and return how many.

    It leaves alone: links, other users' folders, folders with a mount in them, and folders of another boot, machine
    or process namespace, whose processes cannot be seen from here.

    Args:
        parents: where to look; default: the folder for temporary files, and /tmp.
    """
    chosen = {Path(tempfile.gettempdir()), Path("/tmp")} if parents is None else set(parents)
    return sum(_remove(entry) for parent in chosen for entry in _entries(parent) if _is_left_over(entry))


def _realm(owner: Owner) -> str:
    """Return a word for the boot and the process namespace, short enough for a socket's path below it."""
    return hashlib.sha256(f"{owner.boot}:{owner.namespace}".encode()).hexdigest()[:8]


def _entries(parent: Path) -> "list[os.DirEntry[str]]":
    try:
        with os.scandir(parent) as entries:
            return list(entries)
    except OSError:
        return []


def _is_left_over(entry: "os.DirEntry[str]") -> bool:
    named = NAME.fullmatch(entry.name)
    if named is None or not _is_own_folder(entry):
        return False
    me = Owner.current()
    if named["realm"] != _realm(me):
        return False
    return Owner(int(named["pid"]), named["start"], me.boot, me.namespace).life() is Life.ENDED


def _is_own_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        is_own = entry.stat(follow_symlinks=False).st_uid == os.geteuid()
        return is_own and entry.is_dir(follow_symlinks=False)
    except OSError:
        # Gone meanwhile: others sweep too.
        return False


def _remove(entry: "os.DirEntry[str]") -> bool:
    """Return whether the folder is gone; the next sweep removes what is left of a half-removed one."""
    if _holds_mount(entry.path):
        return False
    shutil.rmtree(entry.path, ignore_errors=True)
    return not os.path.lexists(entry.path)


def _holds_mount(path: str) -> bool:
    """Return whether something is mounted below: debootstrap mounts /sys there, which must not be emptied."""
    try:
        mounts = Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    real = os.path.realpath(path)
    return any(f"{line.split(' ')[1]}/".startswith(f"{real}/") for line in mounts.splitlines())
