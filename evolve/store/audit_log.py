"""The audit log: files of lines that only grow, each line with the hash of the one before, their head in SQLite.

FOLDER/audit-000001-2026-11.jsonl, audit-000002-2026-12.jsonl, ...

A record goes to the database first, together with the incident that it is about, and then to the file. So an incident
never changes without its record. A process that is killed between the two leaves a pending end, which the next one
writes; a file that is longer or shorter than that was changed by somebody else, or by a fault of the disk.
"""

import hashlib
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from evolve.core.model.errors import StoreFault
from evolve.core.model.healing import Approval, AuditEvent, AuditRecord, Incident
from evolve.core.model.json_value import JsonValue
from evolve.store.audit_lines import AuditHead, make_line
from evolve.store.incidents import IncidentStore
from evolve.system.atomic_files import sync_folder, write_whole
from evolve.system.disk_faults import store_fault
from evolve.system.locks import locked

FOLDER: Final = "audit"
"""Where it is, below the folder of the incidents."""
MAX_BYTES: Final = 16 * 2**20
"""Of one file; an editor opens it quickly."""
WAIT_S: Final = 20.0
"""For another process that writes, which takes milliseconds. One that was stopped in the middle must not stop all."""
_POLL_S: Final = 0.002
_FILE: Final = re.compile(r"audit-(\d{6,})-\d{4,}-\d\d\.jsonl")
_PRIVATE: Final = 0o600


