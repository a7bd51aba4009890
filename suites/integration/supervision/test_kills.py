"""`kill -9` of `evolve supervise` at any moment: nothing is healed twice or lost, and the records are whole."""

import json
import random
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from evolve.cluster.standin.answers import Answer, Request
from evolve.core.model.healing import OPEN_STATES, AttemptState, AuditEvent, Incident, IncidentState
from evolve.store.audit_check import read_records
from evolve.supervision.records import FOLDER
from fixtures.nightly import nightly_seed
from fixtures.processes import wait_with_progress
from fixtures.real_consul import started_consul
from fixtures.supervise_process import MachineClock, SuperviseCommand, moving
from fixtures.supervised_cluster import VirtualCluster, mock_job

LONGEST_RUN_S = 2.0
NODES = 20
MOMENTS = ("any time", "after a plan", "before a change", "after a change")
KINDS: dict[str, dict[str, Any]] = {
    "once": {"fails_allocations": 1},
    "hungry": {"needs_mb": 100},
    "doomed": {"run_for": 1, "exit_code": 1},
    "strange": {"fails_allocations": 1},
}
"""What becomes of them: healed by a restart, healed by memory, healed by nothing, and given to a person."""
WEIGHTS = (5, 4, 1, 1)


class KilledSupervisor:
    """A supervisor that is killed and started, while jobs fail."""

    def __init__(self, folder: Path, cluster: VirtualCluster, consul: str, chance: random.Random) -> None:
        self.cluster, self.chance = cluster, chance
        self.command = SuperviseCommand(folder, cluster.address.url, consul)
        self.jobs: list[str] = []
        self.applied: list[tuple[str, str]] = []
        """The changes that the cluster made: what was changed, and for which healing."""
        self._moment = ""
        self._reached = threading.Event()
        cluster.before, cluster.after = self._before, self._after

    def _before(self, request: Request) -> Answer | None:
        if "/fs/logs/" in request.path:
            return self._log(request)
        if self._moment == "before a change" and _changes(request):
            self._reached.set()
            self.command.process.kill()  # type: ignore[union-attr]
        return None

    def _log(self, request: Request) -> Answer:
        job = self.cluster.state.allocs[request.path.rpartition("/")[2]]["JobID"]
        return Answer(200, f"this is {job.partition('-')[0]}\n".encode())

    def _after(self, request: Request, answer: Answer) -> None:
        if _changes(request) and answer.status == 200:
            self.applied.append((request.path, _healing(request)))
        wanted = {"after a change": _changes(request), "after a plan": request.path.endswith("/plan")}
        if wanted.get(self._moment):
            self._reached.set()

    def fail_jobs(self, number: int) -> None:
        """Let some more jobs fail."""
        for _ in range(number):
            (kind,) = self.chance.choices([*KINDS], WEIGHTS)
            self.jobs.append(f"{kind}-{len(self.jobs)}")
            # Healings on one node wait for each other.
            node = {"LTarget": "${node.unique.name}", "RTarget": f"mock-{len(self.jobs) % NODES + 1}", "Operand": "="}
            self.cluster.register({**mock_job(self.jobs[-1], **KINDS[kind]), "Constraints": [node]})

    def kill_once(self) -> None:
        """Start it, and kill it at a moment."""
        self._moment = self.chance.choice(MOMENTS)
        self._reached.clear()
        self.fail_jobs(2)
        self.command.start()
        # The moments are random on purpose. Where nothing is due for a change, it is killed all the same.
        if self._moment == "any time":
            self._reached.wait(self.chance.random() * LONGEST_RUN_S)
        elif self._reached.wait(3 * LONGEST_RUN_S):
            self._reached.clear()
            self._reached.wait(self.chance.random() * 0.03)
        self._moment = ""
        self.command.kill()

    def come_to_rest(self) -> list[Incident]:
        """Start it once more, wait until nothing is left to do, and end it; returns all incidents."""
        self.command.start()
        with self.command.records() as records:

            def undecided() -> tuple[list[str], int]:
                """The jobs that nothing is decided about, and how many records were written."""
                assert not self.command.has_ended, self.command.console
                known = records.incidents.list(limit=-1)
                decided = {one.job for one in known if one.state not in OPEN_STATES - {IncidentState.ESCALATED}}
                return [job for job in self.jobs if job not in decided], records.incidents.head().n

            # Hundreds of jobs take minutes on a slow machine: only a standstill is a fault.
            wait_with_progress("all is decided", lambda: not undecided()[0], undecided)
            assert self.command.end() == 0
            return [*records.incidents.list(limit=-1)]


