"""The audit log: a chain that goes on after crashes and across files, and that shows every change."""

import json
import stat
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from evolve.core.model.errors import StoreFault
from evolve.core.model.healing import Approval, AttemptState, AuditEvent, AuditRecord, IncidentState
from evolve.store.audit_check import AuditCheck, read_records, verify
from evolve.store.audit_lines import FIRST_PREV, make_line
from evolve.store.audit_log import AuditLog, audit_files
from evolve.store.incidents import IncidentStore, LostUpdate
from evolve.system.locks import locked
from fixtures.incidents import NOW, PLAN, attempt, incident, record

MONTH = 31 * 86400


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "audit"


@pytest.fixture
def incidents(tmp_path: Path) -> Iterator[IncidentStore]:
    with closing(IncidentStore(tmp_path / "incidents.sqlite")) as opened:
        yield opened


@pytest.fixture
def log(folder: Path, incidents: IncidentStore) -> AuditLog:
    return AuditLog(folder, incidents, clock=lambda: NOW)


def write(log: AuditLog, number: int, at: float = NOW) -> None:
    for _ in range(number):
        log.append(AuditRecord(AuditEvent.OPENED, at, "abcdefghij", details={"why": "ä\ud83d\n"}))


def messages(check: AuditCheck) -> list[str]:
    return [f"{Path(one.where.file).name}:{one.where.line}: {one.message}" for one in check.problems if one.where]


def only(folder: Path) -> Path:
    (path,) = audit_files(folder)
    return path


def test_each_line_has_the_hash_of_the_one_before(log: AuditLog, folder: Path, incidents: IncidentStore):
    write(log, 3)
    lines = [json.loads(line) for line in only(folder).read_text().splitlines()]
    assert [line["n"] for line in lines] == [1, 2, 3]
    assert [line["prev"] for line in lines] == [FIRST_PREV, lines[0]["hash"], lines[1]["hash"]]
    assert lines[0]["time"] == "2026-11-30T00:53:20.000Z"
    assert lines[0]["details"] == {"why": "ä\ud83d\n"}
    check = verify(folder, incidents)
    assert (check.records, check.files, check.head, check.problems, check.notes) == (3, 1, lines[2]["hash"], (), ())


def test_only_the_owner_may_read_the_log(log: AuditLog, folder: Path):
    write(log, 1)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(only(folder).stat().st_mode) == 0o600


def test_a_log_that_does_not_exist_is_whole(folder: Path, incidents: IncidentStore):
    assert verify(folder, incidents).problems == ()
    assert not folder.exists()


def test_numbers_that_json_cannot_hold_are_written_as_text(log: AuditLog, folder: Path, incidents: IncidentStore):
    log.append(record(latency_s=float("nan"), more=[float("inf")]))
    assert verify(folder, incidents).problems == ()
    ((_, line),) = read_records(folder)
    assert line is not None
    assert line.details == {"latency_s": "NaN", "more": ["Infinity"]}


def test_the_chain_goes_across_files_by_month_and_size(folder: Path, incidents: IncidentStore):
    log = AuditLog(folder, incidents, clock=lambda: NOW, max_bytes=1000)
    write(log, 6)
    write(log, 2, NOW + MONTH)
    names = [path.name for path in audit_files(folder)]
    assert names == ["audit-000001-2026-11.jsonl", "audit-000002-2026-11.jsonl", "audit-000003-2026-12.jsonl"]
    check = verify(folder, incidents)
    assert (check.records, check.files, check.problems) == (8, 3, ())


def test_a_record_and_its_incident_are_saved_together_or_not_at_all(
    log: AuditLog, folder: Path, incidents: IncidentStore
):
    saved = log.append_with(record(), incident())
    with pytest.raises(LostUpdate):
        log.append_with(record(AuditEvent.ESCALATED), incident())
    assert incidents.read("abcdefghij") == saved == replace(incident(), revision=1)
    check = verify(folder, incidents)
    assert (check.records, check.problems) == (1, ())


def test_an_approval_is_stored_with_its_record(log: AuditLog, folder: Path, incidents: IncidentStore):
    approval = Approval("abcdefghij", PLAN, "ann", NOW, NOW + 60)
    log.approve(record(AuditEvent.APPROVED, by="ann"), approval)
    assert incidents.approval("abcdefghij", PLAN, NOW) == approval
    assert verify(folder, incidents).records == 1


# --- crashes


@pytest.mark.parametrize("kept", [0, 1, 100, -1, None])
def test_the_end_that_a_killed_process_did_not_write_is_completed(
    log: AuditLog, folder: Path, incidents: IncidentStore, kept: int | None
):
    write(log, 2)
    head = incidents.head()
    line, digest = make_line(3, record(), head.hash)
    incidents.anchor(replace(head, n=3, hash=digest, size=head.size + len(line), pending=line))
    with only(folder).open("a") as file:
        file.write(line[:kept])
    interrupted = verify(folder, incidents)
    assert (interrupted.records, interrupted.problems) == (3, ())
    write(log, 1)
    check = verify(folder, incidents)
    assert (check.records, check.problems, check.notes) == (4, (), ())


