"""Reads an audit log from its beginning and reports every place where it is not as it was written."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from evolve.core.model.errors import Location, Problem
from evolve.core.model.healing import AuditEvent
from evolve.core.model.json_value import JsonValue
from evolve.store.audit_lines import FIRST_PREV, AuditHead, AuditLine, read_line
from evolve.store.audit_log import audit_files, lock_of, tail_of
from evolve.store.audit_pairs import AuditPairs
from evolve.store.incidents import IncidentStore
from evolve.system.disk_faults import store_fault


@dataclass(frozen=True, slots=True)
class AuditCheck:
    """What a check of an audit log found."""

    records: int
    files: int
    head: str
    """The hash of the last record. Who notes it elsewhere can later show that the log up to there is unchanged."""
    open_healings: tuple[str, ...]
    """Healings that were intended and whose result is not known yet."""
    problems: tuple[Problem, ...]
    notes: tuple[str, ...] = ()
    """What is worth knowing and is no problem."""

    def to_json(self) -> dict[str, JsonValue]:
        """Return the values for `--json`."""
        return {
            "records": self.records,
            "files": self.files,
            "head": self.head,
            "open_healings": [*self.open_healings],
            "problems": [_problem_json(one) for one in self.problems],
            "notes": [*self.notes],
        }


@dataclass(frozen=True, slots=True)
class _Source:
    """A file of the log up to its size at one moment."""

    path: Path
    size: int
    pending: bytes = b""
    """What a killed process has not written of its end."""

    def lines(self) -> Iterator[tuple[bytes, bool]]:
        """Yield each line, and whether it has its line end."""
        content = self.pending
        if self.path.exists():
            with self.path.open("rb") as file:
                content = file.read(self.size) + self.pending
        *whole, rest = content.split(b"\n")
        yield from ((line, True) for line in whole)
        if rest:
            yield rest, False


def verify(folder: Path, incidents: IncidentStore) -> AuditCheck:
    """Return what is wrong with a log: edited, removed, swapped, added and cut records, with file and line.

    Args:
        folder: the log's.
        incidents: has the log's head, and knows which healings are under way.

    Raises:
        StoreFault: a file cannot be read.
    """
    try:
        if not folder.is_dir():
            head, sources, under_way, undoing = incidents.head(), [], incidents.intended(), incidents.undoing()
        else:
            # One moment for all: a supervisor may be writing.
            with lock_of(folder):
                head, under_way, undoing = incidents.head(), incidents.intended(), incidents.undoing()
                sources = list(_sources(folder, head))
        checker = _Checker(folder)
        for source in sources:
            checker.read(source)
    except OSError as error:
        raise store_fault(f"the audit log {folder} cannot be read", folder, error) from error
    checker.compare(head)
    checker.pairs.check_end(under_way, undoing)
    if any(source.pending for source in sources):
        checker.notes.append("the last write was interrupted; the next one completes it")
    return AuditCheck(
        checker.records,
        len(sources),
        checker.hash,
        tuple(healing for healing in checker.pairs.intended if healing in under_way),
        tuple(checker.problems),
        tuple(checker.notes),
    )


def read_records(folder: Path, containing: str = "") -> Iterator[tuple[Location, AuditLine | None]]:
    """Yield the records of a log, each with its place; None for a line that is no record.

    Args:
        folder: the log's.
        containing: only lines with this ASCII text; the others need not be read, which is ten times as fast.
    """
    wanted = containing.encode()
    for path in audit_files(folder):
        for number, (line, _) in enumerate(_Source(path, path.stat().st_size).lines(), 1):
            if wanted not in line:
                continue
            try:
                yield Location(str(path), number), read_line(line)
            except ValueError:
                yield Location(str(path), number), None


def _sources(folder: Path, head: AuditHead) -> Iterator[_Source]:
    files = audit_files(folder)
    for path in files:
        yield _Source(path, path.stat().st_size, _unwritten(path, head) if path.name == head.file else b"")
    begun = folder / head.file
    if head.pending and begun not in files:
        yield _Source(begun, 0, _unwritten(begun, head))


def _unwritten(path: Path, head: AuditHead) -> bytes:
    pending = head.pending.encode()
    tail = tail_of(path, head.size - len(pending))
    return pending[len(tail) :] if tail is not None and pending.startswith(tail) else b""


@dataclass(slots=True)
class _Checker:
    """Follows the chain; after a problem it goes on from what it found, so that one change is reported once."""

    folder: Path
    records: int = 0
    n: int = 0
    hash: str = FIRST_PREV
    where: Location | None = None
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    pairs: AuditPairs = field(init=False)

    def __post_init__(self) -> None:
        self.pairs = AuditPairs(self._report)

    def read(self, source: _Source) -> None:
        """Read a file."""
        for number, (line, is_ended) in enumerate(source.lines(), 1):
            self.where = Location(str(source.path), number)
            try:
                found = read_line(line)
            except ValueError as error:
                self._report(str(error))
                # Its number and hash are gone; the next line has what they should be.
                self.n, self.hash = self.n + 1, ""
                continue
            if not is_ended:
                self._report("the line end is missing")
            self._follow(found)
            self._check_event(found)

    def compare(self, head: AuditHead) -> None:
        """Compare the end with the database."""
        if head.n > self.n:
            missing = f"record {head.n}" if head.n == self.n + 1 else f"records {self.n + 1} to {head.n}"
            where = self.where or Location(str(self.folder / head.file))
            self._report(f"the end is cut: {missing} of {head.n} missing", where)
        elif head.n < self.n:
            self._report(f"record {self.n} is beyond the last one that the database has, {head.n}")
        elif self.hash and head.hash != self.hash:
            self._report("the last record is not the one that the database has")
        elif head.file and self.where is not None and Path(self.where.file).name != head.file:
            self._report(f"the last record belongs into {head.file}")

    def _follow(self, found: AuditLine) -> None:
        self.records += 1
        if found.n != self.n + 1:
            self._report(f"record {found.n} where {self.n + 1} was expected")
        elif self.hash and found.prev != self.hash:
            self._report("the record does not follow the one before it")
        self.n, self.hash = found.n, found.hash

    def _check_event(self, found: AuditLine) -> None:
        assert self.where is not None
        if found.event == AuditEvent.REPAIRED:
            self._check_repair(found)
        else:
            self.pairs.follow(found, self.where)

    def _check_repair(self, found: AuditLine) -> None:
        if found.details.get("was_interrupted"):
            self.notes.append(f"{self.where}: a write was interrupted and completed; what it had left is set aside")
        else:
            self._report("the file was not as it was left when this record was written")
        name, digest = found.details.get("set_aside"), found.details.get("sha256")
        if isinstance(name, str) and Path(name).name == name:
            path = self.folder / name
            if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != digest:
                self._report(f"{name}, which holds what was found, is missing or was changed")

    def _report(self, message: str, where: Location | None = None) -> None:
        self.problems.append(Problem(message, where or self.where or Location(str(self.folder))))


def _problem_json(problem: Problem) -> JsonValue:
    where = problem.where
    return {"file": where.file if where else "", "line": where.line if where else None, "message": problem.message}
