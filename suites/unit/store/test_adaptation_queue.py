"""The queue of failures: nothing is lost, and no agent is evolved twice at a time."""

import json
import multiprocessing
import os
import signal
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from evolve.core.adaptation.failures import QueuedRequest
from evolve.core.evolution.request import EvolutionRequest
from evolve.core.model.errors import EnvironmentFault
from evolve.store.adaptation_files import KEPT_LOGS, AdaptationFiles
from evolve.store.adaptation_queue import AdaptationQueue

pytestmark = pytest.mark.adaptation


def queued(**more: Any) -> QueuedRequest:
    return QueuedRequest(EvolutionRequest(agent="A.md", **more), "/cases", "/home")


REQUEST = queued()


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[AdaptationQueue]:
    with closing(AdaptationQueue(tmp_path)) as opened:
        yield opened


def test_equal_failures_are_queued_once(queue: AdaptationQueue):
    assert queue.add("A", "f1", "one.yaml", REQUEST, "k")
    assert not queue.add("A", "f1", "one.yaml", REQUEST, "k")
    assert queue.add("B", "f1", "one.yaml", REQUEST, "k")
    assert [len(status.waiting) for status in queue.status()] == [1, 1]


def test_one_evolution_takes_all_failures_of_its_agent_with_the_newest_request(queue: AdaptationQueue):
    newest = queued(budget=50)
    queue.add("A", "f1", "one.yaml", REQUEST, "k")
    queue.add("B", "f2", "two.yaml", REQUEST, "k")
    queue.add("A", "f3", "three.yaml", newest, "k")
    batch = queue.begin("A")
    assert batch is not None
    assert [failure.fingerprint for failure in batch.failures] == ["f1", "f3"]
    assert batch.queued == newest
    assert queue.waits("B")


def test_a_failure_that_waits_takes_the_request_of_the_last_call(tmp_path: Path):
    times = iter(range(1, 10))
    wrong, right = (queued(suite=suite) for suite in ("nope.yaml", "suite.yaml"))
    with closing(AdaptationQueue(tmp_path, clock=lambda: float(next(times)))) as queue:
        queue.add("A", "f1", "one.yaml", wrong, "k1")
        queue.add("A", "f2", "two.yaml", wrong, "k1")
        assert not queue.add("A", "f1", "moved.yaml", right, "k2")
        batch = queue.begin("A")
        assert batch is not None
        assert batch.queued == right
        assert [(item.file, item.queued_s) for item in batch.failures] == [("moved.yaml", 3.0), ("two.yaml", 2.0)]
        queue.finish(batch, "run-1", "proven")
        assert queue.evolved("A", "f1", "k2") == ("run-1", "proven")
        assert queue.evolved("A", "f1", "k1") is None


def test_a_failure_that_is_under_way_keeps_the_request_that_it_runs_with(queue: AdaptationQueue):
    queue.add("A", "f1", "one.yaml", REQUEST, "k1")
    batch = queue.begin("A")
    assert batch is not None
    assert not queue.add("A", "f1", "one.yaml", queued(seed=7), "k2")
    queue.finish(batch, "run-1", "proven")
    assert queue.evolved("A", "f1", "k1") == ("run-1", "proven")


def test_a_run_that_was_the_users_mistake_is_none_of_the_days(queue: AdaptationQueue):
    queue.add("A", "f1", "one.yaml", REQUEST, "k")
    for counts, started in ((False, 0), (True, 1)):
        batch = queue.begin("A")
        assert batch is not None
        queue.give_back(batch, "stopped", counts=counts)
        assert queue.count_started_today("A") == started


def test_a_failure_that_comes_meanwhile_stays_when_the_evolution_ends(queue: AdaptationQueue):
    queue.add("A", "f1", "one.yaml", REQUEST, "k")
    batch = queue.begin("A")
    assert batch is not None
    queue.add("A", "f2", "two.yaml", REQUEST, "k")
    assert not queue.add("A", "f1", "one.yaml", REQUEST, "k")  # it is under way
    queue.finish(batch, "run-1", "rejected")
    assert [item.fingerprint for item in queue.status_of("A").waiting] == ["f2"]
    assert queue.evolved("A", "f1", "k") == ("run-1", "rejected")
    assert queue.evolved("A", "f1", "other settings") is None
    assert queue.evolved("A", "f2", "k") is None


