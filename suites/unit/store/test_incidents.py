"""Incidents on disk: nothing is lost, and of two writers one loses."""

import multiprocessing
import os
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from evolve.core.model.errors import StoreFault
from evolve.core.model.healing import Approval, AttemptState, IncidentState
from evolve.store.incidents import IncidentStore, LostUpdate
from fixtures.incidents import NOW, PLAN, attempt, incident, waiting


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "supervisor" / "incidents.sqlite"


@pytest.fixture
def store(path: Path) -> Iterator[IncidentStore]:
    with closing(IncidentStore(path)) as opened:
        yield opened


def test_an_incident_is_read_back_as_it_was_saved(store: IncidentStore):
    arguments = {"memory_mb": 512, "more": [1, 2.5, None, {"a": "b"}]}
    attempts = (attempt("h1", AttemptState.UNDONE, result="was dead"), attempt("h2", arguments=arguments))
    given = waiting(attempts=attempts, node="n1", case="c1")
    saved = store.save(given)
    assert saved == replace(given, revision=1)
    assert store.read("abcdefghij") == saved
    assert store.read("other") is None


def test_an_older_revision_loses(store: IncidentStore):
    first = store.save(incident())
    second = store.save(replace(first, note="one"))
    with pytest.raises(LostUpdate, match="incident abcdefghij has revision 2, expected 1"):
        store.save(replace(first, note="other"))
    with pytest.raises(LostUpdate):
        store.save(incident())
    assert store.read("abcdefghij") == second


def test_a_job_has_at_most_one_open_incident(store: IncidentStore):
    first = store.save(incident("aaaaaaaaaa"))
    with pytest.raises(LostUpdate, match="job default/shop has the open incident aaaaaaaaaa"):
        store.save(incident("bbbbbbbbbb"))
    store.save(incident("cccccccccc", namespace="other"))
    ended = store.save(replace(first, state=IncidentState.HEALED))
    assert store.open_incident("default", "shop") is None
    second = store.save(incident("bbbbbbbbbb"))
    assert store.open_incident("default", "shop") == second
    with pytest.raises(LostUpdate):
        store.save(replace(ended, state=IncidentState.OPEN))


def test_incidents_are_found_by_state_time_and_the_beginning_of_their_id(store: IncidentStore):
    old = store.save(incident("aaaaaaaaaa", "one", state=IncidentState.CLOSED, opened=1.0, changed=2.0))
    new = store.save(incident("aabbbbbbbb", "two", opened=3.0, changed=4.0))
    assert store.list() == (old, new)
    assert store.list(limit=1) == (new,)
    assert store.list(is_open=True) == store.list(since=4.0) == (new,)
    assert store.list(is_open=False) == (old,)
    assert store.find("aa") == (old, new)
    assert store.find("aab") == (new,)
    assert store.find("%") == store.find("a*") == ()
    assert store.begun(2.0) == {"default/two": 3.0}


def test_every_healing_that_was_intended_counts(store: IncidentStore):
    first = store.save(incident(attempts=(replace(attempt("h1"), began=10.0),)))
    refused = replace(attempt("h1", AttemptState.NOT_DONE), began=10.0)
    store.save(replace(first, attempts=(refused, replace(attempt("h2"), began=20.0))))
    store.save(incident("bbbbbbbbbb", "other", attempts=(replace(attempt("h3"), began=15.0),)))
    assert store.healing_times(0) == (10.0, 15.0, 20.0)
    assert store.healing_times(15.0) == (15.0, 20.0)
    assert store.intended() == {"h2", "h3"}


def test_an_approval_is_of_one_plan_and_expires(store: IncidentStore):
    approval = Approval("abcdefghij", PLAN, "ann", NOW, NOW + 60)
    store.approve(approval)
    assert store.approval("abcdefghij", PLAN, NOW) == approval
    assert store.approval("abcdefghij", "other plan", NOW) is None
    assert store.approval("other", PLAN, NOW) is None
    assert store.approval("abcdefghij", PLAN, NOW + 60) is None
    assert store.approval("abcdefghij", PLAN, NOW - 1) is None, "a clock that was set back does not make it longer"
    store.consume_approval("abcdefghij", PLAN)
    assert store.approval("abcdefghij", PLAN, NOW) is None


