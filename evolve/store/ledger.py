"""The ledger: who bought which answer, and what it was worth. The answers themselves are in `store/answers.py`.

ledger.sqlite, beside answers.sqlite
  purchases  key of the answer, the run that buys it, how often it was asked; written before the call
  scores     key of answer, assertions and scorer version, score as JSON; in the order in which they came

A purchase without an answer was in flight when its process was killed: it is asked again and counted as repeated.
"""

import json
import sqlite3
import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path

from evolve.core.answers import Answer
from evolve.core.errors import EnvironmentFault
from evolve.core.json_value import JsonValue
from evolve.core.ports import Bought
from evolve.store.answers import SqliteAnswers, key_of

_VERSION = 1
_BUSY_MS = 20_000
_SCHEMA = """
CREATE TABLE IF NOT EXISTS purchases (key BLOB PRIMARY KEY, run TEXT NOT NULL, asked INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS scores (number INTEGER PRIMARY KEY, key BLOB UNIQUE NOT NULL, score TEXT NOT NULL);
"""


class SqliteLedger:
    """The ledger of a machine, shared by all its processes; see `Ledger` in core/ports.py.

    Raises:
        EnvironmentFault: the folder cannot be written, the file is no database, or of another version.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "ledger.sqlite"
        self._answers = SqliteAnswers(folder / "answers.sqlite")
        try:
            self._database = self._open()
        except (sqlite3.Error, OSError) as exc:
            raise self._fault(exc) from exc

    @property
    def notice(self) -> str:
        """What the user should know of the file of answers; empty when all is well."""
        return self._answers.notice

    def price(self, identity: JsonValue, run: str) -> int:
        """See `Ledger.price`."""
        row = self._one("SELECT run FROM purchases WHERE key = ?", key_of(identity))
        if row is not None and row[0] == run:
            return 1
        return 0 if self._answers.knows(identity) else 1

    async def answer(self, identity: JsonValue, run: str, buy: Callable[[], Awaitable[Answer]]) -> Bought:
        """See `Ledger.answer`."""
        key = key_of(identity)
        asked = 0

        async def recorded() -> Answer:
            nonlocal asked
            asked = self._note_purchase(key, run)
            return await buy()

        answer = await self._answers.once(identity, recorded)
        return Bought(answer, is_new=asked > 0, is_repeated=asked > 1)

    def score(self, identity: JsonValue, judged: JsonValue) -> JsonValue:
        """See `Ledger.score`."""
        row = self._one("SELECT score FROM scores WHERE key = ?", key_of([identity, judged]))
        value: JsonValue = json.loads(row[0]) if row is not None else None
        return value

    def keep_score(self, identity: JsonValue, judged: JsonValue, score: JsonValue) -> None:
        """See `Ledger.keep_score`."""
        row = (key_of([identity, judged]), json.dumps(score, separators=(",", ":")))
        self._do("INSERT OR IGNORE INTO scores (key, score) VALUES (?, ?)", *row)

    async def close(self) -> None:
        """Stores what is pending, and closes both files."""
        await self._answers.close()
        self._database.close()

    def _note_purchase(self, key: bytes, run: str) -> int:
        """Writes down that `run` asks now; how often this answer was asked, this time included."""
        self._do(
            "INSERT INTO purchases VALUES (?, ?, 1) "
            "ON CONFLICT (key) DO UPDATE SET run = excluded.run, asked = asked + 1",
            key,
            run,
        )
        row = self._one("SELECT asked FROM purchases WHERE key = ?", key)
        return int(row[0]) if row else 1

    def _one(self, statement: str, *values: bytes | str) -> tuple[str, ...] | None:
        try:
            row: tuple[str, ...] | None = self._database.execute(statement, values).fetchone()
        except sqlite3.Error as exc:
            raise self._fault(exc) from exc
        return row

    def _do(self, statement: str, *values: bytes | str) -> None:
        try:
            self._database.execute(statement, values)
        except sqlite3.Error as exc:
            raise self._fault(exc) from exc

    def _fault(self, exc: Exception) -> EnvironmentFault:
        return EnvironmentFault(
            f"the ledger {self._path}: {exc}", hint="set EVOLVE_CACHE_DIR to a folder that can be written"
        )

    def _open(self) -> sqlite3.Connection:
        """The connection; waits while another process makes the file ready."""
        until = time.monotonic() + _BUSY_MS / 1000
        while True:
            database = sqlite3.connect(self._path, timeout=_BUSY_MS / 1000, isolation_level=None)
            try:
                return self._prepared(database)
            except sqlite3.OperationalError as exc:
                database.close()
                if exc.sqlite_errorcode not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED) or time.monotonic() > until:
                    raise
            except BaseException:
                database.close()
                raise
            time.sleep(0.005)

    def _prepared(self, database: sqlite3.Connection) -> sqlite3.Connection:
        with closing(database.execute("PRAGMA user_version")) as found:
            version = found.fetchone()[0]
        if version not in (0, _VERSION):
            raise EnvironmentFault(
                f"the ledger {self._path} has format {version}, this version of Anneal knows {_VERSION}",
                hint="delete the file, or set EVOLVE_CACHE_DIR to another folder",
            )
        database.execute("PRAGMA journal_mode = WAL")
        # As for the answers: the log survives the death of any process.
        database.execute("PRAGMA synchronous = OFF")
        database.executescript(_SCHEMA)
        database.execute(f"PRAGMA user_version = {_VERSION}")
        return database
