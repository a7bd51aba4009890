"""The archive: every run, every candidate with its parents, every event; append-only.

archive.sqlite
  runs        run, agent, command, its latest start, the agent's file, where the winner's file goes
  folders     run, the folder of its latest start, to which the paths in its events are relative
  candidates  run, id, parents, operator, note, genome as JSON
  attempts    run, attempt: each process that starts or resumes a run has its own number
  events      run, attempt, number, event as a line of JSON; a resumed run writes all its events again
  promotions  the agent's file, what it held before and after, and what else changed; `undone` when it was rolled back
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from evolve.core.evolution.json_lines import from_line, to_line
from evolve.core.model.agents import DemoSettings, Section
from evolve.core.model.errors import InputError, Problem
from evolve.core.model.evolution_events import EvolutionEvent, EvolutionStarted
from evolve.core.search.genome import Genome
from evolve.system.sqlite import SharedFile

_VERSION = 1
"""Of the tables below; raise it when they change."""
_SCHEMA = """
CREATE TABLE IF NOT EXISTS runs
  (run TEXT PRIMARY KEY, agent TEXT NOT NULL, command TEXT NOT NULL, started REAL NOT NULL,
   agent_file TEXT NOT NULL, winner_file TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS folders (run TEXT PRIMARY KEY, folder TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS candidates
  (run TEXT, id TEXT, parents TEXT NOT NULL, operator TEXT NOT NULL, note TEXT NOT NULL, genome TEXT NOT NULL,
   PRIMARY KEY (run, id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS attempts
  (run TEXT, attempt INTEGER, PRIMARY KEY (run, attempt)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS events
  (run TEXT, attempt INTEGER, number INTEGER, line TEXT NOT NULL, PRIMARY KEY (run, attempt, number)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS promotions
  (number INTEGER PRIMARY KEY, file TEXT NOT NULL, run TEXT NOT NULL, before TEXT NOT NULL, after TEXT NOT NULL,
   pinned TEXT NOT NULL, undone INTEGER NOT NULL DEFAULT 0);
"""
_NEXT_ATTEMPT = """
INSERT INTO attempts SELECT ?1, 1 + coalesce(max(attempt), 0) FROM
  (SELECT attempt FROM attempts WHERE run = ?1 UNION ALL SELECT attempt FROM events WHERE run = ?1)
RETURNING attempt
"""
_TELLING_ATTEMPT = """
SELECT attempt FROM events WHERE run = ?1
ORDER BY substr(line, 1, length(?2)) = ?2 DESC, attempt DESC LIMIT 1
"""
_FINISHED = '{"event":"EvolutionFinished",'


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
    folder: str
    """The working folder of the run's command; empty for a run of a version that did not record it."""


@dataclass(frozen=True, slots=True)
class Promotion:
    """One promotion, with what is needed to undo it."""

    number: int
    file: str
    """The agent's file, absolute."""
    run: str
    before: Mapping[str, str | None]
    """The old text of each file that was written; None where there was no file."""
    after: Mapping[str, str]
    """The new text of each file that was written."""
    pinned: tuple[str, ...]
    """The failure cases that it pinned."""


class Archive:
    """All runs of a machine.

    Raises:
        StoreFault: the file cannot be used.
    """

    def __init__(self, folder: Path) -> None:
        # NORMAL: nothing else has the data that a rollback needs.
        file = folder / "archive.sqlite"
        self._file = SharedFile(file, _SCHEMA, version=_VERSION, what="the archive", durability="NORMAL")

    def begin(self, started: EvolutionStarted, *, agent_file: Path, winner_file: Path) -> "Recorder":
        """Record a run, and return the recorder of its events; a second attempt updates the places of its files."""
        row = (started.run, started.agent, started.command, started.started_s)
        places = (str(agent_file.resolve()), str(winner_file.resolve()))
        self._file.do(
            "INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (run) DO UPDATE "
            "SET command = excluded.command, started = excluded.started, "
            "agent_file = excluded.agent_file, winner_file = excluded.winner_file",
            *row,
            *places,
        )
        self._file.do("INSERT OR REPLACE INTO folders VALUES (?, ?)", started.run, str(Path.cwd()))
        attempt = self._file.one(_NEXT_ATTEMPT, started.run)
        assert attempt is not None
        return Recorder(self._file, started.run, attempt[0])

    def knows(self, run: str) -> bool:
        """Return whether the run has been started before."""
        return self._attempt(run) > 0

    def runs(self) -> list[RunRecord]:
        """Return all runs, the newest first."""
        rows = self._file.all(
            "SELECT run, agent, command, started, agent_file, winner_file, coalesce(folder, '') "
            "FROM runs LEFT JOIN folders USING (run) ORDER BY started DESC, run"
        )
        return [RunRecord(*row) for row in rows]

    def find(self, name: str | None) -> RunRecord:
        """Return the run whose id begins with `name`, or the newest without one.

        Raises:
            InputError: there is none, or several.
        """
        runs = self.runs()
        found = runs[:1] if name is None else [record for record in runs if record.run.startswith(name)]
        if len(found) == 1:
            return found[0]
        if not runs:
            raise InputError(Problem("no run is archived yet", None, "`evolve --test-case FILE` makes one"))
        known = ", ".join(record.run for record in runs[:5])
        count = f"{len(found)} runs begin" if found else "no run begins"
        raise InputError(Problem(f"{count} with {name!r}", None, f"the newest are {known}"))

    def events(self, run: str) -> Iterator[EvolutionEvent]:
        """Return the events of the last attempt that finished; of the last attempt when none finished."""
        rows = self._file.all(
            "SELECT line FROM events WHERE run = ? AND attempt = ? ORDER BY number", run, self._attempt(run)
        )
        return (from_line(line) for (line,) in rows)

    def append(self, run: str, events: Sequence[EvolutionEvent]) -> None:
        """Append events that happened after the run to the attempt that `events` returns."""
        attempt = self._attempt(run)
        for event in events:
            self._file.do(
                "INSERT INTO events SELECT ?, ?, max(number) + 1, ? FROM events WHERE run = ? AND attempt = ?",
                run,
                attempt,
                to_line(event),
                run,
                attempt,
            )

    def genome(self, run: str, candidate: str) -> Genome:
        """Return the genome of a candidate.

        Raises:
            InputError: the run has no such candidate.
        """
        row = self._file.one("SELECT genome FROM candidates WHERE run = ? AND id = ?", run, candidate)
        if row is None:
            raise InputError(Problem(f"run {run} has no candidate {candidate!r}"))
        return genome_from_text(row[0])

    def note_promotion(
        self, file: Path, run: str, before: Mapping[str, str | None], after: Mapping[str, str], pinned: Sequence[str]
    ) -> None:
        """Record a promotion, so that it can be undone.

        Args:
            file: the agent's file, absolute.
            run: the run whose winner was promoted.
            before: the old text of each file that was written; None where there was no file.
            after: the new text of each file.
            pinned: the failure cases that it pinned.
        """
        row = (str(file), run, json.dumps(before), json.dumps(after), json.dumps(pinned))
        self._file.do("INSERT INTO promotions (file, run, before, after, pinned) VALUES (?, ?, ?, ?, ?)", *row)

    def last_promotion(self, file: Path) -> Promotion | None:
        """Return the newest promotion of an agent's file that was not undone."""
        row = self._file.one(
            "SELECT number, file, run, before, after, pinned FROM promotions "
            "WHERE file = ? AND NOT undone ORDER BY number DESC",
            str(file),
        )
        if row is None:
            return None
        number, name, run, before, after, pinned = row
        return Promotion(number, name, run, json.loads(before), json.loads(after), tuple(json.loads(pinned)))

    def promoted_files(self) -> list[Path]:
        """Return the files of all agents with a promotion that was not undone, the newest promotion first."""
        rows = self._file.all("SELECT file FROM promotions WHERE NOT undone GROUP BY file ORDER BY max(number) DESC")
        return [Path(file) for (file,) in rows]

    def note_undone(self, promotion: Promotion) -> None:
        """Record that a promotion was rolled back."""
        self._file.do("UPDATE promotions SET undone = 1 WHERE number = ?", promotion.number)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _attempt(self, run: str) -> int:
        """Return the attempt whose events count; 0 for a run that has none."""
        row = self._file.one(_TELLING_ATTEMPT, run, _FINISHED)
        return int(row[0]) if row else 0


class Recorder:
    """Writes one attempt of one run."""

    def __init__(self, file: SharedFile, run: str, attempt: int) -> None:
        self._file, self._run, self._attempt = file, run, attempt
        self._number = 0

    def event(self, event: EvolutionEvent) -> None:
        """Append an event."""
        self._number += 1
        row = (self._run, self._attempt, self._number, to_line(event))
        self._file.do("INSERT INTO events VALUES (?, ?, ?, ?)", *row)

    def candidate(self, genome: Genome, parents: tuple[str, ...], operator: str, note: str) -> None:
        """Append a candidate; one that is stored already is not changed.

        Args:
            genome: the candidate.
            parents: the ids of its parents.
            operator: the name of the operator that made it.
            note: what the operator changed, for reports.
        """
        row = (self._run, genome.id, json.dumps(parents), operator, note, genome_to_text(genome))
        self._file.do("INSERT OR IGNORE INTO candidates VALUES (?, ?, ?, ?, ?, ?)", *row)


def genome_to_text(genome: Genome) -> str:
    """Return a genome as JSON."""
    return json.dumps(asdict(genome), separators=(",", ":"), ensure_ascii=False)


def genome_from_text(text: str) -> Genome:
    """Return the genome that `genome_to_text` wrote."""
    fields = json.loads(text)
    ids = fields["demo_ids"]
    return Genome(
        sections=tuple(Section(**section) for section in fields["sections"]),
        rules=tuple(fields["rules"]),
        demos=DemoSettings(**fields["demos"]) if fields["demos"] else None,
        demo_ids=None if ids is None else tuple(ids),
        sampling=fields["sampling"],
        digest_chars=fields["digest_chars"],
        scratch=tuple(fields.get("scratch", ())),
        taught=tuple((name, answer) for name, answer in fields.get("taught", ())),
    )
