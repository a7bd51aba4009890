"""The ledger: which run paid for which answer, and the scores of answers. The answers are in `store/answers.py`.

ledger.sqlite, next to answers.sqlite
  charges  key of the answer, a run that pays for it, how often that run has asked; written before the call
  scores   key of answer, assertions and scorer version, score as JSON; in the order of arrival

A charge is recorded when a price is first asked for, so that a run that starts again pays what it paid before, even if
another run has paid for the answer since. A charge that was asked and has no answer was in flight when its process was
killed: it is asked again and counted as repeated.
"""

import json
from collections.abc import Awaitable, Callable
from pathlib import Path

from evolve.core.model.answers import Answer
from evolve.core.model.errors import StoreFault
from evolve.core.model.json_value import JsonValue
from evolve.core.model.ports import LedgerAnswer
from evolve.store.answers import SqliteAnswers, key_of
from evolve.system.sqlite import SharedFile

_VERSION = 1
"""Of the tables below; raise it when they change."""
_SCHEMA = """
CREATE TABLE IF NOT EXISTS charges
  (key BLOB NOT NULL, run TEXT NOT NULL, asked INTEGER NOT NULL, PRIMARY KEY (key, run)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS scores (number INTEGER PRIMARY KEY, key BLOB UNIQUE NOT NULL, score TEXT NOT NULL);
"""


class SqliteLedger:
    """The ledger of a machine, shared by all its processes; see `Ledger` in core/model/ports.py.

    Raises:
        StoreFault: the folder cannot be written, the file is not a database, or of another version.
    """

    def __init__(self, folder: Path) -> None:
        self._file = SharedFile(
            folder / "ledger.sqlite", _SCHEMA, version=_VERSION, what="the ledger", durability="OFF"
        )
        try:
            self._answers = SqliteAnswers(folder / "answers.sqlite")
        except StoreFault:
            self._file.close()
            raise

    @property
    def notice(self) -> str:
        """What the user should know of the file of answers; empty when all is well."""
        return self._answers.notice

    def price(self, identity: JsonValue, run: str) -> int:
        """Return what the answer costs the run, 1 or 0 calls; see `Ledger.price`."""
        key = key_of(identity)
        if self._count_asked(key, run) is not None:
            return 1
        # In one step: another process of this run must not see it free because the answer has just come, while this
        # one, which looked before that, charges it.
        with self._file.transaction():
            if self._count_asked(key, run) is not None:
                return 1
            if self._answers.knows(identity):
                return 0
            self._file.do("INSERT OR IGNORE INTO charges VALUES (?, ?, 0)", key, run)
        return 1

    async def answer(self, identity: JsonValue, run: str, buy: Callable[[], Awaitable[Answer]]) -> LedgerAnswer:
        """Return the answer, stored or paid for now; see `Ledger.answer`."""
        key = key_of(identity)
        is_new = False

        async def charge_once() -> Answer:
            nonlocal is_new
            is_new = True
            self._file.do(
                "INSERT INTO charges VALUES (?, ?, 1) ON CONFLICT (key, run) DO UPDATE SET asked = asked + 1", key, run
            )
            return await buy()

        answer = await self._answers.once(identity, charge_once)
        return LedgerAnswer(answer, is_new=is_new, is_repeated=(self._count_asked(key, run) or 0) > 1)

    def score(self, identity: JsonValue, judged: JsonValue) -> JsonValue:
        """Return the stored score, None when there is none; see `Ledger.score`."""
        row = self._file.one("SELECT score FROM scores WHERE key = ?", key_of([identity, judged]))
        value: JsonValue = json.loads(row[0]) if row is not None else None
        return value

    def keep_score(self, identity: JsonValue, judged: JsonValue, score: JsonValue) -> None:
        """Store a score unless there is one; see `Ledger.keep_score`."""
        row = (key_of([identity, judged]), json.dumps(score, separators=(",", ":")))
        self._file.do("INSERT OR IGNORE INTO scores (key, score) VALUES (?, ?)", *row)

    async def close(self) -> None:
        """Store what is pending, and close both files."""
        await self._answers.close()
        self._file.close()

    def _count_asked(self, key: bytes, run: str) -> int | None:
        """Return how often the run has asked; None when it does not pay for this answer."""
        row = self._file.one("SELECT asked FROM charges WHERE key = ? AND run = ?", key, run)
        return None if row is None else int(row[0])
