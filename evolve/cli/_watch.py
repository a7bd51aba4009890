"""`evolve run --watch`: runs suites again whenever a file that the last run read changes.

    watch -> child: python -m evolve.cli._watched LIST ARGUMENTS -> run.main
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

from evolve.cli._guard import INTERRUPTED
from evolve.report.terminal import say

_POLL_S: Final = 0.3
"""Seconds between two looks at the files: an editor's save seems immediate."""
_NAME: Final = re.compile(r"(?:file://|exec:|python:)?([\w./@+-]*[\w@+-]\.\w{1,5})")
"""What looks like the name of a file in a suite."""

Time: TypeAlias = tuple[int, int] | None


def watch(arguments: Sequence[str], suites: Sequence[str]) -> int:
    """Run with the arguments, and again after each change, until Ctrl-C.

    Args:
        arguments: of `evolve run`, without --watch.
        suites: the files and folders among them.
    """
    try:
        while True:
            named = {path: time_of(path) for path in _named_by(suites)}  # before the run: they may change during it
            known = {**named, **_run(arguments)}
            say(["evolve: waiting for a change; Ctrl-C ends"], sys.stderr)
            say([f"evolve: {_wait_for_change(known)} changed"], sys.stderr)
    except KeyboardInterrupt:
        return INTERRUPTED


def _run(arguments: Sequence[str]) -> dict[str, Time]:
    """Run once; return the files that were read, and when each was written then."""
    with tempfile.TemporaryDirectory() as folder:
        listed = Path(folder, "files.json")
        process = subprocess.Popen([sys.executable, "-m", "evolve.cli._watched", str(listed), *arguments])
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


def time_of(path: str) -> Time:
    """Return when a file was written, in ns, and its size; None for one that is missing."""
    try:
        state = os.stat(path)
    except OSError:
        return None
    return state.st_mtime_ns, state.st_size


def _wait_for_change(before: Mapping[str, Time]) -> str:
    """Return the first file that changes."""
    while True:
        for path, was in before.items():
            if time_of(path) != was:
                return os.path.relpath(path)
        time.sleep(_POLL_S)
