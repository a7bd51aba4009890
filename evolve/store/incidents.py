"""The incidents of a supervisor, with approvals and counts of cases, in one SQLite file.

FOLDER/incidents.sqlite
  incidents  the whole value as JSON, and columns to find it by
  attempts   when each healing began
  approvals  a person's word for a plan
  cases      how many failure cases a job had on a day
  owner      the name of this memory, one row
  audit      the head of the audit log (`store/audit_log.py`), one row
"""

import json
import secrets
import string
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import astuple, replace
from pathlib import Path
from typing import Final

from evolve.core.formats.dataclass_json import plain_fields, read_fields
from evolve.core.model.errors import StoreFault
from evolve.core.model.healing import OPEN_STATES, Approval, Attempt, AttemptState, Incident
from evolve.store.audit_lines import AuditHead
from evolve.system.sqlite import SharedFile

NAME: Final = "incidents.sqlite"
_VERSION: Final = 1
"""Of the tables below and of the values in them; raise it when they change."""
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS incidents
  (id TEXT PRIMARY KEY, namespace TEXT NOT NULL, job TEXT NOT NULL, is_open INTEGER NOT NULL, opened REAL NOT NULL,
   changed REAL NOT NULL, revision INTEGER NOT NULL, value TEXT NOT NULL) WITHOUT ROWID;