def test_a_first_record_that_was_not_written_is_completed(log: AuditLog, folder: Path, incidents: IncidentStore):
    folder.mkdir()
    line, digest = make_line(1, record(), FIRST_PREV)
    incidents.anchor(replace(incidents.head(), n=1, hash=digest, file="audit-000001-2026-11.jsonl", size=len(line)))
    incidents.anchor(replace(incidents.head(), pending=line))
    assert verify(folder, incidents).problems == ()
    write(log, 1)
    assert (verify(folder, incidents).records, verify(folder, incidents).problems) == (2, ())


def test_what_a_power_cut_left_of_a_line_is_set_aside_and_noted(log: AuditLog, folder: Path, incidents: IncidentStore):
    write(log, 2)
    head = incidents.head()
    line, digest = make_line(3, record(), head.hash)
    incidents.anchor(replace(head, n=3, hash=digest, size=head.size + len(line), pending=line))
    with only(folder).open("ab") as file:
        file.write(b"\0" * 50)
    write(log, 1)
    check = verify(folder, incidents)
    assert (check.records, check.problems) == (5, ())
    assert "a write was interrupted and completed" in check.notes[0]
    (aside,) = folder.glob("set-aside-*.bin")
    assert aside.read_bytes() == b"\0" * 50
    aside.write_bytes(b"\0" * 49)
    assert messages(verify(folder, incidents)) == [
        f"audit-000001-2026-11.jsonl:4: {aside.name}, which holds what was found, is missing or was changed"
    ]


def test_a_log_that_cannot_be_written_saves_no_incident_either(log: AuditLog, folder: Path, incidents: IncidentStore):
    write(log, 1)
    path = only(folder)
    away = path.rename(folder / "away")
    path.mkdir()
    with pytest.raises(StoreFault, match="without a record"):
        log.append_with(record(), incident())
    path.rmdir()
    away.rename(path)
    write(log, 1)
    check = verify(folder, incidents)
    assert (check.records, check.problems) == (2, ())
    assert incidents.read("abcdefghij") is None


def test_a_process_that_was_stopped_while_it_wrote_does_not_stop_all(folder: Path, incidents: IncidentStore):
    folder.mkdir()
    with locked(folder), pytest.raises(StoreFault, match="is locked by another process"):
        AuditLog(folder, incidents, wait_s=0.01).append(record())
    assert incidents.head().n == 0


# --- changes


def lines_of(folder: Path) -> list[bytes]:
    return only(folder).read_bytes().splitlines(keepends=True)


