"""The supervisor's memory: incidents, approvals and the audit log, as the supervisor sees them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from evolve.core.cases.redaction import Redactor
from evolve.core.healing.redacted import redact_incident, redact_record, texts_of
from evolve.core.model.healing import OPEN_STATES, Approval, AuditRecord, Incident
from evolve.store.audit_check import AuditCheck, verify
from evolve.store.audit_log import FOLDER, AuditLog
from evolve.store.incidents import NAME, IncidentStore
from evolve.store.retention import prune

_ALL = 1_000_000


class Records(Protocol):
    """Where incidents and decisions are written. What a method returned from is on disk."""

    @property
    def owner(self) -> str:
        """The name of this memory, which no other has."""
        ...

    def new_id(self) -> str:
        """Return an ID that no incident has."""
        ...

    def redacted(self, incident: Incident) -> Incident:
        """Return an incident as it would be stored."""
        ...

    def read(self, id: str) -> Incident | None:
        """Return an incident; None where there is none of this ID."""
        ...

    def open_incident(self, namespace: str, job: str) -> Incident | None:
        """Return the open incident of a job; None without one."""
        ...

    def last_ended(self, namespace: str, job: str) -> Incident | None:
        """Return the incident of a job that ended last; None where none did."""
        ...

    def open_incidents(self) -> tuple[Incident, ...]:
        """Return all open incidents, the oldest first."""
        ...

    def save(self, incident: Incident) -> Incident:
        """Return the stored incident, with its new revision; raise LostUpdate where another process was faster."""
        ...

    def record(self, record: AuditRecord, incident: Incident) -> Incident:
        """Write a record of the audit log and save the incident that it is about, both or neither; see `save`."""
        ...

    def append(self, record: AuditRecord) -> None:
        """Write a record of the audit log."""
        ...

    def healing_times(self, since: float) -> tuple[float, ...]:
        """Return when healings began, in seconds since 1970."""
        ...

    def begun(self, since: float) -> Mapping[str, float]:
        """Return when incidents were opened, by job."""
        ...

    def approval(self, incident: str, plan_hash: str, now: float) -> Approval | None:
        """Return a person's word for exactly this plan that is still valid."""
        ...

    def consume_approval(self, incident: str, plan_hash: str) -> None:
        """Delete an approval: it is good for one healing."""
        ...

    def prune(self, days: int, now: float) -> int:
        """Delete the incidents that ended so many days ago, and return how many; the audit log stays."""
        ...


class StoredRecords:
    """Records in a folder. Secrets are masked on their way in.

    Args:
        folder: of the database and the log; only its owner may read it.
        redactor: finds secrets.

    Raises:
        StoreFault: the folder cannot be used. All methods raise it too.
    """

    def __init__(self, folder: Path, redactor: Redactor) -> None:
        self.folder = folder
        self.incidents = IncidentStore(folder / NAME)
        self._audit = AuditLog(folder / FOLDER, self.incidents)
        self._redactor = redactor
        self._shown: dict[str, tuple[object, ...]] = {}
        """The texts of open incidents as they were redacted: with the same ones, nothing is searched again."""
        self.owner = self.incidents.owner()
        self.new_id = self.incidents.new_id
        self.read = self.incidents.read
        self.open_incident = self.incidents.open_incident
        self.last_ended = self.incidents.last_ended
        self.healing_times = self.incidents.healing_times
        self.begun = self.incidents.begun
        self.approval = self.incidents.approval
        self.consume_approval = self.incidents.consume_approval
        self.count_case = self.incidents.count_case

    def open_incidents(self) -> tuple[Incident, ...]:
        """Return all open incidents; see `Records.open_incidents`."""
        return self.incidents.list(is_open=True, limit=_ALL)

    def save(self, incident: Incident) -> Incident:
        """Save an incident; see `Records.save`."""
        return self.incidents.save(self.redacted(incident))

    def record(self, record: AuditRecord, incident: Incident) -> Incident:
        """Write a record and save its incident; see `Records.record`."""
        return self._audit.append_with(redact_record(record, self._redactor), self.redacted(incident))

    def redacted(self, incident: Incident) -> Incident:
        """Return an incident without secrets; see `Records.redacted`."""
        if self._shown.get(incident.id) == texts_of(incident):
            return incident
        shown = redact_incident(incident, self._redactor)
        if shown.state in OPEN_STATES:
            self._shown[incident.id] = texts_of(shown)
        else:
            self._shown.pop(incident.id, None)
        return shown

    def append(self, record: AuditRecord) -> None:
        """Write a record; see `Records.append`."""
        self._audit.append(redact_record(record, self._redactor))

    def prune(self, days: int, now: float) -> int:
        """Delete old incidents; see `Records.prune`."""
        return prune(self.incidents, self._audit, days, now)

    def verify(self) -> AuditCheck:
        """Return whether the audit log is as it was written."""
        return verify(self.folder / FOLDER, self.incidents)

    def close(self) -> None:
        """Close the database."""
        self.incidents.close()
