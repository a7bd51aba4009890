"""The failures that wait for an evolution of their agent, and the evolutions that were started for them.

cache_dir/adaptation/queue.sqlite
  failures  agent, fingerprint, case file, the request in `orders`; `run` is the evolution that has taken it, null
            before
  runs      agent, who runs it, the day, when it began, its log; when it ended and how
  evolved   agent, fingerprint: the outcome of the last evolution with this case, and its settings

The process that evolves an agent holds its lock (`store/adaptation_files.py`). So a failure that is taken while the
lock is free was left by a process that was killed: the next holder takes it again. A failure is deleted when the
evolution that took it ended well; one that arrived meanwhile stays.
"""

import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

from evolve.core.adaptation.failures import QueuedRequest
from evolve.core.adaptation.status import AgentStatus, Batch, Evolved, RunStatus, Waiting
from evolve.core.model.errors import StoreFault
from evolve.system.process_owner import Owner
from evolve.system.sqlite import SharedFile

_VERSION = 2
"""Of the tables below; raise it when they change."""
_EARLIER = (1,)
"""Version 1 has other texts in `orders`, which `QueuedRequest.from_text` reads as well."""
_SCHEMA = """
CREATE TABLE IF NOT EXISTS failures
  (number INTEGER PRIMARY KEY, agent TEXT NOT NULL, fingerprint TEXT NOT NULL, file TEXT NOT NULL, key TEXT NOT NULL,
   orders TEXT NOT NULL, queued REAL NOT NULL, run INTEGER, UNIQUE (agent, fingerprint));
CREATE TABLE IF NOT EXISTS runs
  (number INTEGER PRIMARY KEY, agent TEXT NOT NULL, owner TEXT NOT NULL, day TEXT NOT NULL, started REAL NOT NULL,
   log TEXT NOT NULL, ended REAL, outcome TEXT NOT NULL DEFAULT '');
CREATE TABLE IF NOT EXISTS evolved
  (agent TEXT, fingerprint TEXT, key TEXT NOT NULL, run TEXT NOT NULL, outcome TEXT NOT NULL,
   PRIMARY KEY (agent, fingerprint)) WITHOUT ROWID;
"""


