"""A SQLite file that the processes of a machine share: opened without a race; its faults are the environment's."""

import sqlite3
import time
from pathlib import Path
from typing import Any

from evolve.core.model.errors import EnvironmentFault

_BUSY_S = 20.0
_POLL_S = 0.005
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


class SharedFile:
    """One open file; each statement is a transaction of its own.

    Args:
        what: what the file is, for messages: "the ledger".
        is_synced: whether the machine's own death (power, kernel) must leave the file whole, at most without its last
            rows. Otherwise such a death may damage it. The death of a process never costs anything.

    Raises:
        EnvironmentFault: the folder cannot be written, the file is no database, or of another version. All methods
            raise it too, when the disk is full or the file stays locked.
    """

    def __init__(self, path: Path, schema: str, *, version: int, what: str, is_synced: bool = False) -> None:
        self._path, self._schema, self._version, self._what = path, schema, version, what
        self._synchronous = "NORMAL" if is_synced else "OFF"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._database = self._open()
        except (sqlite3.Error, OSError) as exc:
            raise self._fault(exc) from exc

    def do(self, statement: str, *values: object) -> None:
        """Runs a statement."""
        self.all(statement, *values)

    def one(self, statement: str, *values: object) -> tuple[Any, ...] | None:
        """The first row; None where there is none."""
        return next(iter(self.all(statement, *values)), None)

    def all(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """All rows."""
        try:
            return self._database.execute(statement, values).fetchall()
        except sqlite3.Error as exc:
            raise self._fault(exc) from exc

    def close(self) -> None:
        """Closes the file."""
        self._database.close()

    def _fault(self, exc: Exception) -> EnvironmentFault:
        hint = "set EVOLVE_CACHE_DIR to a folder that can be written and holds no damaged file"
        return EnvironmentFault(f"{self._what} {self._path}: {exc}", hint=hint)

    def _open(self) -> sqlite3.Connection:
        """The connection; waits while another process makes the file ready.

        SQLite's own timeout does not cover the change to a write-ahead log: of two that begin together one is refused.
        """
        until = time.monotonic() + _BUSY_S
        while True:
            database = sqlite3.connect(self._path, timeout=_BUSY_S, isolation_level=None)
            try:
                return self._prepared(database)
            except sqlite3.OperationalError as exc:
                database.close()
                if exc.sqlite_errorcode not in _BUSY or time.monotonic() > until:
                    raise
            except BaseException:
                database.close()
                raise
            time.sleep(_POLL_S)

    def _prepared(self, database: sqlite3.Connection) -> sqlite3.Connection:
        version = database.execute("PRAGMA user_version").fetchone()[0]
        if version not in (0, self._version):
            raise EnvironmentFault(
                f"{self._what} {self._path} has format {version}, this version of Anneal knows {self._version}",
                hint="move the file away, or set EVOLVE_CACHE_DIR to another folder",
            )
        database.execute("PRAGMA journal_mode = WAL")
        database.execute(f"PRAGMA synchronous = {self._synchronous}")
        database.executescript(self._schema)
        database.execute(f"PRAGMA user_version = {self._version}")
        return database
