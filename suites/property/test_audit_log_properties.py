"""Properties of the audit log: no byte of it changes unnoticed."""

import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from evolve.core.model.healing import AuditEvent, AuditRecord
from evolve.store.audit_check import read_records, verify
from evolve.store.audit_log import AuditLog, audit_files
from evolve.store.incidents import IncidentStore
from fixtures.incidents import NOW

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
RECORDS = st.builds(
    AuditRecord,
    event=st.sampled_from([AuditEvent.OPENED, AuditEvent.PLANNED, AuditEvent.CLOSED]),
    at=st.floats(NOW, NOW + 5e6),
    incident=st.text(max_size=10),
    details=st.dictionaries(st.text(max_size=8), VALUES, max_size=3),
)


@contextmanager
def written(records: list[AuditRecord], max_bytes: int) -> Iterator[tuple[Path, IncidentStore]]:
    """Write a log and give its folder and its database."""
    with tempfile.TemporaryDirectory() as name, closing(IncidentStore(Path(name, "incidents.sqlite"))) as incidents:
        folder = Path(name, "audit")
        log = AuditLog(folder, incidents, clock=lambda: NOW, max_bytes=max_bytes)
        for one in records:
            log.append(one)
        yield folder, incidents


@settings(max_examples=40, deadline=None)
@given(records=st.lists(RECORDS, min_size=1, max_size=5), max_bytes=st.sampled_from([1, 500, 10**6]))
def test_what_was_appended_is_read_in_order(records: list[AuditRecord], max_bytes: int) -> None:
    with written(records, max_bytes) as (folder, incidents):
        check = verify(folder, incidents)
        assert (check.records, check.problems) == (len(records), ())
        found = [line for _, line in read_records(folder)]
        assert [(line.event, line.incident) for line in found if line] == [(one.event, one.incident) for one in records]


@settings(max_examples=60, deadline=None)
@given(
    records=st.lists(RECORDS, min_size=1, max_size=4),
    max_bytes=st.sampled_from([1, 10**6]),
    data=st.data(),
)
def test_any_change_of_a_byte_is_found(records: list[AuditRecord], max_bytes: int, data: st.DataObject) -> None:
    with written(records, max_bytes) as (folder, incidents):
        path = data.draw(st.sampled_from(audit_files(folder)))
        content = path.read_bytes()
        at = data.draw(st.integers(0, len(content) - 1))
        for byte in data.draw(st.lists(st.integers(0, 255).filter(lambda b: b != content[at]), min_size=5, max_size=5)):
            path.write_bytes(content[:at] + bytes([byte]) + content[at + 1 :])
            assert verify(folder, incidents).problems
        path.write_bytes(content[:at] + content[at + 1 :])
        assert verify(folder, incidents).problems
        path.write_bytes(content)
        assert not verify(folder, incidents).problems


@settings(max_examples=40, deadline=None)
@given(records=st.lists(RECORDS, min_size=2, max_size=5), data=st.data())
def test_a_line_that_is_removed_or_a_tail_that_is_cut_is_found(records: list[AuditRecord], data: st.DataObject) -> None:
    with written(records, 10**6) as (folder, incidents):
        path = data.draw(st.sampled_from(audit_files(folder)))
        lines = path.read_bytes().splitlines(keepends=True)
        at = data.draw(st.integers(0, len(lines) - 1))
        path.write_bytes(b"".join([*lines[:at], *lines[at + 1 :]]))
        assert verify(folder, incidents).problems
        path.write_bytes(b"".join(lines[:at]))
        assert verify(folder, incidents).problems
