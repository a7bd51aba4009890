"""What was said, who is logged in, and who allowed what: one SQLite file, searched by words, without secrets."""

import asyncio
import json
import math
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, TypeVar

from evolve.core.cases.redaction import CannotRedact, Redactor
from evolve.core.formats.dataclass_json import read_fields
from evolve.core.model.errors import InputError, Location, Problem
from evolve.system.sqlite import SharedFile

T = TypeVar("T")
_VERSION: Final = 1
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS sessions (id TEXT PRIMARY KEY, key_name TEXT NOT NULL, created REAL NOT NULL);
CREATE TABLE IF NOT EXISTS entries (
    id INTEGER PRIMARY KEY, session TEXT NOT NULL, turn TEXT NOT NULL, role TEXT NOT NULL, text TEXT NOT NULL,
    at REAL NOT NULL, UNIQUE (session, turn, role));
CREATE INDEX IF NOT EXISTS entries_at ON entries (at);
CREATE VIRTUAL TABLE IF NOT EXISTS words USING fts5(text, content='entries', content_rowid='id');
CREATE TRIGGER IF NOT EXISTS entry_added AFTER INSERT ON entries BEGIN
    INSERT INTO words(rowid, text) VALUES (new.id, new.text); END;
CREATE TRIGGER IF NOT EXISTS entry_deleted AFTER DELETE ON entries BEGIN
    INSERT INTO words(words, rowid, text) VALUES ('delete', old.id, old.text); END;
CREATE TABLE IF NOT EXISTS logins (
    token_hash TEXT PRIMARY KEY, session TEXT NOT NULL, key_name TEXT NOT NULL, expires REAL NOT NULL);
CREATE TABLE IF NOT EXISTS approvals (
    at REAL NOT NULL, session TEXT NOT NULL, key_name TEXT NOT NULL, tool TEXT NOT NULL, arguments TEXT NOT NULL,
    digest TEXT NOT NULL, outcome TEXT NOT NULL);
"""
_UNREADABLE: Final = "[not kept: the text could not be searched for secrets]"
_FOUND: Final = 50
"""Results of a search at most."""


@dataclass(frozen=True, slots=True)
class MemoryEntry:
    """One message of a session."""

    session: str
    turn: str
    role: str
    """`user` or `assistant`."""
    text: str
    at: float
    """Seconds since 1970."""


@dataclass(frozen=True, slots=True)
class StoredLogin:
    """A browser that is logged in."""

    token_hash: str
    """SHA-256 of the cookie's value, in hex."""
    session: str
    key_name: str
    expires: float
    """Seconds since 1970."""


@dataclass(frozen=True, slots=True)
class DecidedApproval:
    """Who allowed what."""

    at: float
    session: str
    key_name: str
    tool: str
    arguments: str
    """JSON."""
    digest: str
    outcome: str