class AuditLog:
    """The log of a folder, shared by the processes of a machine.

    Args:
        folder: is made when it is missing; only its owner may read it.
        incidents: has the log's head.
        clock: seconds since 1970, for records about the log itself.
        max_bytes: of a file, after which the next one begins.
        wait_s: how long to wait for another process that writes.
    """

    def __init__(
        self,
        folder: Path,
        incidents: IncidentStore,
        *,
        clock: Callable[[], float] = time.time,
        max_bytes: int = MAX_BYTES,
        wait_s: float = WAIT_S,
    ) -> None:
        self._folder, self._incidents = folder, incidents
        self._clock, self._max_bytes, self._wait_s = clock, max_bytes, wait_s

    def append(self, record: AuditRecord) -> None:
        """Append a record; it is on disk when this returns.

        Raises:
            StoreFault: a file cannot be written. What was written is completed by the next call.
        """
        self._append(record)

    def append_with(self, record: AuditRecord, incident: Incident) -> Incident:
        """Append a record and save the incident that it is about, both or neither, and return the stored incident.

        Raises:
            LostUpdate: see `IncidentStore.save`; nothing is written.
            StoreFault: as in `append`.
        """
        saved = self._append(record, incident=incident)
        assert saved is not None
        return saved

    def approve(self, record: AuditRecord, approval: Approval) -> None:
        """Append a record and store the approval that it is about, both or neither; see `append`."""
        self._append(record, approval=approval)

    def _append(
        self, record: AuditRecord, *, incident: Incident | None = None, approval: Approval | None = None
    ) -> Incident | None:
        with self._locked():
            head = self._settled()
            file = self._file_for(head, record.at)
            line, digest = make_line(head.n + 1, record, head.hash)
            start = head.size if file == head.file else 0
            new = AuditHead(head.n + 1, digest, file, start + len(line), line)
            saved = self._incidents.anchor(new, incident=incident, approval=approval)
            self._write(file, line)
            self._incidents.anchor(replace(new, pending=""))
        return saved

    @contextmanager
    def _locked(self) -> Iterator[None]:
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with lock_of(self._folder, self._wait_s):
                yield
        except OSError as error:
            hint = "nothing is changed in a cluster without a record: make the folder writable"
            raise store_fault(
                f"the audit log {self._folder} cannot be written", self._folder, error, hint=hint
            ) from error

    def _file_for(self, head: AuditHead, at: float) -> str:
        month = datetime.fromtimestamp(at, UTC).strftime("%Y-%m")
        if head.file and head.size < self._max_bytes and head.file.endswith(f"-{month}.jsonl"):
            return head.file
        numbers = [number_of(path) for path in audit_files(self._folder)]
        return f"audit-{max(numbers, default=0) + 1:06}-{month}.jsonl"

    def _settled(self) -> AuditHead:
        """The head of a file that ends as it was left; what a killed process did not write is written now."""
        head = self._incidents.head()
        if not head.file:
            files = audit_files(self._folder)
            return self._repair(head, b"", {"found_files": len(files), "expected_files": 0}) if files else head
        size = self._size(head.file)
        if size == head.size and not head.pending:
            return head
        tail = tail_of(self._folder / head.file, head.size - len(head.pending))
        if head.pending and tail is not None and head.pending.encode().startswith(tail):
            self._write(head.file, head.pending[len(tail) :])
            settled = replace(head, pending="")
            self._incidents.anchor(settled)
            return settled
        return self._repair_end(head)

    def _repair_end(self, head: AuditHead) -> AuditHead:
        """Set the unknown end of a file aside and go on behind the known part, with a record that says so."""
        path = self._folder / head.file
        content = path.read_bytes() if path.exists() else b""
        known = head.size - len(head.pending)
        # Of a shorter file, the last whole line ends the known part.
        keep = known if len(content) >= known else content.rfind(b"\n") + 1
        found: dict[str, JsonValue] = {"found_bytes": len(content), "expected_bytes": known}
        if head.pending and known <= len(content) <= head.size:
            # A power cut while the end was written may leave anything in its place. Nothing is lost.
            found["was_interrupted"] = True
        return self._repair(replace(head, size=keep + len(head.pending)), content[keep:], found)

    def _repair(self, head: AuditHead, strange: bytes, details: dict[str, JsonValue]) -> AuditHead:
        if strange:
            digest = hashlib.sha256(strange).hexdigest()
            aside = f"set-aside-{digest[:16]}.bin"
            write_whole(self._folder / aside, strange, mode=_PRIVATE, is_synced=True)
            details = {**details, "set_aside": aside, "sha256": digest}
        now = self._clock()
        file = head.file or self._file_for(head, now)
        line, digest = make_line(head.n + 1, AuditRecord(AuditEvent.REPAIRED, now, details=details), head.hash)
        # Pending before the file is cut: a process killed meanwhile leaves all this to the next one.
        pending = head.pending + line
        start = head.size - len(head.pending)
        new = AuditHead(head.n + 1, digest, file, start + len(pending), pending)
        self._incidents.anchor(new)
        if strange:
            os.truncate(self._folder / file, start)
        self._write(file, pending)
        settled = replace(new, pending="")
        self._incidents.anchor(settled)
        return settled

    def _size(self, file: str) -> int:
        path = self._folder / file
        return path.stat().st_size if path.exists() else 0

    def _write(self, file: str, text: str) -> None:
        """Append to a file; it is on the disk when this returns."""
        path = self._folder / file
        is_new = not path.exists()
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, _PRIVATE)
        try:
            left = text.encode()
            while left:
                left = left[os.write(handle, left) :]
            os.fsync(handle)
        finally:
            os.close(handle)
        if is_new:
            sync_folder(self._folder)


@contextmanager
def lock_of(folder: Path, wait_s: float = WAIT_S) -> Iterator[None]:
    """Hold the lock of a log.

    Raises:
        StoreFault: another process holds it for too long.
    """
    with locked(folder, wait_s=wait_s, poll_s=_POLL_S) as is_held:
        if not is_held:
            hint = "was a supervisor stopped (SIGSTOP)? Let it go on, or end it"
            raise StoreFault(f"the audit log {folder} is locked by another process", path=str(folder), hint=hint)
        yield


def audit_files(folder: Path) -> tuple[Path, ...]:
    """Return the files of a log, in order; none for a folder that is missing."""
    found = [path for path in folder.iterdir() if _FILE.fullmatch(path.name)] if folder.is_dir() else []
    return tuple(sorted(found, key=lambda path: (number_of(path), path.name)))


def number_of(path: Path) -> int:
    """Return the number of one of the log's files."""
    match = _FILE.fullmatch(path.name)
    assert match is not None, path
    return int(match[1])


def tail_of(path: Path, start: int) -> bytes | None:
    """Return the bytes of a file from `start` on; None for a shorter file."""
    if not path.exists():
        return b"" if start == 0 else None
    with path.open("rb") as file:
        if file.seek(0, os.SEEK_END) < start:
            return None
        file.seek(start)
        return file.read()