def test_an_evolution_that_fails_gives_its_failures_back(queue: AdaptationQueue):
    queue.add("A", "f1", "one.yaml", REQUEST, "k")
    batch = queue.begin("A")
    assert batch is not None
    queue.give_back(batch, "the endpoint is dead")
    status = queue.status_of("A")
    assert [item.fingerprint for item in status.waiting] == ["f1"]
    assert status.running is None
    assert status.last is not None
    assert status.last.outcome == "the endpoint is dead"
    assert queue.begin("A") is not None


def test_starts_are_counted_by_agent_and_day(tmp_path: Path):
    days = ["2025-03-04"]
    with closing(AdaptationQueue(tmp_path, today=lambda: days[-1])) as queue:
        for number in range(3):
            queue.add("A", f"f{number}", "one.yaml", REQUEST, "k")
            batch = queue.begin("A")
            assert batch is not None
            queue.finish(batch, "", "rejected")
        assert (queue.count_started_today("A"), queue.count_started_today("B")) == (3, 0)
        days.append("2025-03-05")
        assert queue.count_started_today("A") == 0


def _begin_and_die(folder: Path) -> None:
    queue = AdaptationQueue(folder)
    with AdaptationFiles(folder.parent).lock("A") as is_mine:
        assert is_mine
        queue.begin("A")
        os.kill(os.getpid(), signal.SIGKILL)


def test_what_a_killed_process_had_taken_is_taken_by_the_next(tmp_path: Path):
    files = AdaptationFiles(tmp_path)
    with closing(AdaptationQueue(files.folder)) as queue:  # closed: a child must not inherit the connection
        queue.add("A", "f1", "one.yaml", REQUEST, "k")
    process = multiprocessing.get_context("fork").Process(target=_begin_and_die, args=(files.folder,))
    process.start()
    process.join(30)
    assert process.exitcode == -signal.SIGKILL
    with closing(AdaptationQueue(files.folder)) as queue, files.lock("A") as is_mine:
        status = queue.status_of("A")
        assert status.was_killed
        assert status.running is None
        assert [item.fingerprint for item in status.waiting] == ["f1"]
        assert is_mine
        batch = queue.begin("A")
        assert batch is not None
        assert [failure.fingerprint for failure in batch.failures] == ["f1"]
        assert queue.count_started_today("A") == 2


def test_an_agent_has_one_holder_and_whoever_waits_is_next(tmp_path: Path):
    files = AdaptationFiles(tmp_path)
    order: list[str] = []

    def wait() -> None:
        with files.lock("A", wait=True) as is_mine:
            order.append(f"waiter {is_mine}")

    with files.lock("A") as first, files.lock("A") as second, files.lock("B") as other:
        assert (first, second, other) == (True, False, True)
        waiter = threading.Thread(target=wait)
        waiter.start()
        order.append("holder")
    waiter.join(30)
    assert order == ["holder", "waiter True"]


def test_agents_of_the_same_name_in_two_folders_are_two(tmp_path: Path):
    files = AdaptationFiles(tmp_path)
    with files.lock("/one/A.md") as first, files.lock("/two/A.md") as second:
        assert first
        assert second


def test_old_logs_make_room(tmp_path: Path):
    files = AdaptationFiles(tmp_path)
    stem = files.new_log("/one/A.md").name.rsplit("-", 3)[0]
    for number in range(KEPT_LOGS + 5):
        (files.folder / f"{stem}-20250101-{number:06}-1.log").write_text("")
    (files.folder / "other-agent.log").write_text("")
    files.new_log("/one/A.md").write_text("")
    assert len(list(files.folder.glob(f"{stem}-*.log"))) == KEPT_LOGS
    assert (files.folder / "other-agent.log").exists()


