"""Keeps the state's records in SQLite: each change writes what changed, and a kill loses nothing that was saved."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any

_SCHEMA = "CREATE TABLE IF NOT EXISTS record (kind TEXT, id TEXT, body TEXT, PRIMARY KEY (kind, id)) WITHOUT ROWID"
# The columns are named for SQLite before 3.35, which Debian bullseye has.
_WRITE = "INSERT INTO record VALUES (?, ?, ?) ON CONFLICT (kind, id) DO UPDATE SET body = excluded.body"


class Keeper:
    """One file of records by kind and id; use it from one thread at a time."""

    def __init__(self, path: Path) -> None:
        """Opens the file, or makes it."""
        path.parent.mkdir(parents=True, exist_ok=True)
        # Without an isolation level, `save` alone says where a transaction begins and ends.
        self._file = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._file.execute("PRAGMA journal_mode = WAL")
        self._file.execute("PRAGMA synchronous = FULL")
        self._file.execute(_SCHEMA)

    def load(self) -> dict[str, dict[str, Any]]:
        """All records, by kind and then by id."""
        found: dict[str, dict[str, Any]] = {}
        for kind, key, body in self._file.execute("SELECT kind, id, body FROM record ORDER BY kind, id"):
            found.setdefault(kind, {})[key] = json.loads(body)
        return found

    def save(self, records: Iterable[tuple[str, str, Any]]) -> None:
        """Writes records, all or none of them; None as a record means that it is no longer there."""
        self._file.execute("BEGIN")
        try:
            for kind, key, record in records:
                if record is None:
                    self._file.execute("DELETE FROM record WHERE kind = ? AND id = ?", (kind, key))
                else:
                    self._file.execute(_WRITE, (kind, key, json.dumps(record)))
        except BaseException:
            self._file.execute("ROLLBACK")
            raise
        self._file.execute("COMMIT")

    def close(self) -> None:
        """Closes the file."""
        self._file.close()
