"""Turns errors of the operating system about files into faults, with the cause as a class."""

import errno
import sqlite3
from pathlib import Path

from evolve.core.model.errors import DiskFull, StoreFault

_NO_SPACE = frozenset((errno.ENOSPC, errno.EDQUOT))


def store_fault(what: str, path: Path, error: Exception, *, hint: str = "") -> StoreFault:
    """Return the fault `WHAT: REASON`; a DiskFull, with its own hint, when the disk is full.

    Args:
        what: what cannot be done, or what cannot be used, with its path.
        path: the file or folder.
        error: an OSError or an error of sqlite3.
        hint: what to do about any cause except a full disk.
    """
    text = f"{what}: {reason_of(error)}"
    if is_disk_full(error):
        return DiskFull(text, path=str(path), hint="free some space on this disk, or use another one")
    return StoreFault(text, path=str(path), hint=hint)


def reason_of(error: Exception) -> str:
    """Return why a file cannot be read or written, without the path: the message names it already."""
    return str(getattr(error, "strerror", None) or error)


def is_disk_full(error: Exception) -> bool:
    """Return whether an error of the system or of SQLite means that there is no space left."""
    if isinstance(error, sqlite3.Error):
        return getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
    return isinstance(error, OSError) and error.errno in _NO_SPACE
