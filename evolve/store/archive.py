"""The archive: every run, every candidate with its parents, every event; append-only.

archive.sqlite
  runs        run, agent, command, when it began first
  candidates  run, id, parents, operator, note, genome as JSON
  events      run, attempt, number, event as a line of JSON; a run that is resumed tells its events anew
"""

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from evolve.core.agents import DemoSettings, Section
from evolve.core.errors import EnvironmentFault, InputError, Problem
from evolve.core.evolution_events import EvolutionEvent, EvolutionStarted
from evolve.core.evolution_json import from_line, to_line
from evolve.core.search.genome import Genome

_BUSY_S = 20.0
_SCHEMA = """
CREATE TABLE IF NOT EXISTS runs
  (run TEXT PRIMARY KEY, agent TEXT NOT NULL, command TEXT NOT NULL, started REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS candidates
  (run TEXT, id TEXT, parents TEXT NOT NULL, operator TEXT NOT NULL, note TEXT NOT NULL, genome TEXT NOT NULL,
   PRIMARY KEY (run, id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS events
  (run TEXT, attempt INTEGER, number INTEGER, line TEXT NOT NULL, PRIMARY KEY (run, attempt, number)) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One run, as lists show it."""

    run: str
    agent: str
    command: str
    started_s: float


class Archive:
    """All runs of a machine.

    Raises:
        EnvironmentFault: the file cannot be used.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "archive.sqlite"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(self._path, timeout=_BUSY_S, isolation_level=None)
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = OFF")
            self._database.executescript(_SCHEMA)
        except (sqlite3.Error, OSError) as exc:
            raise EnvironmentFault(
                f"the archive {self._path}: {exc}", hint="set EVOLVE_CACHE_DIR to a folder that can be written"
            ) from exc

    def begin(self, started: EvolutionStarted) -> "Recorder":
        """Writes a run down; its events go to what is returned."""
        row = (started.run, started.agent, started.command, started.started_s)
        self._database.execute("INSERT OR IGNORE INTO runs VALUES (?, ?, ?, ?)", row)
        return Recorder(self._database, started.run, self._attempts(started.run) + 1)

    def knows(self, run: str) -> bool:
        """Whether the run was begun before."""
        return self._attempts(run) > 0

    def runs(self) -> list[RunRecord]:
        """All runs, the newest first."""
        rows = self._database.execute("SELECT run, agent, command, started FROM runs ORDER BY started DESC, run")
        return [RunRecord(*row) for row in rows]

    def find(self, name: str | None) -> RunRecord:
        """The run whose id begins with `name`, or the newest without one.

        Raises:
            InputError: there is none, or several.
        """
        runs = self.runs()
        found = runs[:1] if name is None else [record for record in runs if record.run.startswith(name)]
        if len(found) == 1:
            return found[0]
        if not runs:
            raise InputError(Problem("no run is archived yet", None, "evolve --test-case FILE makes one"))
        known = ", ".join(record.run for record in runs[:5])
        raise InputError(Problem(f"{len(found)} runs begin with {name!r}", None, f"the newest are {known}"))

    def events(self, run: str) -> Iterator[EvolutionEvent]:
        """The events of the run's last attempt."""
        rows = self._database.execute(
            "SELECT line FROM events WHERE run = ? AND attempt = ? ORDER BY number", (run, self._attempts(run))
        )
        return (from_line(line) for (line,) in rows)

    def genome(self, run: str, candidate: str) -> Genome:
        """The genome of a candidate.

        Raises:
            InputError: the run has no such candidate.
        """
        row = self._database.execute(
            "SELECT genome FROM candidates WHERE run = ? AND id = ?", (run, candidate)
        ).fetchone()
        if row is None:
            raise InputError(Problem(f"run {run} has no candidate {candidate!r}"))
        return genome_from_text(row[0])

    def close(self) -> None:
        """Closes the file."""
        self._database.close()

    def _attempts(self, run: str) -> int:
        row = self._database.execute("SELECT max(attempt) FROM events WHERE run = ?", (run,)).fetchone()
        return int(row[0] or 0)


class Recorder:
    """Writes one attempt of one run."""

    def __init__(self, database: sqlite3.Connection, run: str, attempt: int) -> None:
        self._database, self._run, self._attempt = database, run, attempt
        self._number = 0

    def event(self, event: EvolutionEvent) -> None:
        """Appends an event."""
        self._number += 1
        row = (self._run, self._attempt, self._number, to_line(event))
        self._database.execute("INSERT INTO events VALUES (?, ?, ?, ?)", row)

    def candidate(self, genome: Genome, parents: tuple[str, ...], operator: str, note: str) -> None:
        """Appends a candidate; one that is there already stays as it is."""
        row = (self._run, genome.id, json.dumps(parents), operator, note, genome_to_text(genome))
        self._database.execute("INSERT OR IGNORE INTO candidates VALUES (?, ?, ?, ?, ?, ?)", row)


def genome_to_text(genome: Genome) -> str:
    """A genome as JSON."""
    return json.dumps(asdict(genome), separators=(",", ":"), ensure_ascii=False)


def genome_from_text(text: str) -> Genome:
    """The genome that `genome_to_text` wrote."""
    fields = json.loads(text)
    ids = fields["demo_ids"]
    return Genome(
        sections=tuple(Section(**section) for section in fields["sections"]),
        rules=tuple(fields["rules"]),
        demos=DemoSettings(**fields["demos"]) if fields["demos"] else None,
        demo_ids=None if ids is None else tuple(ids),
        sampling=fields["sampling"],
        digest_chars=fields["digest_chars"],
    )
