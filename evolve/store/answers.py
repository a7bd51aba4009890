"""Answers that are paid for only once: in SQLite for all processes of a machine, or not stored at all.

Two tables: `answers` (key, answer as JSON) and `claims` (key, owner, lease). A process that wants an answer that is not
stored claims its key first; others wait for it. A claim ends with its lease, or at once when its process is gone.

`once` returns an answer only after it was committed, so that a kill loses only the calls in flight. All
answers and claims of one turn of the event loop share one transaction, so that many calls at once cost few commits.
On a full disk the answers that were paid for are returned and kept in memory, to be stored when there is space; no
other question is asked.
"""

import asyncio
import copy
import hashlib
import json
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from evolve.core.model.answers import Answer, TokenUsage
from evolve.core.model.errors import DiskFull, EnvironmentFault, StoreFault
from evolve.core.model.json_value import JsonValue
from evolve.core.text.counts import count
from evolve.system.process_owner import Owner
from evolve.system.sqlite import SharedFile

LEASE_S = 60.0
"""How long a claim lasts without renewal. It is renewed every third of it, so a live process never loses one; it only
matters where a dead owner cannot be recognised."""
_VERSION = 1
"""Of the tables below; raise it when they change."""
_FIRST_POLL_S = 0.005
"""The first pause before asking again for an answer that another process gets; each next one is half as long again."""
_LAST_POLL_S = 0.25
"""The longest pause: a call to a model takes longer, and more polling would only cost CPU."""
_SCHEMA = """
CREATE TABLE IF NOT EXISTS answers (key BLOB PRIMARY KEY, answer TEXT NOT NULL, stored REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS claims (key BLOB PRIMARY KEY, owner TEXT NOT NULL, until REAL NOT NULL) WITHOUT ROWID;
"""

Buy = Callable[[], Awaitable[Answer]]


class NoAnswers:
    """Stores no answers; every call is made."""

    notice = ""

    remembers = False

    async def once(self, _: JsonValue, buy: Buy) -> Answer:
        """Return the answer of `buy`."""
        return await buy()

    async def close(self) -> None:
        """Do nothing: there is nothing to close."""


class Flights:
    """Lets one caller of a process at a time go ahead for a key; the others wait, then look again."""

    def __init__(self) -> None:
        self._under_way: dict[bytes, asyncio.Future[EnvironmentFault | None]] = {}

    async def join(self, key: bytes, go: Buy) -> Answer:
        """Return the answer of `go`, once no other caller is under way for the same key.

        A fault of the first caller is raised for all that wait: a dead endpoint is not called again for each of them.
        """
        while (flight := self._under_way.get(key)) is not None:
            fault = await asyncio.shield(flight)
            if fault is not None:
                raise copy.copy(fault) from fault
        landing: asyncio.Future[EnvironmentFault | None] = asyncio.get_running_loop().create_future()
        self._under_way[key] = landing
        fault = None
        try:
            return await go()
        except EnvironmentFault as exc:
            fault = exc
            raise
        finally:
            del self._under_way[key]
            landing.set_result(fault)