CHANGES: dict[str, tuple[Callable[[list[bytes]], list[bytes]], str]] = {
    "edited": (
        lambda lines: [lines[0], lines[1].replace(b"opened", b"closed"), *lines[2:]],
        "audit-000001-2026-11.jsonl:2: the record was edited: its content does not have its hash",
    ),
    "removed": (
        lambda lines: [lines[0], *lines[2:]],
        "audit-000001-2026-11.jsonl:2: record 3 where 2 was expected",
    ),
    "first removed": (lambda lines: lines[1:], "audit-000001-2026-11.jsonl:1: record 2 where 1 was expected"),
    "cut": (
        lambda lines: lines[:-1],
        "audit-000001-2026-11.jsonl:4: the end is cut: record 5 of 5 missing",
    ),
    "cut more": (
        lambda lines: lines[:2],
        "audit-000001-2026-11.jsonl:2: the end is cut: records 3 to 5 of 5 missing",
    ),
    "repeated": (
        lambda lines: [*lines, lines[-1]],
        "audit-000001-2026-11.jsonl:6: record 5 where 6 was expected",
    ),
    "no line end": (
        lambda lines: [*lines[:-1], lines[-1].rstrip()],
        "audit-000001-2026-11.jsonl:5: the line end is missing",
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_found_with_its_line(log: AuditLog, folder: Path, incidents: IncidentStore, change: str):
    write(log, 5)
    edit, expected = CHANGES[change]
    only(folder).write_bytes(b"".join(edit(lines_of(folder))))
    assert expected in messages(verify(folder, incidents))
    write(log, 1)
    assert verify(folder, incidents).problems, "the log goes on, and still shows it"


def test_a_record_made_again_with_its_hash_is_found(log: AuditLog, folder: Path, incidents: IncidentStore):
    write(log, 3)
    lines = lines_of(folder)
    forged, _ = make_line(2, record(AuditEvent.CLOSED), json.loads(lines[0])["hash"])
    only(folder).write_bytes(lines[0] + forged.encode() + lines[2])
    assert messages(verify(folder, incidents)) == [
        "audit-000001-2026-11.jsonl:3: the record does not follow the one before it"
    ]


def test_a_whole_chain_made_again_does_not_end_as_the_database_has_it(
    log: AuditLog, folder: Path, incidents: IncidentStore, tmp_path: Path
):
    write(log, 3)
    with closing(IncidentStore(tmp_path / "other.sqlite")) as other:
        forged = AuditLog(tmp_path / "forged", other)
        for _ in range(3):
            forged.append(record(AuditEvent.CLOSED))
    only(folder).write_bytes(only(tmp_path / "forged").read_bytes())
    assert messages(verify(folder, incidents)) == [
        "audit-000001-2026-11.jsonl:3: the last record is not the one that the database has"
    ]


def test_records_behind_the_last_one_are_found(log: AuditLog, folder: Path, incidents: IncidentStore):
    write(log, 2)
    line, _ = make_line(3, record(), incidents.head().hash)
    with only(folder).open("a") as file:
        file.write(line)
    assert messages(verify(folder, incidents)) == [
        "audit-000001-2026-11.jsonl:3: record 3 is beyond the last one that the database has, 2"
    ]
    write(log, 1)
    assert messages(verify(folder, incidents)) == [
        "audit-000001-2026-11.jsonl:3: the file was not as it was left when this record was written"
    ]


@pytest.mark.parametrize("change", ["swapped", "first missing", "last missing", "all missing"])
def test_files_that_are_swapped_or_missing_are_found(folder: Path, incidents: IncidentStore, change: str):
    log = AuditLog(folder, incidents, max_bytes=1)
    write(log, 3)
    first, second, third = audit_files(folder)
    if change == "swapped":
        one, two = first.read_bytes(), second.read_bytes()
        first.write_bytes(two)
        second.write_bytes(one)
    for path, name in ((first, "first missing"), (third, "last missing")):
        if change == name:
            path.unlink()
    if change == "all missing":
        for path in (first, second, third):
            path.unlink()
    assert verify(folder, incidents).problems
    write(log, 1)
    assert verify(folder, incidents).problems


def test_a_log_without_its_database_is_found(log: AuditLog, folder: Path, tmp_path: Path):
    write(log, 2)
    with closing(IncidentStore(tmp_path / "new.sqlite")) as fresh:
        assert "beyond the last one" in messages(verify(folder, fresh))[0]
        write(AuditLog(folder, fresh), 1)
        assert any("where 3 was expected" in message for message in messages(verify(folder, fresh)))


# --- pairs


def test_each_intent_has_one_result(log: AuditLog, folder: Path, incidents: IncidentStore):
    log.append(record(AuditEvent.INTENDED, "h1"))
    log.append(record(AuditEvent.DONE, "h1"))
    log.append(record(AuditEvent.INTENDED, "h2"))
    log.append(record(AuditEvent.NOT_DONE, "h2"))
    assert verify(folder, incidents).problems == ()
    log.append(record(AuditEvent.DONE, "h1"))
    log.append(record(AuditEvent.DONE, "h3"))
    log.append(record(AuditEvent.INTENDED, "h1"))
    log.append(record(AuditEvent.INTENDED, "h4"))
    assert messages(verify(folder, incidents)) == [
        "audit-000001-2026-11.jsonl:5: healing h1 has a second result",
        "audit-000001-2026-11.jsonl:6: healing h3 has a result and no intent",
        "audit-000001-2026-11.jsonl:7: healing h1 was intended twice",
        "audit-000001-2026-11.jsonl:7: healing h1 was intended and has no result",
        "audit-000001-2026-11.jsonl:8: healing h4 was intended and has no result",
    ]


def test_a_healing_under_way_needs_no_result_yet(log: AuditLog, folder: Path, incidents: IncidentStore):
    under_way = incident(state=IncidentState.HEALING, attempts=(attempt("h1"),))
    saved = log.append_with(record(AuditEvent.INTENDED, "h1"), under_way)
    check = verify(folder, incidents)
    assert (check.problems, check.open_healings) == ((), ("h1",))
    log.append_with(
        record(AuditEvent.DONE, "h1"), replace(saved, attempts=(replace(saved.attempts[0], state=AttemptState.DONE),))
    )
    check = verify(folder, incidents)
    assert (check.problems, check.open_healings) == ((), ())


def test_an_undo_under_way_needs_no_result_yet(log: AuditLog, folder: Path, incidents: IncidentStore):
    log.append(record(AuditEvent.INTENDED, "h1"))
    log.append(record(AuditEvent.DONE, "h1"))
    undoing = incident(state=IncidentState.HEALING, attempts=(attempt("h1", AttemptState.DONE, undo_began=NOW),))
    saved = log.append_with(record(AuditEvent.UNDO_INTENDED, "h1"), undoing)
    assert verify(folder, incidents).problems == ()
    log.append_with(record(AuditEvent.CLOSED), replace(saved, state=IncidentState.CLOSED))
    assert messages(verify(folder, incidents)) == [
        "audit-000001-2026-11.jsonl:3: the undo of healing h1 was intended and has no result"
    ]
