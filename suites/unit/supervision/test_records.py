from contextlib import closing
from dataclasses import replace

from evolve.core.cases.redaction import Redactor
from evolve.core.model.healing import AuditEvent, AuditRecord
from evolve.supervision.records import StoredRecords
from fixtures.incidents import incident


class CountingRedactor(Redactor):
    """Counts how often something is searched."""

    searched = 0

    def redact(self, value):
        CountingRedactor.searched += 1
        return super().redact(value)

    def with_ids(self, _):
        return self


def test_what_did_not_change_is_not_searched_for_secrets_again_and_what_did_is(tmp_path):
    with closing(StoredRecords(tmp_path, CountingRedactor(("Tr0ub4dor-7f3a",)))) as records:
        first = records.save(incident(note="password=Tr0ub4dor-7f3a"))
        assert "Tr0ub4dor" not in first.note
        searched = CountingRedactor.searched
        same = records.save(replace(first, next_at=1.0))
        assert CountingRedactor.searched == searched
        assert same.note == first.note
        other = records.save(replace(same, note="again Tr0ub4dor-7f3a"))
        assert "Tr0ub4dor" not in other.note


def test_a_record_of_the_audit_log_and_its_incident_are_redacted(tmp_path):
    details = {"why": "refused with Tr0ub4dor-7f3a"}
    with closing(StoredRecords(tmp_path, Redactor(("Tr0ub4dor-7f3a",)))) as records:
        records.append(AuditRecord(AuditEvent.STARTED, 1.0, details=details))
        found = incident(note="Tr0ub4dor-7f3a")
        records.record(AuditRecord(AuditEvent.OPENED, 2.0, found.id, details=details), found)
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"Tr0ub4dor" not in written
    assert written.count(b"refused with <secret:") >= 2
