"""A SQLite file that the processes of a machine share: opened without a race, with errors as StoreFault."""

import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Literal

from evolve.core.model.errors import StoreFault
from evolve.system.disk_faults import store_fault
from evolve.system.locks import locked

Durability = Literal["OFF", "NORMAL", "FULL"]
"""What a power cut or kernel crash may destroy; the end of a process never destroys anything.

OFF: the file may be damaged. NORMAL: at most the last rows are lost. FULL: nothing that was written is lost.
"""

_BUSY_S: Final = 20.0
"""How long a statement waits for other processes; a commit takes milliseconds, also on a slow disk."""

_POLL_S: Final = 0.005
"""Between two tries to open a file that another process prepares, which takes milliseconds."""
_BUSY: Final = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_HINT: Final = "set EVOLVE_CACHE_DIR to a folder that can be written and holds no damaged file"


class SharedFile:
    """One open file; each statement outside of `transaction` is a transaction of its own.

    Args:
        path: the file; its folder is made when it is missing.
        schema: statements that make the tables that are missing.
        version: of the schema; a file of another version is refused and not changed.
        readable: earlier versions with the same tables; such a file gets the number `version`.
        what: what the file is, for messages: "the ledger".
        durability: what a power cut or kernel crash may destroy.
        hint: what to do when the file cannot be used.
        is_disposable: a file that cannot be read as a database is renamed, and a new one started; `notice` reports it.
        is_for_threads: whether other threads than the one that opened the file use it too, one at a time.

    Raises:
        StoreFault: the folder cannot be written, the file is not a database or has another version. All methods raise
            it too, when the disk is full or the file stays locked.
    """

    def __init__(
        self,
        path: Path,
        schema: str,
        *,
        version: int,
        what: str,
        durability: Durability,
        readable: Sequence[int] = (),
        hint: str = _HINT,
        is_disposable: bool = False,
        is_for_threads: bool = False,
    ) -> None:
        self._path, self._schema, self._version, self._what, self._hint = path, schema, version, what, hint
        self._durability, self._readable = durability, readable
        self._is_disposable, self._is_for_threads = is_disposable, is_for_threads
        self.notice = ""
        """What the user should know about the file; empty when all is well."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._database = self._open()
        except (sqlite3.Error, OSError) as exc:
            raise self._fault(exc) from exc

    def do(self, statement: str, *values: object) -> None:
        """Run a statement."""
        self.all(statement, *values)

    def one(self, statement: str, *values: object) -> tuple[Any, ...] | None:
        """Return the first row; None when there is none."""
        return next(iter(self.all(statement, *values)), None)

    def all(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Return all rows."""
        try:
            return self._database.execute(statement, values).fetchall()
        except sqlite3.Error as exc:
            raise self._fault(exc) from exc

    def do_many(self, statement: str, rows: Iterable[tuple[object, ...]]) -> None:
        """Run a statement once for each row; in a transaction all rows count or none."""
        with self._faults():
            self._database.executemany(statement, rows)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Run the statements of the block all or not at all; no other process writes meanwhile."""
        with self._faults():
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._database.execute("COMMIT")
            except BaseException:
                # When the disk is full, SQLite has rolled back already.
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                raise

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as exc:
            raise self._fault(exc) from exc

    def _fault(self, exc: Exception) -> StoreFault:
        return store_fault(f"{self._what} {self._path}", self._path, exc, hint=self._hint)

    def _open(self) -> sqlite3.Connection:
        try:
            return self._connect()
        except sqlite3.DatabaseError as exc:
            if not self._is_disposable or not _is_unreadable(exc):
                raise
            unreadable = exc
        # One process at a time: another may have started a new file since, which must stay.
        with locked(self._path.parent, wait_s=_BUSY_S) as is_held:
            if not is_held:
                raise unreadable
            try:
                return self._connect()
            except sqlite3.DatabaseError as exc:
                if not _is_unreadable(exc):
                    raise
                self._set_aside(exc)
            return self._connect()

    def _set_aside(self, exc: sqlite3.DatabaseError) -> None:
        aside = self._path.with_name(f"{self._path.name}.unreadable-{int(time.time())}")
        for ending in ("-wal", "-shm"):
            Path(f"{self._path}{ending}").unlink(missing_ok=True)
        try:
            self._path.rename(aside)
        except FileNotFoundError:
            # A user or another process deleted the file meanwhile.
            return
        renamed = f"it was renamed to {aside.name} and a new one was started"
        self.notice = f"{self._what} {self._path} was unreadable ({exc}); {renamed}"

    def _connect(self) -> sqlite3.Connection:
        """Return the connection; wait while another process prepares the file.

        SQLite's own timeout does not cover the change to a write-ahead log: of two processes at once, one is refused. A
        file that another process set aside while it was opened is one with an I/O error; there is a new one then.
        """
        until = time.monotonic() + _BUSY_S
        while True:
            self._make_private()
            opened = self._inode()
            database = sqlite3.connect(
                self._path, timeout=_BUSY_S, isolation_level=None, check_same_thread=not self._is_for_threads
            )
            try:
                self._prepare(database)
            except sqlite3.OperationalError as exc:
                database.close()
                may_pass = exc.sqlite_errorcode in _BUSY or self._inode() != opened
                if not may_pass or time.monotonic() > until:
                    raise
            except BaseException:
                database.close()
                raise
            else:
                return database
            time.sleep(_POLL_S)

    def _inode(self) -> int | None:
        """Return which file has the path; None for none."""
        try:
            return self._path.stat().st_ino
        except FileNotFoundError:
            return None

    def _make_private(self) -> None:
        """Let only the owner read the file: it holds prompts and answers. SQLite gives its logs the same mode."""
        while True:
            try:
                os.close(os.open(self._path, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600))
            except FileExistsError:
                # Files of earlier versions were readable by others.
                try:
                    self._path.chmod(0o600)
                except FileNotFoundError:
                    continue  # another process has set it aside since
                except PermissionError:
                    pass  # another user's file in a shared folder stays as its owner made it
            return

    def _prepare(self, database: sqlite3.Connection) -> None:
        version = database.execute("PRAGMA user_version").fetchone()[0]
        if version not in (0, self._version, *self._readable):
            raise StoreFault(
                f"{self._what} {self._path} has format {version}, "
                f"but this version of Anneal reads format {self._version}",
                path=str(self._path),
                hint=f"move the file away, or {self._hint}",
            )
        database.execute("PRAGMA journal_mode = WAL")
        database.execute(f"PRAGMA synchronous = {self._durability}")
        database.executescript(self._schema)
        database.execute(f"PRAGMA user_version = {self._version}")
        if self._is_disposable:
            # A damaged table is found now, while the file can still be replaced.
            for (table,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
                database.execute(f'SELECT 1 FROM "{table}" LIMIT 1').fetchone()


def _is_unreadable(exc: sqlite3.DatabaseError) -> bool:
    """Return whether the content is the cause. Locks, modes and full disks are OperationalErrors instead."""
    return not isinstance(exc, sqlite3.OperationalError)