def test_cases_are_counted_by_job_and_day(store: IncidentStore):
    assert [store.count_case("default/shop", "2026-11-30") for _ in range(3)] == [1, 2, 3]
    assert store.cases_of("default/shop", "2026-11-30") == 3
    assert store.cases_of("default/shop", "2026-12-01") == store.cases_of("default/other", "2026-11-30") == 0


def test_what_belongs_to_an_old_incident_is_deleted_with_it(store: IncidentStore):
    for id, at, state in (
        ("oldhealed1", NOW - 100, IncidentState.HEALED),
        ("oldopen123", NOW - 100, IncidentState.OPEN),
        ("younghea1d", NOW, IncidentState.HEALED),
    ):
        tried = replace(attempt(f"{id}-1"), began=at)
        store.save(incident(id, job=id, state=state, opened=at, changed=at, attempts=(tried,)))
        store.approve(Approval(id, PLAN, "ann", NOW, NOW + 60))
    for day in ("2026-01-01", "2026-11-30"):
        store.count_case("default/shop", day)
    assert store.prune(NOW) == 1
    assert [one.id for one in store.list()] == ["oldopen123", "younghea1d"]
    assert store.healing_times(0) == (NOW - 100, NOW), "that of the open one stays"
    assert [store.approval(id, PLAN, NOW) is None for id in ("oldhealed1", "oldopen123", "younghea1d")] == [
        True,
        False,
        False,
    ]
    assert [store.cases_of("default/shop", day) for day in ("2026-01-01", "2026-11-30")] == [0, 1]
    assert store.prune(NOW) == 0


def test_new_ids_are_short_and_differ(store: IncidentStore):
    made = {store.new_id() for _ in range(100)}
    assert len(made) == 100
    assert all(len(id) == 10 and id.isalnum() and id == id.lower() for id in made)


def test_a_file_of_a_later_version_is_refused_and_not_changed(store: IncidentStore, path: Path):
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA user_version = 99")
    with pytest.raises(StoreFault, match=r"format 99.*EVOLVE_STATE_DIR"):
        IncidentStore(path)


@pytest.mark.parametrize("value", ["{}", "not JSON", '{"id": "abcdefghij", "news": 1}', "[" * 100_000])
def test_a_damaged_incident_is_the_environments_fault(store: IncidentStore, path: Path, value: str):
    store.save(incident())
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE incidents SET value = ?", (value,))
    with pytest.raises(StoreFault, match="incident abcdefghij cannot be read"):
        store.read("abcdefghij")


def _save_until_killed(path: Path, written: int) -> None:
    with closing(IncidentStore(path)) as store:
        saved = store.save(incident())
        while True:
            os.write(written, f"{saved.revision}\n".encode())
            saved = store.save(replace(saved, note=f"revision {saved.revision}"))


def test_what_was_saved_survives_a_kill(path: Path):
    reader, writer = os.pipe()
    process = multiprocessing.get_context("fork").Process(target=_save_until_killed, args=(path, writer))
    process.start()
    os.close(writer)
    with os.fdopen(reader) as lines:
        seen = [int(lines.readline()) for _ in range(20)]
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        seen += [int(line) for line in lines if line.endswith("\n")]
    process.join(30)
    with closing(IncidentStore(path)) as store:
        found = store.read("abcdefghij")
        assert found is not None
        assert found.revision >= seen[-1]


def _count(path: Path, number: int) -> None:
    with closing(IncidentStore(path)) as store:
        for _ in range(number):
            while True:
                found = store.read("abcdefghij")
                assert found is not None
                try:
                    store.save(replace(found, next_at=found.next_at + 1))
                except LostUpdate:
                    continue
                break


def test_two_processes_lose_no_update_of_each_other(path: Path):
    with closing(IncidentStore(path)) as store:  # closed: a child must not inherit the connection
        store.save(incident())
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_count, args=(path, 25)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    with closing(IncidentStore(path)) as store:
        found = store.read("abcdefghij")
        assert found is not None
        assert found.next_at == 50