class AdaptationQueue:
    """The queue of a machine, shared by all processes.

    Raises:
        StoreFault: the file cannot be used.
    """

    def __init__(
        self,
        folder: Path,
        *,
        clock: Callable[[], float] = time.time,
        today: Callable[[], str] = lambda: date.today().isoformat(),
    ) -> None:
        self._clock, self._today = clock, today
        # FULL: a failure that was accepted is not found again, so even a power cut must not lose it.
        file = folder / "queue.sqlite"
        self._path = file
        self._file = SharedFile(file, _SCHEMA, version=_VERSION, readable=_EARLIER, what="the queue", durability="FULL")

    def add(self, agent: str, fingerprint: str, file: str, queued: QueuedRequest, key: str) -> bool:
        """Queue a failure; return False when it is in the queue already, waiting or taken.

        One that waits gets the new settings: a corrected command replaces the earlier one.

        Args:
            agent: the agent's file, absolute.
            fingerprint: of the failure case.
            file: the case's file.
            queued: the request.
            key: the settings that decide whether the case must be tried again; see `evolved`.
        """
        row = (agent, fingerprint, file, key, queued.to_text(), self._clock())
        with self._file.transaction():
            known = self._file.one("SELECT 1 FROM failures WHERE agent = ? AND fingerprint = ?", agent, fingerprint)
            self._file.do(
                "INSERT INTO failures (agent, fingerprint, file, key, orders, queued) VALUES (?, ?, ?, ?, ?, ?) "
                "ON CONFLICT (agent, fingerprint) DO UPDATE SET file = excluded.file, key = excluded.key, "
                "orders = excluded.orders, queued = excluded.queued WHERE run IS NULL",
                *row,
            )
        return known is None

    def waits(self, agent: str) -> bool:
        """Return whether a failure of the agent waits for an evolution."""
        return bool(self._failures("agent = ?", agent))

    def count_started_today(self, agent: str) -> int:
        """Return how many evolutions of the agent were started today, those that were killed included.

        Those given back as the user's mistake do not count: they paid for nothing, and the corrected command follows.
        """
        row = self._file.all("SELECT count(*) FROM runs WHERE agent = ? AND day = ?", agent, self._today())
        return int(row[0][0])

    def begin(self, agent: str, log: str = "") -> Batch | None:
        """Take all failures of an agent for one evolution; None when there are none.

        The caller must hold the agent's lock.
        """
        with self._file.transaction():
            taken = self._failures("agent = ?", agent)
            if not taken:
                return None
            row = (agent, str(Owner.current()), self._today(), self._clock(), log)
            ((number,),) = self._file.all(
                "INSERT INTO runs (agent, owner, day, started, log) VALUES (?, ?, ?, ?, ?) RETURNING number", *row
            )
            self._file.do("UPDATE failures SET run = ? WHERE agent = ?", number, agent)
            newest = self._file.all(
                "SELECT orders FROM failures WHERE agent = ? ORDER BY queued DESC, number DESC LIMIT 1", agent
            )
            queued = self._read(newest[0][0])
        return Batch(number, agent, taken, queued)

    def finish(self, batch: Batch, run: str, outcome: str) -> None:
        """Record that the evolution ended; its failures are done."""
        with self._file.transaction():
            self._file.do(
                "INSERT OR REPLACE INTO evolved SELECT agent, fingerprint, key, ?, ? FROM failures WHERE run = ?",
                run,
                outcome,
                batch.number,
            )
            self._file.do("DELETE FROM failures WHERE run = ?", batch.number)
            self._end(batch, outcome)

    def give_back(self, batch: Batch, why: str, *, counts: bool = True) -> None:
        """Record that the evolution did not complete; its failures wait for the next one.

        Args:
            counts: whether it counts against the evolutions of its day.
        """
        with self._file.transaction():
            if not counts:
                self._file.do("UPDATE runs SET day = '' WHERE number = ?", batch.number)
            self._file.do("UPDATE failures SET run = NULL WHERE run = ?", batch.number)
            self._end(batch, why)

    def evolved(self, agent: str, fingerprint: str, key: str | None = None) -> Evolved | None:
        """Return the outcome of the last evolution with this case; None when there was none, or `key` differs."""
        rows = self._file.all(
            "SELECT run, outcome, key FROM evolved WHERE agent = ? AND fingerprint = ?", agent, fingerprint
        )
        return next((Evolved(run, outcome) for run, outcome, of in rows if key in (None, of)), None)

    def status(self) -> tuple[AgentStatus, ...]:
        """Return every agent that has failures in the queue or has had evolutions."""
        rows = self._file.all("SELECT agent FROM failures UNION SELECT agent FROM runs ORDER BY agent")
        return tuple(self.status_of(agent) for (agent,) in rows)

    def status_of(self, agent: str) -> AgentStatus:
        """Return the waiting failures and the last evolution of one agent."""
        last = self._last_run(agent)
        taken = last.failures if last is not None and last.is_alive and last.ended_s is None else ()
        waiting = tuple(item for item in self._failures("agent = ?", agent) if item not in taken)
        return AgentStatus(agent, waiting, self.count_started_today(agent), last)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _last_run(self, agent: str) -> RunStatus | None:
        rows = self._file.all(
            "SELECT number, owner, started, log, ended, outcome FROM runs WHERE agent = ? ORDER BY number DESC LIMIT 1",
            agent,
        )
        if not rows:
            return None
        number, name, started, log, ended, outcome = rows[0]
        owner = Owner.parse(name)
        # An older version wrote owners in a form that cannot be read.
        pid, runs = (0, False) if owner is None else (owner.pid, not owner.is_gone)
        return RunStatus(pid, runs, started, log, ended, outcome, self._failures("run = ?", number))

    def _failures(self, condition: str, value: str | int) -> tuple[Waiting, ...]:
        rows = self._file.all(
            f"SELECT fingerprint, file, queued FROM failures WHERE {condition} ORDER BY number", value
        )
        return tuple(Waiting(*row) for row in rows)

    def _read(self, text: str) -> QueuedRequest:
        try:
            return QueuedRequest.from_text(text)
        except ValueError as error:
            raise StoreFault(
                f"the queue {self._path} holds a request that cannot be read: {error}",
                path=str(self._path),
                hint="move the file away; the failure cases stay in their folder",
            ) from error

    def _end(self, batch: Batch, outcome: str) -> None:
        self._file.do("UPDATE runs SET ended = ?, outcome = ? WHERE number = ?", self._clock(), outcome, batch.number)
