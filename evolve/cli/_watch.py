"""`evolve run --watch`: runs suites again whenever a file that the last run read changes.

    watch -> child: python -m evolve.cli._watch LIST ARGUMENTS -> run.main
          <- LIST: the files that the run read

Each run is a process of its own, because Python imports a module only once. The files are compared every 0.3 s: they
are few and known, and polling also works on network and container mounts, where the system reports no changes.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, TypeAlias

from evolve.cli._guard import INTERRUPTED, run_guarded
from evolve.report.terminal import say
from evolve.store.files import find_root
from evolve.system.cache_folder import cache_folder

_POLL_S: Final = 0.3
"""Seconds between two looks at the files: an editor's save seems immediate."""
_NAME: Final = re.compile(r"(?:file://|exec:|python:)?([\w./@+-]*[\w@+-]\.\w{1,5})")
"""What looks like the name of a file in a suite."""
_NOT_SOURCES: Final = frozenset(("node_modules", "site-packages", ".git", ".venv"))

_Time: TypeAlias = tuple[int, int] | None


def watch(arguments: Sequence[str], suites: Sequence[str]) -> int:
    """Run with the arguments, and again after each change, until Ctrl-C.

    Args:
        arguments: of `evolve run`, without --watch.
        suites: the files and folders among them.
    """
    try:
        while True:
            named = {path: _time_of(path) for path in _named_by(suites)}  # before the run: they may change during it
            known = {**named, **_run(arguments)}
            say(["evolve: waiting for a change; Ctrl-C ends"], sys.stderr)
            say([f"evolve: {_wait_for_change(known)} changed"], sys.stderr)
    except KeyboardInterrupt:
        return INTERRUPTED


def _run(arguments: Sequence[str]) -> dict[str, _Time]:
    """Run once; return the files that were read, and when each was written then."""
    with tempfile.TemporaryDirectory() as folder:
        listed = Path(folder, "files.json")
        process = subprocess.Popen([sys.executable, "-m", "evolve.cli._watch", str(listed), *arguments])
        try:
            process.wait()
        except KeyboardInterrupt:  # the terminal sends Ctrl-C to both: the run prints what it has, and ends
            process.wait()
            raise
        values = json.loads(listed.read_text("utf-8")) if listed.exists() else {}
        return {path: (time[0], time[1]) if time else None for path, time in values.items()}


def _named_by(suites: Iterable[str]) -> set[str]:
    """Return the suites and what their text seems to name, also what is missing: child processes may read it."""
    found: set[str] = set()
    for suite in suites:
        if not os.path.isdir(suite):
            found.add(os.path.abspath(suite))
            folder = os.path.dirname(os.path.abspath(suite))
            text = Path(suite).read_text("utf-8", "replace") if os.path.isfile(suite) else ""
            found |= {os.path.normpath(os.path.join(folder, name)) for name in _NAME.findall(text)}
    return found


def _time_of(path: str) -> _Time:
    """Return when a file was written, in ns, and its size; None for one that is missing."""
    try:
        state = os.stat(path)
    except OSError:
        return None
    return state.st_mtime_ns, state.st_size


def _wait_for_change(before: Mapping[str, _Time]) -> str:
    """Return the first file that changes."""
    while True:
        for path, was in before.items():
            if _time_of(path) != was:
                return os.path.relpath(path)
        time.sleep(_POLL_S)


class _OpenedFiles:
    """Records the files of the project that this process reads, and not those that it writes."""

    def __init__(self, root: str, cache: Path) -> None:
        self._root, self._cache = root + os.sep, f"{cache.resolve()}{os.sep}"
        self._read: dict[str, _Time] = {}
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
            self._read[source] = _time_of(source)

    def times(self) -> dict[str, _Time]:
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
    from evolve.cli.run import main

    try:
        return main(words)
    finally:
        Path(listed).write_text(json.dumps(opened.times()), "utf-8")


if __name__ == "__main__":
    sys.exit(run_guarded(_watched_run, sys.argv[1:]))
