"""The files of a declared folder: what a person would call its contents, and nothing outside of it."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Final, NamedTuple

from pipecatapp.core.ports import ToolReason
from pipecatapp.tools.registry import ToolProblem
from pipecatapp.tools.threads import Stop

MAX_FILES: Final = 20_000
_GENERATED: Final = frozenset(
    ("node_modules", "__pycache__", "venv", "site-packages", "dist", "build", "target", "vendor", "third_party")
)
"""Folders whose files other programs wrote."""


class FoundFile(NamedTuple):
    """A regular file below a folder."""

    name: str
    """Its path from the folder, with `/`."""
    path: Path
    size: int
    changed_ns: int


def files_of(folder: Path, stop: Stop) -> Iterator[FoundFile]:
    """Yield the files of a folder in the order of their names, at most MAX_FILES.

    Hidden files and folders are left out, for they hold settings and credentials; so are links, which may lead out,
    and folders of generated files. What cannot be read is left out, too.

    Args:
        folder: an absolute path without links.
        stop: ends the walk.
    """
    count = 0
    for here, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if _is_shown(name) and name not in _GENERATED)
        for name in sorted(filter(_is_shown, names)):
            stop.check()
            found = _file_at(folder, Path(here, name))
            if found is not None:
                count += 1
                yield found
            if count >= MAX_FILES:
                return


def _is_shown(name: str) -> bool:
    return not name.startswith(".")


def _file_at(folder: Path, path: Path) -> FoundFile | None:
    try:
        state = path.lstat()
    except OSError:
        return None
    if not stat.S_ISREG(state.st_mode):
        return None
    name = os.fsencode(path.relative_to(folder).as_posix()).decode("utf-8", "replace")
    return FoundFile(name, path, state.st_size, state.st_mtime_ns)


def part_of(folder: Path, name: str) -> Path:
    """Return a folder or file inside of a declared folder.

    Args:
        folder: an absolute path without links.
        name: a path from there; empty for the folder itself.

    Raises:
        ToolProblem: it leads out of the folder, or is not there.
    """
    if "\0" in name:
        raise ToolProblem(ToolReason.REFUSED, "no path can hold a null character")
    asked = PurePosixPath(name)
    found = (folder / asked).resolve()
    if asked.is_absolute() or not found.is_relative_to(folder):
        raise ToolProblem(ToolReason.REFUSED, f"{name} is outside of the folder")
    if not found.exists():
        raise ToolProblem(ToolReason.FAILED, f"there is no {name}")
    return found


def read_text(path: Path, limit: int) -> str | None:
    """Return the text of a file, at most its first bytes; None where it is not text or cannot be read.

    Args:
        path: of the file.
        limit: bytes that are read.
    """
    try:
        # Not a file that took the place of the one that was found: a pipe would block, a link lead out.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            content = file.read(limit)
    except OSError:
        return None
    return None if b"\0" in content else content.decode("utf-8", "replace")