class SqliteAnswers:
    """Stores answers in a file that many processes share.

    A file that cannot be read as a database is renamed and a new one is started; `notice` reports it.

    Args:
        path: the file.
        clock: the time in seconds; processes that share the file must share it.
        sleep: waits between two looks at an answer that another process gets.
        lease_s: how long a claim lasts without renewal.

    Raises:
        StoreFault: the folder cannot be written, or another version of Anneal wrote the file.
    """

    remembers = True

    def __init__(
        self,
        path: str | Path,
        *,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        lease_s: float = LEASE_S,
    ) -> None:
        # OFF: only a power cut could damage the file, and it is only a cache.
        self._file = SharedFile(
            Path(path),
            _SCHEMA,
            version=_VERSION,
            what="the answer cache",
            durability="OFF",
            hint="delete the file, set EVOLVE_CACHE_DIR to a folder that can be written, or run without the cache",
            is_disposable=True,
            is_for_threads=True,
        )
        self._clock = clock
        self._sleep = sleep
        self._lease_s = lease_s
        self._owner = Owner.current()
        self._flights = Flights()
        self._claimed: set[bytes] = set()
        self._wanted: list[tuple[bytes, asyncio.Future[bool]]] = []
        self._finished: list[tuple[bytes, str | None, asyncio.Future[None]]] = []
        self._unstored: list[tuple[bytes, str | None]] = []
        self._flush_planned = False
        self._renewer: asyncio.Task[None] | None = None

    @property
    def notice(self) -> str:
        """What the user should know about the file; empty when all is well."""
        lost = sum(text is not None for _, text in self._unstored)
        if not lost:
            return self._file.notice
        return f"the disk is full: {count(lost, 'answer')} of this run could not be stored, and will be asked again"

    async def once(self, identity: JsonValue, buy: Buy) -> Answer:
        """Return the stored answer, or that of `buy`; see `AnswerStore.once`."""
        if identity is None:
            return await buy()
        key = key_of(identity)
        found = self._find(key)
        if found is not None:
            return found
        return await self._flights.join(key, lambda: self._find_or_call(key, buy))

    def knows(self, identity: JsonValue) -> bool:
        """Return whether the answer is stored."""
        return self._find(key_of(identity)) is not None

    async def _find_or_call(self, key: bytes, buy: Buy) -> Answer:
        pause = _FIRST_POLL_S
        while not await self._claim(key):
            # Refused: the answer has arrived meanwhile, or another process is getting it.
            found = self._find(key)
            if found is not None:
                return found
            await self._sleep(pause)
            pause = min(pause * 1.5, _LAST_POLL_S)
        return await self._call_and_store(key, buy)

    async def _call_and_store(self, key: bytes, buy: Buy) -> Answer:
        stored: str | None = None
        try:
            answer = await buy()
            stored = to_text(answer) if answer.error is None else None
        finally:
            done = self._finish(key, stored)
        await done
        return answer

    def _finish(self, key: bytes, text: str | None) -> asyncio.Future[None]:
        """Plan to store the answer, if any, and to release the claim; the future is done when that is committed."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        # A cancelled caller does not read the result; asyncio would warn about an exception that nobody reads.
        done.add_done_callback(lambda future: future.cancelled() or future.exception())
        self._finished.append((key, text, done))
        self._plan_flush()
        return done

    def _claim(self, key: bytes) -> asyncio.Future[bool]:
        granted: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._wanted.append((key, granted))
        self._plan_flush()
        return granted

    def _plan_flush(self) -> None:
        if not self._flush_planned:
            self._flush_planned = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        """Commit all answers and claims of this turn of the event loop in one transaction."""
        self._flush_planned = False
        finished, self._finished = self._finished, []
        wanted, self._wanted = self._wanted, []
        try:
            done_now = [(key, text) for key, text, _ in finished]
            granted = self._commit([*self._unstored, *done_now], [key for key, _ in wanted])
        except StoreFault as fault:
            waiting: list[asyncio.Future[Any]] = [future for _, future in wanted]
            if isinstance(fault, DiskFull):
                self._unstored = [*self._unstored, *((key, text) for key, text, _ in finished)]
                self._release(finished)
            else:
                waiting += [done for *_, done in finished]
            for future in waiting:
                if not future.done():
                    future.set_exception(fault)
            return
        self._unstored = []
        self._release(finished)
        self._deliver(wanted, granted)
        self._keep_renewing()

    @staticmethod
    def _release(finished: list[tuple[bytes, str | None, asyncio.Future[None]]]) -> None:
        for _, _, done in finished:
            if not done.done():
                done.set_result(None)

    def _deliver(self, wanted: list[tuple[bytes, asyncio.Future[bool]]], granted: set[bytes]) -> None:
        for key, future in wanted:
            if not future.done():
                future.set_result(key in granted)
            elif key in granted:
                # Its caller was cancelled meanwhile.
                self._finish(key, None)

    def _commit(self, finished: list[tuple[bytes, str | None]], wanted: list[bytes]) -> set[bytes]:
        now, mine = self._clock(), str(self._owner)
        with self._file.transaction():
            rows = [(key, text, now) for key, text in finished if text is not None]
            self._file.do_many("INSERT OR REPLACE INTO answers VALUES (?, ?, ?)", rows)
            self._file.do_many("DELETE FROM claims WHERE key = ? AND owner = ?", [(key, mine) for key, _ in finished])
            granted = {key for key in wanted if self._grant(key, now)}
        self._claimed.difference_update(key for key, _ in finished)
        self._claimed |= granted
        return granted

    def _grant(self, key: bytes, now: float) -> bool:
        """Claim the key unless a living owner holds it or its answer is stored; return whether it was claimed."""
        if self._file.one("SELECT 1 FROM answers WHERE key = ?", key):
            return False
        row = self._file.one("SELECT owner, until FROM claims WHERE key = ?", key)
        if row is not None and row[1] > now and not _is_gone(row[0]):
            return False
        self._file.do("INSERT OR REPLACE INTO claims VALUES (?, ?, ?)", key, str(self._owner), now + self._lease_s)
        return True

    def _keep_renewing(self) -> None:
        if self._claimed and (self._renewer is None or self._renewer.done()):
            self._renewer = asyncio.get_running_loop().create_task(self._renew())

    async def _renew(self) -> None:
        """Renew the leases while calls are under way."""
        while self._claimed:
            await asyncio.sleep(self._lease_s / 3)
            until = self._clock() + self._lease_s
            rows = [(until, key, str(self._owner)) for key in self._claimed]
            try:
                with self._file.transaction():
                    self._file.do_many("UPDATE claims SET until = ? WHERE key = ? AND owner = ?", rows)
            except StoreFault:
                # Another process locks the file for long: try in the next round; at worst a call is made twice.
                continue

    def _find(self, key: bytes) -> Answer | None:
        row = self._file.one("SELECT answer FROM answers WHERE key = ?", key)
        return None if row is None else from_text(row[0], cached=True)

    async def close(self) -> None:
        """Store what is pending, and close the file."""
        if self._finished or self._wanted or self._unstored:
            self._flush()
        if self._renewer is not None:
            self._renewer.cancel()
        self._file.close()


def _is_gone(owner: str) -> bool:
    """Return whether the owner of a claim has certainly ended; False for an owner that cannot be read."""
    found = Owner.parse(owner)
    return found is not None and found.is_gone


def key_of(identity: JsonValue) -> bytes:
    """Return the SHA-256 of an identity as canonical JSON."""
    return hashlib.sha256(_canonical(identity).encode()).digest()


def to_text(answer: Answer) -> str:
    """Return an answer as JSON; fields with their default are left out."""
    fields = {name: value for name, default in _DEFAULTS if (value := getattr(answer, name)) != default}
    fields["output"] = answer.output
    if "tokens" in fields:
        fields["tokens"] = [getattr(answer.tokens, name) for name in _TOKEN_NAMES]
    return _compact(fields)


def from_text(text: str, *, cached: bool = False) -> Answer:
    """Return the answer that `to_text` wrote."""
    fields = json.loads(text)
    if "tokens" in fields:
        fields["tokens"] = TokenUsage(*fields["tokens"])
    if "log_probs" in fields:
        fields["log_probs"] = tuple(fields["log_probs"])
    return Answer(**fields, cached=cached)


_DEFAULTS = tuple(
    (name, getattr(Answer(None), name)) for name in Answer.__dataclass_fields__ if name not in ("cached", "output")
)
_TOKEN_NAMES = tuple(TokenUsage.__dataclass_fields__)
_canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode
_compact = json.JSONEncoder(separators=(",", ":")).encode
