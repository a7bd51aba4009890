"""The failures that wait for an evolution of their agent, and the evolutions that were started for them.

cache_dir/adaptation/queue.sqlite
  failures  agent, fingerprint, case file, order; `run` names the evolution that has taken it, and is null before
  runs      agent, who runs it, the day, when it began, its log; when it ended and how
  evolved   agent, fingerprint: what became of the last evolution with this case, and under which settings

Who evolves an agent holds its lock (`store/adaptation_files.py`), so a failure that is taken while nobody holds the
lock was left by a process that was killed: the next holder takes it again. A failure is deleted when the evolution
that has taken it ended well; one that came meanwhile stays.
"""

import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

from evolve.core.adaptation.failures import Order
from evolve.core.adaptation.status import AgentStatus, Batch, Evolved, RunStatus, Waiting
from evolve.core.model.errors import EnvironmentFault
from evolve.system.process_owner import Owner

_BUSY_S = 20.0
_VERSION = 1
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
        EnvironmentFault: the file cannot be used.
    """

    def __init__(
        self,
        folder: Path,
        *,
        clock: Callable[[], float] = time.time,
        today: Callable[[], str] = lambda: date.today().isoformat(),
    ) -> None:
        self._path = folder / "queue.sqlite"
        self._clock, self._today = clock, today
        with self._faults():
            self._database = sqlite3.connect(self._path, timeout=_BUSY_S, isolation_level=None)
            self._prepare()

    def add(self, agent: str, fingerprint: str, file: str, order: Order, key: str) -> bool:
        """Queues a failure; False when it is there already, waiting or taken.

        One that waits is told its new settings: who types a corrected command means it.
        """
        row = (agent, fingerprint, file, key, order.to_text(), self._clock())
        with self._changing() as database:
            known = database.execute(
                "SELECT 1 FROM failures WHERE agent = ? AND fingerprint = ?", (agent, fingerprint)
            ).fetchone()
            database.execute(
                "INSERT INTO failures (agent, fingerprint, file, key, orders, queued) VALUES (?, ?, ?, ?, ?, ?) "
                "ON CONFLICT (agent, fingerprint) DO UPDATE SET file = excluded.file, key = excluded.key, "
                "orders = excluded.orders, queued = excluded.queued WHERE run IS NULL",
                row,
            )
        return known is None

    def waits(self, agent: str) -> bool:
        """Whether a failure of the agent waits for an evolution."""
        return bool(self._failures("agent = ?", agent))

    def started_today(self, agent: str) -> int:
        """How many evolutions of the agent were started today, those that were killed included.

        Those that were given back as the user's mistake are not: they bought nothing, and the right command comes next.
        """
        row = self._rows("SELECT count(*) FROM runs WHERE agent = ? AND day = ?", agent, self._today())
        return int(row[0][0])

    def begin(self, agent: str, log: str = "") -> Batch | None:
        """Takes all failures of an agent for one evolution; None when there are none.

        Only for the holder of the agent's lock.
        """
        with self._changing() as database:
            taken = self._failures("agent = ?", agent)
            if not taken:
                return None
            row = (agent, str(Owner.here()), self._today(), self._clock(), log)
            number = database.execute(
                "INSERT INTO runs (agent, owner, day, started, log) VALUES (?, ?, ?, ?, ?)", row
            ).lastrowid
            database.execute("UPDATE failures SET run = ? WHERE agent = ?", (number, agent))
            newest = self._rows(
                "SELECT orders FROM failures WHERE agent = ? ORDER BY queued DESC, number DESC LIMIT 1", agent
            )
        return Batch(int(number or 0), agent, taken, Order.from_text(newest[0][0]))

    def finish(self, batch: Batch, run: str, outcome: str) -> None:
        """The evolution ended: its failures are done."""
        with self._changing() as database:
            database.execute(
                "INSERT OR REPLACE INTO evolved SELECT agent, fingerprint, key, ?, ? FROM failures WHERE run = ?",
                (run, outcome, batch.number),
            )
            database.execute("DELETE FROM failures WHERE run = ?", (batch.number,))
            self._end(batch, outcome)

    def give_back(self, batch: Batch, why: str, *, counts: bool = True) -> None:
        """The evolution could not be carried through: its failures wait for the next one.

        Args:
            counts: whether it was one of the evolutions of its day.
        """
        with self._changing() as database:
            if not counts:
                database.execute("UPDATE runs SET day = '' WHERE number = ?", (batch.number,))
            database.execute("UPDATE failures SET run = NULL WHERE run = ?", (batch.number,))
            self._end(batch, why)

    def evolved(self, agent: str, fingerprint: str, key: str | None = None) -> Evolved | None:
        """What became of this case; None when it was not tried, or last with other settings than those of `key`."""
        rows = self._rows(
            "SELECT run, outcome, key FROM evolved WHERE agent = ? AND fingerprint = ?", agent, fingerprint
        )
        return next((Evolved(run, outcome) for run, outcome, of in rows if key in (None, of)), None)

    def status(self) -> tuple[AgentStatus, ...]:
        """Every agent that has failures in the queue or has had evolutions."""
        rows = self._rows("SELECT agent FROM failures UNION SELECT agent FROM runs ORDER BY agent")
        return tuple(self.status_of(agent) for (agent,) in rows)

    def status_of(self, agent: str) -> AgentStatus:
        """How things stand with one agent."""
        last = self._last_run(agent)
        taken = last.failures if last is not None and last.is_alive and last.ended_s is None else ()
        waiting = tuple(item for item in self._failures("agent = ?", agent) if item not in taken)
        return AgentStatus(agent, waiting, self.started_today(agent), last)

    def close(self) -> None:
        """Closes the file."""
        self._database.close()

    def _last_run(self, agent: str) -> RunStatus | None:
        rows = self._rows(
            "SELECT number, owner, started, log, ended, outcome FROM runs WHERE agent = ? ORDER BY number DESC LIMIT 1",
            agent,
        )
        if not rows:
            return None
        number, name, started, log, ended, outcome = rows[0]
        owner = Owner.parse(name)
        return RunStatus(owner.pid, not owner.is_gone, started, log, ended, outcome, self._failures("run = ?", number))

    def _failures(self, condition: str, value: str | int) -> tuple[Waiting, ...]:
        rows = self._rows(f"SELECT fingerprint, file, queued FROM failures WHERE {condition} ORDER BY number", value)
        return tuple(Waiting(*row) for row in rows)

    def _end(self, batch: Batch, outcome: str) -> None:
        self._database.execute(
            "UPDATE runs SET ended = ?, outcome = ? WHERE number = ?", (self._clock(), outcome, batch.number)
        )

    def _rows(self, statement: str, *values: str | int) -> Sequence[tuple[Any, ...]]:
        with self._faults():
            return self._database.execute(statement, values).fetchall()

    @contextmanager
    def _changing(self) -> Iterator[sqlite3.Connection]:
        """One change, whole or not at all; no other process changes anything meanwhile."""
        with self._faults():
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield self._database
            except BaseException:
                if self._database.in_transaction:  # a full disk has rolled it back already
                    self._database.execute("ROLLBACK")
                raise
            self._database.execute("COMMIT")

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise EnvironmentFault(
                f"the queue {self._path}: {error}", hint="set EVOLVE_CACHE_DIR to a folder that can be written"
            ) from error

    def _prepare(self) -> None:
        with self._changing() as database:
            version = database.execute("PRAGMA user_version").fetchone()[0]
            if version not in (0, _VERSION):
                raise EnvironmentFault(
                    f"the queue {self._path} has format {version}, this version of Anneal knows {_VERSION}",
                    hint="move the file away, or set EVOLVE_CACHE_DIR to another folder",
                )
            for statement in filter(str.strip, _SCHEMA.split(";")):
                database.execute(statement)
            database.execute(f"PRAGMA user_version = {_VERSION}")