class Memory:
    """The file, used by one thread of its own: neither a slow disk nor a search for secrets holds up the turns."""

    def __init__(self, path: Path, redactor: Redactor) -> None:
        """Open the file.

        Args:
            path: made when it is missing; `:memory:` is no file.
            redactor: removes secrets before anything is written.

        Raises:
            StoreFault: the file cannot be used. All methods raise it, too.
        """
        self._redactor = redactor
        self._thread = ThreadPoolExecutor(1, "memory")
        self._file = self._thread.submit(_open, path).result()

    async def close(self) -> None:
        """Close the file, after everything that was to be written."""
        await self._run(self._file.close)
        self._thread.shutdown()

    async def add(self, key_name: str, entries: Iterable[MemoryEntry]) -> int:
        """Keep messages of a key's sessions; return how many were new.

        A message whose session belongs to another key is left out: an import must not write into foreign sessions.
        """
        found = list(entries)
        return await self._run(lambda: self._add(key_name, found))

    async def history(self, session: str, most: int) -> list[MemoryEntry]:
        """Return the newest messages of a session, the oldest first."""
        sql = "SELECT session, turn, role, text, at FROM entries WHERE session = ? ORDER BY id DESC LIMIT ?"
        rows = await self._run(lambda: self._file.all(sql, session, most))
        return [MemoryEntry(*row) for row in reversed(rows)]

    async def search(self, key_name: str, words: str) -> list[MemoryEntry]:
        """Return messages of a key's sessions that have all the words, the best first."""
        # Each word in quotes: FTS5 has a language of its own, in which a person's words would be operators.
        query = " ".join('"' + word.replace('"', '""') + '"' for word in words.split() if "\0" not in word)
        if not query:
            return []
        sql = (
            "SELECT e.session, e.turn, e.role, e.text, e.at FROM words JOIN entries e ON e.id = words.rowid "
            "JOIN sessions s ON s.id = e.session WHERE words MATCH ? AND s.key_name = ? "
            f"ORDER BY bm25(words), e.id DESC LIMIT {_FOUND}"
        )
        return [MemoryEntry(*row) for row in await self._run(lambda: self._file.all(sql, query, key_name))]

    async def export(self, key_name: str) -> str:
        """Return all messages of a key as lines of JSON, the oldest first."""
        sql = (
            "SELECT e.session, e.turn, e.role, e.text, e.at FROM entries e JOIN sessions s ON s.id = e.session "
            "WHERE s.key_name = ? ORDER BY e.at, e.id"
        )
        rows = await self._run(lambda: self._file.all(sql, key_name))
        return "".join(f"{json.dumps(asdict(MemoryEntry(*row)))}\n" for row in rows)

    async def forget(self, key_name: str) -> None:
        """Delete all messages of a key."""
        sql = "DELETE FROM entries WHERE session IN (SELECT id FROM sessions WHERE key_name = ?)"
        await self._run(lambda: self._file.do(sql, key_name))

    async def prune(self, oldest_at: float, most_entries: int) -> int:
        """Delete what is older than a time, and the oldest beyond a number; return how many went."""
        return await self._run(lambda: self._prune(oldest_at, most_entries))

    async def keep_login(self, login: StoredLogin) -> None:
        """Keep a login over restarts."""
        values = (login.token_hash, login.session, login.key_name, login.expires)
        await self._run(lambda: self._file.do("INSERT OR REPLACE INTO logins VALUES (?, ?, ?, ?)", *values))

    async def drop_login(self, token_hash: str) -> None:
        """Forget a login."""
        await self._run(lambda: self._file.do("DELETE FROM logins WHERE token_hash = ?", token_hash))

    async def logins(self, now: float) -> list[StoredLogin]:
        """Return the logins that are valid."""
        await self._run(lambda: self._file.do("DELETE FROM logins WHERE expires <= ?", now))
        return [StoredLogin(*row) for row in await self._run(lambda: self._file.all("SELECT * FROM logins"))]

    async def note_approval(self, approval: DecidedApproval) -> None:
        """Keep who allowed what."""
        await self._run(lambda: self._note_approval(approval))

    async def approvals(self, key_name: str) -> list[DecidedApproval]:
        """Return the decisions of a key, the oldest first."""
        sql = "SELECT * FROM approvals WHERE key_name = ? ORDER BY at"
        return [DecidedApproval(*row) for row in await self._run(lambda: self._file.all(sql, key_name))]

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _add(self, key_name: str, entries: list[MemoryEntry]) -> int:
        # Outside of the transaction: other processes wait for its lock.
        clean = [(one.session, one.turn, one.role, self._clean(one.text), one.at) for one in entries]
        count = 0
        with self._file.transaction():
            for row in clean:
                session, at = row[0], row[4]
                self._file.do("INSERT OR IGNORE INTO sessions VALUES (?, ?, ?)", session, key_name, at)
                owner = self._file.one("SELECT key_name FROM sessions WHERE id = ?", session)
                if owner == (key_name,):
                    count += len(self._file.all(_INSERT, *row))
        return count

    def _note_approval(self, one: DecidedApproval) -> None:
        values = (one.at, one.session, one.key_name, one.tool, self._clean(one.arguments), one.digest, one.outcome)
        self._file.do("INSERT INTO approvals VALUES (?, ?, ?, ?, ?, ?, ?)", *values)

    def _clean(self, text: str) -> str:
        # A model's text may have half of a surrogate pair, which no file takes.
        whole = text.encode("utf-8", "replace").decode()
        try:
            found = self._redactor.redact(whole)
        except CannotRedact:
            return _UNREADABLE
        return found if isinstance(found, str) else _UNREADABLE

    def _prune(self, oldest_at: float, most_entries: int) -> int:
        newest = "SELECT id FROM entries ORDER BY at DESC, id DESC LIMIT ?"
        sql = f"DELETE FROM entries WHERE at < ? OR id NOT IN ({newest}) RETURNING id"
        with self._file.transaction():
            count = len(self._file.all(sql, oldest_at, most_entries))
            self._file.do("DELETE FROM sessions WHERE id NOT IN (SELECT session FROM entries)")
            self._file.do("DELETE FROM approvals WHERE at < ?", oldest_at)
        return count


_INSERT: Final = "INSERT OR IGNORE INTO entries (session, turn, role, text, at) VALUES (?, ?, ?, ?, ?) RETURNING id"


def _open(path: Path) -> SharedFile:
    return SharedFile(
        path,
        _SCHEMA,
        version=_VERSION,
        what="the memory",
        durability="NORMAL",
        hint="set memory.file to another file",
        is_for_threads=True,
    )


def read_export(text: str, name: str) -> list[MemoryEntry]:
    """Return the messages of an export.

    Args:
        text: lines of JSON, as `export` gives them.
        name: of the file, for messages.

    Raises:
        InputError: every line that is none.
    """
    found: list[MemoryEntry] = []
    problems: list[Problem] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        entry, wrong = _entry_of(line)
        if entry is not None:
            found.append(entry)
        problems += [Problem(one, Location(name, number)) for one in wrong]
    if problems:
        raise InputError(problems)
    return found


def _entry_of(line: str) -> tuple[MemoryEntry | None, list[str]]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None, ["expected a line of JSON"]
    problems: list[str] = []
    entry = read_fields(MemoryEntry, value, problems)
    if not isinstance(entry, MemoryEntry):
        return None, problems
    if entry.role not in ("user", "assistant"):
        return None, [f"expected the role user or assistant, got {entry.role!r}"]
    if not (math.isfinite(entry.at) and _is_text(entry.session) and _is_text(entry.turn)):
        return None, ["expected a time, and ids that are text"]
    return entry, []


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