CREATE UNIQUE INDEX IF NOT EXISTS one_open_incident ON incidents (namespace, job) WHERE is_open;
CREATE INDEX IF NOT EXISTS incidents_by_change ON incidents (changed);
CREATE INDEX IF NOT EXISTS incidents_by_job ON incidents (namespace, job, changed);
CREATE TABLE IF NOT EXISTS attempts
  (incident TEXT, id TEXT, began REAL NOT NULL, PRIMARY KEY (incident, id)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS attempts_by_time ON attempts (began);
CREATE TABLE IF NOT EXISTS approvals
  (incident TEXT, plan_hash TEXT, person TEXT NOT NULL, at REAL NOT NULL, expires REAL NOT NULL,
   PRIMARY KEY (incident, plan_hash)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS cases (job TEXT, day TEXT, number INTEGER NOT NULL, PRIMARY KEY (job, day)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS owner (only_row INTEGER PRIMARY KEY CHECK (only_row = 1), name TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS audit
  (only_row INTEGER PRIMARY KEY CHECK (only_row = 1), n INTEGER NOT NULL, hash TEXT NOT NULL, file TEXT NOT NULL,
   size INTEGER NOT NULL, pending TEXT NOT NULL);
"""
_ID_CHARACTERS: Final = string.ascii_lowercase + string.digits
_ID_LENGTH: Final = 10
_HINT: Final = "pass another folder with --folder, or set EVOLVE_STATE_DIR"


class LostUpdate(StoreFault):
    """Another process changed the incident first, or opened one for the same job; read it again and decide again."""


class IncidentStore:
    """The incidents of a machine, shared by its processes. What a method has written is on disk when it returns.

    Raises:
        StoreFault: the file cannot be used, or a later version of Anneal wrote it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        # FULL: a healing whose intent was lost could be done twice.
        self._file = SharedFile(
            path, _SCHEMA, version=_VERSION, what="the incidents' file", durability="FULL", hint=_HINT
        )

    # --- reading

    def read(self, id: str) -> Incident | None:
        """Return the incident with this ID; None without one."""
        return self._first("id = ?", id)

    def open_incident(self, namespace: str, job: str) -> Incident | None:
        """Return the open incident of a job, of which there is at most one."""
        return self._first("namespace = ? AND job = ? AND is_open", namespace, job)

    def last_ended(self, namespace: str, job: str) -> Incident | None:
        """Return the incident of a job that ended last; None where none did."""
        return self._first("namespace = ? AND job = ? AND NOT is_open ORDER BY changed DESC LIMIT 1", namespace, job)

    def find(self, prefix: str) -> tuple[Incident, ...]:
        """Return the incidents whose IDs begin with a text, the oldest first."""
        return self._all("substr(id, 1, length(?1)) = ?1 ORDER BY opened, id", prefix)

    def list(self, *, is_open: bool | None = None, since: float = 0, limit: int = 1000) -> tuple[Incident, ...]:
        """Return incidents, the oldest first.

        Args:
            is_open: only those that are open, or are not; None for both.
            since: only those that changed then or later, in seconds since 1970.
            limit: how many at most; the oldest are left out.
        """
        state = "" if is_open is None else "is_open AND " if is_open else "NOT is_open AND "
        newest = self._all(f"{state} changed >= ? ORDER BY opened DESC, id DESC LIMIT ?", since, limit)
        return newest[::-1]

    def healing_times(self, since: float) -> tuple[float, ...]:
        """Return when healings began, from `since` on, in order; those that the cluster refused count too."""
        rows = self._file.all("SELECT began FROM attempts WHERE began >= ? ORDER BY began", since)
        return tuple(began for (began,) in rows)

    def begun(self, since: float) -> Mapping[str, float]:
        """Return when the newest incident of each job was opened, from `since` on, by NAMESPACE/JOB."""
        rows = self._file.all(
            "SELECT namespace || '/' || job, max(opened) FROM incidents WHERE opened >= ? GROUP BY namespace, job",
            since,
        )
        return dict(rows)

    def intended(self) -> frozenset[str]:
        """Return the IDs of the healings whose result is not known yet."""
        return frozenset(one.id for one in self._last_attempts() if one.state is AttemptState.INTENDED)

    def undoing(self) -> frozenset[str]:
        """Return the IDs of the healings whose undo was intended and has no result yet."""
        return frozenset(one.id for one in self._last_attempts() if one.state is AttemptState.DONE and one.undo_began)

    def _last_attempts(self) -> Iterator[Attempt]:
        yield from (one.attempts[-1] for one in self.list(is_open=True, limit=-1) if one.attempts)

    # --- writing

    def new_id(self) -> str:
        """Return an ID that no incident has: ten lower-case letters and digits."""
        while True:
            made = "".join(secrets.choice(_ID_CHARACTERS) for _ in range(_ID_LENGTH))
            if self._file.one("SELECT 1 FROM incidents WHERE id = ?", made) is None:
                return made

    def save(self, incident: Incident) -> Incident:
        """Return the stored incident, with its new revision. A new incident has revision 0.

        Raises:
            LostUpdate: the stored revision is another one, or the job has another open incident.
        """
        with self._file.transaction():
            return self._save(incident)

    def approve(self, approval: Approval) -> None:
        """Record an approval; an earlier one of the same plan is replaced."""
        self._file.do("INSERT OR REPLACE INTO approvals VALUES (?, ?, ?, ?, ?)", *astuple(approval))

    def approval(self, incident: str, plan_hash: str, now: float) -> Approval | None:
        """Return the approval of exactly this plan; None without one, or when it has expired."""
        row = self._file.one(
            "SELECT incident, plan_hash, person, at, expires FROM approvals "
            "WHERE incident = ? AND plan_hash = ? AND at <= ?3 AND expires > ?3",
            incident,
            plan_hash,
            now,
        )
        return Approval(*row) if row else None

    def consume_approval(self, incident: str, plan_hash: str) -> None:
        """Delete an approval: it is for one healing."""
        self._file.do("DELETE FROM approvals WHERE incident = ? AND plan_hash = ?", incident, plan_hash)

    def count_case(self, job: str, day: str) -> int:
        """Count a failure case of a job, and return how many it has on this day with it."""
        row = self._file.one(
            "INSERT INTO cases VALUES (?, ?, 1) ON CONFLICT (job, day) DO UPDATE SET number = number + 1 "
            "RETURNING number",
            job,
            day,
        )
        assert row is not None
        return int(row[0])

    def cases_of(self, job: str, day: str) -> int:
        """Return how many failure cases of a job were counted on a day."""
        row = self._file.one("SELECT number FROM cases WHERE job = ? AND day = ?", job, day)
        return int(row[0]) if row else 0

    def owner(self) -> str:
        """Return the name of this memory, which is made at its first use."""
        self._file.do("INSERT OR IGNORE INTO owner VALUES (1, ?)", secrets.token_hex(8))
        row = self._file.one("SELECT name FROM owner")
        assert row is not None
        return str(row[0])

    def prune(self, before: float) -> int:
        """Delete the incidents that ended before a time, with all that belongs to them; return how many.

        Open ones stay, however old they are.
        """
        old = "SELECT id FROM incidents WHERE NOT is_open AND changed < ?"
        with self._file.transaction():
            for table in ("attempts", "approvals"):
                self._file.do(f"DELETE FROM {table} WHERE incident IN ({old})", before)
            deleted = self._file.all("DELETE FROM incidents WHERE NOT is_open AND changed < ? RETURNING id", before)
            self._file.do("DELETE FROM cases WHERE day < strftime('%Y-%m-%d', ?, 'unixepoch')", before)
        return len(deleted)

    # --- for the audit log

    def head(self) -> AuditHead:
        """Return the head of the audit log; that of an empty one when nothing was recorded."""
        row = self._file.one("SELECT n, hash, file, size, pending FROM audit")
        return AuditHead(*row) if row else AuditHead()

    def anchor(
        self, head: AuditHead, *, incident: Incident | None = None, approval: Approval | None = None
    ) -> Incident | None:
        """Record the head of the audit log, and what its last record is about, all or nothing.

        Args:
            head: the new head.
            incident: is saved with it and returned; see `save`.
            approval: is recorded with it.
        """
        with self._file.transaction():
            self._file.do("INSERT OR REPLACE INTO audit VALUES (1, ?, ?, ?, ?, ?)", *astuple(head))
            if approval is not None:
                self.approve(approval)
            return self._save(incident) if incident is not None else None

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    # --- rows

    def _save(self, incident: Incident) -> Incident:
        self._check_revision(incident)
        saved = replace(incident, revision=incident.revision + 1)
        is_open = saved.state in OPEN_STATES
        value = json.dumps(plain_fields(saved), separators=(",", ":"))
        row = (saved.id, saved.namespace, saved.job, is_open, saved.opened, saved.changed, saved.revision, value)
        self._file.do("INSERT OR REPLACE INTO incidents VALUES (?, ?, ?, ?, ?, ?, ?, ?)", *row)
        self._file.do_many(
            "INSERT OR REPLACE INTO attempts VALUES (?, ?, ?)",
            [(saved.id, one.id, one.began) for one in saved.attempts],
        )
        return saved

    def _check_revision(self, incident: Incident) -> None:
        row = self._file.one("SELECT revision FROM incidents WHERE id = ?", incident.id)
        stored = row[0] if row else 0
        if stored != incident.revision:
            raise self._lost(f"incident {incident.id} has revision {stored}, expected {incident.revision}")
        other = self._file.one(
            "SELECT id FROM incidents WHERE namespace = ? AND job = ? AND is_open AND id != ?",
            incident.namespace,
            incident.job,
            incident.id,
        )
        if other is not None and incident.state in OPEN_STATES:
            raise self._lost(f"job {incident.namespace}/{incident.job} has the open incident {other[0]}")

    def _lost(self, message: str) -> LostUpdate:
        return LostUpdate(message, path=str(self._path), hint="another process was faster; read it again")

    def _first(self, condition: str, *values: str) -> Incident | None:
        return next(iter(self._all(condition, *values)), None)

    def _all(self, condition: str, *values: str | float) -> tuple[Incident, ...]:
        rows = self._file.all(f"SELECT id, value FROM incidents WHERE {condition}", *values)
        return tuple(self._incident(id, text) for id, text in rows)

    def _incident(self, id: str, text: str) -> Incident:
        problems: list[str] = []
        found: object = None
        with suppress(ValueError, RecursionError):
            found = read_fields(Incident, json.loads(text), problems)
        if isinstance(found, Incident):
            return found
        why = "; ".join(problems) or "not JSON"
        raise StoreFault(f"{self._path}: incident {id} cannot be read: {why}", path=str(self._path), hint=_HINT)
