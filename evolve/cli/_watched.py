"""One run of `evolve run --watch`: `python -m evolve.cli._watched LIST ARGUMENTS` writes what was read to LIST."""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from evolve.cli._guard import run_guarded
from evolve.cli._watch import Time, time_of
from evolve.cli.run import main
from evolve.store.files import find_root
from evolve.system.cache_folder import cache_folder

_NOT_SOURCES: Final = frozenset(("node_modules", "site-packages", ".git", ".venv"))


class _OpenedFiles:
    """Records the files of the project that this process reads, and not those that it writes."""

    def __init__(self, root: str, cache: Path) -> None:
        self._root, self._cache = root + os.sep, f"{cache.resolve()}{os.sep}"
        self._read: dict[str, Time] = {}
        self._written: set[str] = set()

    def hook(self, event: str, arguments: tuple[object, ...]) -> None:
        """Handle an audit event of Python (PEP 578); `open` has path, mode and flags."""
        if event != "open":
            return
        path, _, flags = arguments
        full = os.path.abspath(path) if isinstance(path, str) else ""
        if not full.startswith(self._root) or full.startswith(self._cache):
            return
        source = _source_of(full)
        if isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR):
            self._written.add(source)
        elif source not in self._read:
            self._read[source] = time_of(source)

    def times(self) -> dict[str, Time]:
        """Return the files, and when each was written when it was first read."""
        return {
            path: time
            for path, time in self._read.items()
            if path not in self._written and not _NOT_SOURCES & {*Path(path).parts} and not os.path.isdir(path)
        }


def _source_of(path: str) -> str:
    """Return the source of a compiled module."""
    folder, name = os.path.split(path)
    if os.path.basename(folder) == "__pycache__":
        return os.path.join(os.path.dirname(folder), f"{name.partition('.')[0]}.py")
    return path


def _watched_run(arguments: Sequence[str]) -> int:
    listed, *words = arguments
    opened = _OpenedFiles(find_root(os.getcwd()), cache_folder(os.environ))
    sys.addaudithook(opened.hook)
    try:
        return main(words)
    finally:
        Path(listed).write_text(json.dumps(opened.times()), "utf-8")


if __name__ == "__main__":
    sys.exit(run_guarded(_watched_run, sys.argv[1:]))
