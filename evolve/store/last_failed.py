"""The cases that failed in the last run of each suite, so that they can be run again."""

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from evolve.core.model.json_value import JsonValue
from evolve.system.atomic_files import write_whole

_MAX_SUITES = 200
"""The newest suites that are kept, far more than a project has: one cache folder serves many projects."""


class LastFailed:
    """Failing ids by a suite's absolute path, kept in one small file that may be deleted at any time."""

    def __init__(self, file: Path, failed: Mapping[str, frozenset[str]]) -> None:
        self._file = file
        self._failed = dict(failed)

    @classmethod
    def in_folder(cls, folder: Path) -> "LastFailed":
        """Return what a cache folder holds; empty when there is no file or it cannot be read."""
        file = folder / "last_failed.json"
        known: JsonValue = None
        with suppress(OSError, ValueError):
            known = json.loads(file.read_text("utf-8"))
        pairs = known.items() if isinstance(known, dict) else ()
        return cls(file, {path: frozenset(map(str, ids)) for path, ids in pairs if isinstance(ids, list)})

    def ids(self) -> Mapping[str, frozenset[str]]:
        """Return the failing ids of every suite."""
        return dict(self._failed)

    def note(self, suite: str, ran: Iterable[str], failed: Iterable[str]) -> None:
        """Replace the results of the cases that ran; those of other cases stay."""
        kept = self._failed.pop(suite, frozenset()) - frozenset(ran)
        if kept or failed:
            self._failed[suite] = kept | frozenset(failed)

    def save(self) -> None:
        """Write the newest suites; a folder that cannot be written is ignored, because the run does not need it."""
        newest = dict(list(self._failed.items())[-_MAX_SUITES:])
        with suppress(OSError):
            write_whole(self._file, json.dumps({path: sorted(ids) for path, ids in newest.items()}))
