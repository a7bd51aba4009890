"""How incidents are changed: what is stored, what is recorded of it, and at which time."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from evolve.core.cases.redaction import Redactor
from evolve.core.healing.redacted import redact_text
from evolve.core.model.healing import AttemptState, AuditEvent, AuditRecord, Incident, IncidentState
from evolve.core.model.json_value import JsonValue
from evolve.supervision.records import Records

DID_NOT_HELP = (AttemptState.UNDONE, AttemptState.FAILED)


class IncidentBook:
    """Changes incidents.

    Args:
        records: where they are stored.
        redactor: masks secrets in what people are shown.
        clock: seconds since 1970.
    """

    def __init__(self, records: Records, redactor: Redactor, clock: Callable[[], float]) -> None:
        self.records, self.clock = records, clock
        self._redactor = redactor

    def save(self, incident: Incident, **changes: object) -> Incident:
        """Return the stored incident with some of its fields changed."""
        changed = replace(incident, changed=self.clock(), **changes)  # type: ignore[arg-type]  # its own fields
        return self.records.save(changed)

    def record(
        self,
        event: AuditEvent,
        incident: Incident,
        details: Mapping[str, JsonValue],
        healing: str = "",
        **changes: object,
    ) -> Incident:
        """Return the stored incident with some of its fields changed, and a record of it in the audit log."""
        now = self.clock()
        changed = replace(incident, changed=now, **changes)  # type: ignore[arg-type]  # names of its own fields
        return self.records.record(AuditRecord(event, now, incident.id, healing, details), changed)

    def audit(self, event: AuditEvent, incident: Incident, details: Mapping[str, JsonValue], healing: str = "") -> None:
        """Write a record of a decision that leaves the incident as it is."""
        self.records.append(AuditRecord(event, self.clock(), incident.id, healing, details))

    def close(self, incident: Incident, state: IncidentState, note: str) -> Incident:
        """Return the incident that ended in this state."""
        details: dict[str, JsonValue] = {"state": state, "why": note}
        return self.record(AuditEvent.CLOSED, incident, details, state=state, note=note, plan=None)

    def shown(self, text: str) -> str:
        """Return a text as people may read it."""
        return redact_text(text, self._redactor)
