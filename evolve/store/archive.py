"""The archive: every run, every candidate with its parents, every event; append-only.

archive.sqlite
  runs        run, agent, command, when it began first, the agent's file, where the winner's file goes
  candidates  run, id, parents, operator, note, genome as JSON
  events      run, attempt, number, event as a line of JSON; a run that is resumed tells its events anew
  promotions  the agent's file, what it held before and after, and what else changed; `undone` when it was rolled back
"""

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from evolve.core.agents import DemoSettings, Section
from evolve.core.errors import EnvironmentFault, InputError, Problem
from evolve.core.evolution_events import EvolutionEvent, EvolutionStarted
from evolve.core.evolution_json import from_line, to_line
from evolve.core.search.genome import Genome

_BUSY_S = 20.0
_VERSION = 1
_SCHEMA = """
CREATE TABLE IF NOT EXISTS runs
  (run TEXT PRIMARY KEY, agent TEXT NOT NULL, command TEXT NOT NULL, started REAL NOT NULL,
   agent_file TEXT NOT NULL, winner_file TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS candidates
  (run TEXT, id TEXT, parents TEXT NOT NULL, operator TEXT NOT NULL, note TEXT NOT NULL, genome TEXT NOT NULL,
   PRIMARY KEY (run, id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS events
  (run TEXT, attempt INTEGER, number INTEGER, line TEXT NOT NULL, PRIMARY KEY (run, attempt, number)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS promotions
  (number INTEGER PRIMARY KEY, file TEXT NOT NULL, run TEXT NOT NULL, before TEXT NOT NULL, after TEXT NOT NULL,
   pinned TEXT NOT NULL, undone INTEGER NOT NULL DEFAULT 0);
"""


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One run, as lists show it."""

    run: str
    agent: str
    command: str
    started_s: float
    agent_file: str
    """Absolute, as the next."""
    winner_file: str
    """Where the run leaves its winner as an agent file."""


@dataclass(frozen=True, slots=True)
class Promotion:
    """One promotion, with what is needed to undo it."""

    number: int
    file: str
    """The agent's file, absolute."""
    run: str
    before: Mapping[str, str | None]
    """Each file that was written and the text that it had; None where there was none."""
    after: Mapping[str, str]
    """Each file that was written and the text that it got."""
    pinned: tuple[str, ...]
    """Failure cases that it pinned."""


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
            self._check_version()
            self._database.executescript(_SCHEMA)
            self._database.execute(f"PRAGMA user_version = {_VERSION}")
        except (sqlite3.Error, OSError) as exc:
            raise EnvironmentFault(
                f"the archive {self._path}: {exc}", hint="set EVOLVE_CACHE_DIR to a folder that can be written"
            ) from exc

    def _check_version(self) -> None:
        version = self._database.execute("PRAGMA user_version").fetchone()[0]
        if version not in (0, _VERSION):
            raise EnvironmentFault(
                f"the archive {self._path} has format {version}, this version of Anneal knows {_VERSION}",
                hint="move the file away, or set EVOLVE_CACHE_DIR to another folder",
            )

    def begin(self, started: EvolutionStarted, *, agent_file: Path, winner_file: Path) -> "Recorder":
        """Writes a run down; its events go to what is returned. A second attempt tells anew where its files are."""
        row = (started.run, started.agent, started.command, started.started_s)
        places = (str(agent_file.resolve()), str(winner_file.resolve()))
        self._database.execute(
            "INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (run) DO UPDATE "
            "SET command = excluded.command, agent_file = excluded.agent_file, winner_file = excluded.winner_file",
            (*row, *places),
        )
        return Recorder(self._database, started.run, self._attempts(started.run) + 1)

    def knows(self, run: str) -> bool:
        """Whether the run was begun before."""
        return self._attempts(run) > 0

    def runs(self) -> list[RunRecord]:
        """All runs, the newest first."""
        rows = self._database.execute(
            "SELECT run, agent, command, started, agent_file, winner_file FROM runs ORDER BY started DESC, run"
        )
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

    def note_promotion(
        self, file: Path, run: str, before: Mapping[str, str | None], after: Mapping[str, str], pinned: Sequence[str]
    ) -> None:
        """Writes a promotion down, so that it can be undone."""
        row = (str(file), run, json.dumps(before), json.dumps(after), json.dumps(pinned))
        self._database.execute("INSERT INTO promotions (file, run, before, after, pinned) VALUES (?, ?, ?, ?, ?)", row)

    def last_promotion(self, file: Path) -> Promotion | None:
        """The newest promotion of an agent's file that was not undone."""
        row = self._database.execute(
            "SELECT number, file, run, before, after, pinned FROM promotions "
            "WHERE file = ? AND NOT undone ORDER BY number DESC",
            (str(file),),
        ).fetchone()
        if row is None:
            return None
        number, name, run, before, after, pinned = row
        return Promotion(number, name, run, json.loads(before), json.loads(after), tuple(json.loads(pinned)))

    def note_undone(self, promotion: Promotion) -> None:
        """Writes down that a promotion was rolled back."""
        self._database.execute("UPDATE promotions SET undone = 1 WHERE number = ?", (promotion.number,))

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
