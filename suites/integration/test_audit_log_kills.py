"""The audit log under SIGKILL at random moments, and with two writers at once: no record is lost or written twice."""

import multiprocessing
import os
import random
import signal
from contextlib import closing
from dataclasses import replace
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

from evolve.core.model.healing import AttemptState, AuditEvent, IncidentState
from evolve.store.audit_check import verify
from evolve.store.audit_log import AuditLog
from evolve.store.incidents import IncidentStore, LostUpdate
from fixtures.incidents import attempt, incident, record

FORK = multiprocessing.get_context("fork")
MAX_BYTES = 3000
"""Small, so that kills also hit the change from one file to the next."""


def _heal_forever(path: Path, written: int) -> None:
    """Intend and finish one healing after another, and report each as soon as it is on disk."""
    with closing(IncidentStore(path)) as incidents:
        log = AuditLog(path.parent / "audit", incidents, max_bytes=MAX_BYTES)
        found = incidents.read("abcdefghij")
        saved = found or log.append_with(record(), incident())
        while True:
            last = saved.attempts[-1] if saved.attempts else None
            if last is not None and last.state is AttemptState.INTENDED:
                ended = replace(last, state=AttemptState.DONE)
                changed = replace(saved, attempts=(*saved.attempts[:-1], ended))
                saved = log.append_with(record(AuditEvent.DONE, last.id), changed)
            else:
                begun = (*saved.attempts[-3:], attempt(f"h{saved.revision}"))
                changed = replace(saved, attempts=begun, state=IncidentState.HEALING)
                saved = log.append_with(record(AuditEvent.INTENDED, begun[-1].id), changed)
            os.write(written, f"{saved.revision}\n".encode())


def _kill(path: Path, after_s: float) -> int:
    """Let a process write for a while, kill it, and return the last revision that it reported; 0 for none."""
    reader, writer = os.pipe()
    process = FORK.Process(target=_heal_forever, args=(path, writer))
    process.start()
    os.close(writer)
    process.join(after_s)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join(30)
    with os.fdopen(reader) as lines:
        return max((int(line) for line in lines if line.endswith("\n")), default=0)


def _check_kills(path: Path, kills: int) -> None:
    rng = random.Random(kills)
    reported = 0
    for _ in range(kills):
        reported = max(reported, _kill(path, rng.uniform(0.005, 0.12)))
        with closing(IncidentStore(path)) as incidents:
            check = verify(path.parent / "audit", incidents)
            found = incidents.read("abcdefghij")
            assert [str(problem) for problem in check.problems] == []
            stored = found.revision if found else 0
            assert stored >= reported, "what was reported as saved is there"
            assert check.records == stored, "each change of the incident has its record"
    assert reported > kills, "the processes were not killed before they wrote"


def test_the_log_is_whole_after_20_kills(tmp_path: Path) -> None:
    _check_kills(tmp_path / "incidents.sqlite", 20)


@pytest.mark.nightly
def test_the_log_is_whole_after_200_kills(tmp_path: Path) -> None:
    _check_kills(tmp_path / "incidents.sqlite", 200)


def _append(path: Path, name: str, number: int) -> None:
    with closing(IncidentStore(path)) as incidents:
        log = AuditLog(path.parent / "audit", incidents, max_bytes=MAX_BYTES)
        for at in range(number):
            log.append(record(AuditEvent.INTENDED, f"{name}-{at}"))
            log.append(record(AuditEvent.DONE, f"{name}-{at}"))


def test_two_processes_write_one_chain(tmp_path: Path) -> None:
    path = tmp_path / "incidents.sqlite"
    writers = [FORK.Process(target=_append, args=(path, name, 20)) for name in ("one", "two")]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(120)
        assert writer.exitcode == 0
    with closing(IncidentStore(path)) as incidents:
        check = verify(tmp_path / "audit", incidents)
        assert (check.records, check.problems) == (80, ())
        assert check.files > 1


def _race(path: Path, barrier: Barrier, won: int) -> None:
    with closing(IncidentStore(path)) as incidents:
        log = AuditLog(path.parent / "audit", incidents)
        found = incidents.read("abcdefghij")
        assert found is not None
        barrier.wait(60)
        try:
            log.append_with(record(AuditEvent.INTENDED, "h1"), replace(found, attempts=(attempt("h1"),)))
        except LostUpdate:
            return
        os.write(won, b"w")


def test_of_two_processes_that_intend_the_same_healing_one_does(tmp_path: Path) -> None:
    path = tmp_path / "incidents.sqlite"
    with closing(IncidentStore(path)) as incidents:  # closed: a child must not inherit the connection
        incidents.save(incident())
    reader, writer = os.pipe()
    barrier = FORK.Barrier(2)
    racers = [FORK.Process(target=_race, args=(path, barrier, writer)) for _ in range(2)]
    for racer in racers:
        racer.start()
    os.close(writer)
    for racer in racers:
        racer.join(60)
        assert racer.exitcode == 0
    with os.fdopen(reader, "rb") as wins:
        assert wins.read() == b"w"
    with closing(IncidentStore(path)) as incidents:
        check = verify(tmp_path / "audit", incidents)
        assert (check.records, check.problems, check.open_healings) == (1, (), ("h1",))


def test_a_check_while_others_write_finds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "incidents.sqlite"
    reader, writer = os.pipe()
    process = FORK.Process(target=_heal_forever, args=(path, writer))
    process.start()
    os.close(writer)
    with os.fdopen(reader) as lines, closing(IncidentStore(path)) as incidents:
        for _ in range(30):
            lines.readline()
            assert verify(tmp_path / "audit", incidents).problems == ()
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
    process.join(30)