def test_a_file_that_is_no_queue_is_the_environments_fault(tmp_path: Path):
    (tmp_path / "queue.sqlite").write_text("no database at all, but long enough to be read as one" * 50)
    with pytest.raises(EnvironmentFault, match="EVOLVE_CACHE_DIR"):
        AdaptationQueue(tmp_path)


_VERSION_1 = """
CREATE TABLE failures
  (number INTEGER PRIMARY KEY, agent TEXT NOT NULL, fingerprint TEXT NOT NULL, file TEXT NOT NULL, key TEXT NOT NULL,
   orders TEXT NOT NULL, queued REAL NOT NULL, run INTEGER, UNIQUE (agent, fingerprint));
CREATE TABLE runs
  (number INTEGER PRIMARY KEY, agent TEXT NOT NULL, owner TEXT NOT NULL, day TEXT NOT NULL, started REAL NOT NULL,
   log TEXT NOT NULL, ended REAL, outcome TEXT NOT NULL DEFAULT '');
CREATE TABLE evolved
  (agent TEXT, fingerprint TEXT, key TEXT NOT NULL, run TEXT NOT NULL, outcome TEXT NOT NULL,
   PRIMARY KEY (agent, fingerprint)) WITHOUT ROWID;
PRAGMA user_version = 1;
"""
"""As the first release wrote it."""


def _write_version_1(folder: Path, order: str) -> None:
    with closing(sqlite3.connect(folder / "queue.sqlite")) as database:
        database.executescript(_VERSION_1)
        database.execute("INSERT INTO failures VALUES (1, 'A', 'f1', 'one.yaml', 'k', ?, 1.0, NULL)", (order,))
        database.execute("INSERT INTO evolved VALUES ('A', 'f0', 'k', 'run-0', 'proven')")
        database.commit()


@pytest.mark.parametrize(
    ("order", "more"),
    [
        ({}, {}),
        ({"budget": "50", "seed": 7, "suite": "s.yaml", "output_dir": "out"}, None),
        ({"budget": "0.5m", "provider": "echo", "reflector": "r"}, {"budget": None, "minutes": 0.5}),
    ],
)
def test_what_version_1_has_queued_is_still_evolved(tmp_path: Path, order: dict[str, Any], more: dict[str, Any] | None):
    unset = dict.fromkeys(("suite", "budget", "seed", "provider", "reflector", "output_dir"))
    text = json.dumps({"agent": "A.md", "cases": "/cases", "folder": "/home", **unset, **order})
    _write_version_1(tmp_path, text)
    with closing(AdaptationQueue(tmp_path)) as queue:
        batch = queue.begin("A")
        assert batch is not None
        expected = {**order, "budget": 50} if more is None else {**order, **more}
        assert batch.queued == queued(**expected)
        assert queue.evolved("A", "f0", "k") == ("run-0", "proven")


@pytest.mark.parametrize(
    ("order", "said"),
    [
        ("{broken", "Expecting property name"),
        ("[]", "expected a queued request"),
        ('{"request": {"seed": "x", "colour": 1}, "cases": "/c", "folder": "/h"}', "seed: expected a whole number"),
        ('{"agent": "A.md", "cases": "/c", "folder": "/h", "budget": "many"}', "many"),
    ],
)
def test_a_request_that_cannot_be_read_is_reported_and_stays(tmp_path: Path, order: str, said: str):
    _write_version_1(tmp_path, order)
    with closing(AdaptationQueue(tmp_path)) as queue:
        with pytest.raises(EnvironmentFault, match=said) as caught:
            queue.begin("A")
        assert "queue.sqlite holds a request that cannot be read" in str(caught.value)
        assert queue.waits("A")
        assert queue.count_started_today("A") == 0


def test_a_queue_of_another_version_is_left_alone(tmp_path: Path):
    AdaptationQueue(tmp_path).close()
    with sqlite3.connect(tmp_path / "queue.sqlite") as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(EnvironmentFault, match="format 99"):
        AdaptationQueue(tmp_path)


def test_a_folder_that_cannot_be_made_is_the_environments_fault(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(EnvironmentFault, match="EVOLVE_CACHE_DIR"):
        AdaptationFiles(tmp_path / "file")