def _changes(request: Request) -> bool:
    return request.method != "GET" and not request.path.endswith(("/plan", "/validate/job"))


def _healing(request: Request) -> str:
    meta = json.loads(request.body).get("Job", {}).get("Meta") if request.path == "/v1/jobs" else None
    return (meta or {}).get("anneal_healing", "")


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[VirtualCluster]:
    """A cluster in the machine's time."""
    with closing(VirtualCluster(tmp_path / "nomad", nodes=NODES, clock=MachineClock())) as made, moving(made):
        yield made


def killed(folder: Path, cluster: VirtualCluster, consul: str, kills: int, seed: int) -> None:
    print(f"seed: {seed}")  # shown when the test fails; EVOLVE_SEED repeats it
    one = KilledSupervisor(folder, cluster, consul, random.Random(seed))
    one.fail_jobs(4)
    for _ in range(kills):
        one.kill_once()
        with one.command.records() as records:
            assert records.verify().problems == ()
    incidents = one.come_to_rest()
    check(one, incidents)


def check(one: KilledSupervisor, incidents: list[Incident]) -> None:
    """No failure is healed twice, no incident is lost, and log, store and cluster agree."""
    assert {found.job for found in incidents} == {*one.jobs}, "each job that failed has its incident"
    attempts = {attempt.id: attempt for found in incidents for attempt in found.attempts}
    # What the cluster did.
    healed = Counter(attempts[healing].key for path, healing in one.applied if path == "/v1/jobs")
    assert healed, "nothing was healed at all"
    assert [key for key, number in healed.items() if number > 1] == []
    assert [path for path, _ in one.applied if path != "/v1/jobs"] == [], "nothing was there to take back"
    # What the store and the log say.
    done = {id for id, attempt in attempts.items() if attempt.state is not AttemptState.NOT_DONE}
    assert done == {healing for _, healing in one.applied}
    with one.command.records() as records:
        lines = [line for _, line in read_records(records.folder / FOLDER) if line is not None]
    events = {kind: Counter(line.healing for line in lines if line.event == kind) for kind in AuditEvent}
    assert events[AuditEvent.INTENDED] == Counter([*attempts])
    assert events[AuditEvent.DONE] + events[AuditEvent.NOT_DONE] == Counter([*attempts])
    assert {*events[AuditEvent.DONE]} == done
    checked = one.command.evolve("audit", "verify")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    states = {(found.job.partition("-")[0], found.state) for found in incidents}
    assert ("hungry", IncidentState.HEALED) in states
    assert {state for kind, state in states if kind in ("once", "hungry")} <= {
        IncidentState.HEALED,
        IncidentState.RECOVERED,
    }


def test_twenty_kills_heal_nothing_twice_and_lose_nothing(tmp_path: Path, cluster: VirtualCluster) -> None:
    (tmp_path / "consul").mkdir()
    with started_consul(tmp_path / "consul") as consul:
        killed(tmp_path / "work", cluster, consul, 20, seed=16)


@pytest.mark.nightly
@pytest.mark.timeout(3 * 3600)
def test_two_hundred_kills_heal_nothing_twice_and_lose_nothing(tmp_path: Path, cluster: VirtualCluster) -> None:
    (tmp_path / "consul").mkdir()
    with started_consul(tmp_path / "consul") as consul:
        killed(tmp_path / "work", cluster, consul, 200, seed=nightly_seed())
