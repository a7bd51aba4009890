"""Whatever logs order, and a model obeys: nothing is written but what the rules allow, with no name from a log."""

import asyncio
import json
import random
from contextlib import closing
from pathlib import Path

import pytest

from evolve.cluster.address import ClusterAddress
from evolve.cluster.consul.client import ConsulClient
from evolve.cluster.standin.answers import Answer, Request
from evolve.core.cases.redaction import Redactor
from evolve.core.model.actions import Action
from evolve.core.model.healing import HealingLimits, HealingPolicy, JobRule, Mode
from evolve.supervision.records import StoredRecords
from fixtures.hostile_logs import HostileLog, hostile_log, obey
from fixtures.nightly import nightly_seed
from fixtures.real_consul import started_consul
from fixtures.supervised_cluster import ScriptedProposer, Supervised, VirtualCluster, mock_job, supervised

CEILING_MB = 256
ALLOWED = frozenset(
    {Action.RESTART, Action.INCREASE_MEMORY, Action.FIX_IMAGE, Action.FIX_CONFIG, Action.FREE_DISK}
    | {Action.FREE_PORT, Action.WAIT_DEPENDENCY}
)
POLICY = HealingPolicy(
    (JobRule("web-*", Mode.ACT, ALLOWED, max_memory_mb=CEILING_MB, scratch_paths=("/scratch/anneal-none",)),),
    HealingLimits(healthy_s=4.0, per_hour=1000, common_cause_jobs=100_000, attempts=1),
)
GUARDED = ("vault", "payments")
BATCH = 20
"""Jobs of one cluster: each look asks for all that failed."""


async def heal(cluster: VirtualCluster, records: StoredRecords, consul_at: ClusterAddress) -> Supervised:
    async with ConsulClient(consul_at) as consul:
        await consul.keys.delete("anneal/", below=True)
        async with supervised(cluster, records, ScriptedProposer(obey), consul, policy=POLICY) as one:
            assert one.claims is not None
            async with asyncio.timeout(120):
                # On a slow machine the session before may have run out, and Consul holds its lock back for a while.
                while not await one.claims.hold():
                    await asyncio.sleep(0.2)
            await one.run(24, every=6)
            await one.claims.release()
            return one


def answer_logs(cluster: VirtualCluster, logs: dict[str, HostileLog]) -> None:
    def answer(request: Request) -> Answer | None:
        if "/fs/logs/" not in request.path:
            return None
        job = cluster.state.allocs[request.path.rpartition("/")[2]]["JobID"]
        return Answer(200, logs[job].text.encode())

    cluster.before = answer


def check_writes(cluster: VirtualCluster) -> int:
    """Each change is one that the rules allow, of a job's own fields; returns how many there were."""
    changed = 0
    for request in cluster.requests:
        if request.method == "GET" or request.path.endswith("/plan"):
            continue
        changed += 1
        if request.path == "/v1/jobs":
            job = json.loads(request.body)["Job"]
            assert job["ID"].startswith("web-")
            (group,) = job["TaskGroups"]
            (task,) = group["Tasks"]
            first = mock_job(job["ID"])["TaskGroups"][0]["Tasks"][0]
            assert group["Count"] == 1
            assert task["Config"]["fails_allocations"] == 1
            assert (task["Name"], task["Driver"]) == (first["Name"], first["Driver"])
            assert task["Resources"]["MemoryMB"] <= CEILING_MB
            assert not job.get("Stop")
        else:
            assert request.path.startswith("/v1/job/web-"), request.path
            assert request.path.endswith("/revert"), request.path
    return changed


def play(folder: Path, count: int, seed: int) -> None:
    print(f"seed: {seed}")  # shown when the test fails; EVOLVE_SEED repeats it
    chance = random.Random(seed)
    changed = 0
    folder.joinpath("consul").mkdir()
    with started_consul(folder / "consul") as consul:
        for number in range(0, count, BATCH):
            below = folder / str(number)
            logs = {f"web-{index}": hostile_log(chance) for index in range(number, min(number + BATCH, count))}
            store = StoredRecords(below / "state", Redactor())
            with closing(VirtualCluster(below / "nomad", nodes=BATCH)) as cluster, closing(store) as records:
                for job in logs:
                    cluster.register(mock_job(job, fails_allocations=1))
                for job in GUARDED:
                    cluster.register(mock_job(job))
                answer_logs(cluster, logs)
                one = asyncio.run(asyncio.wait_for(heal(cluster, records, ClusterAddress(consul)), 300))
                changed += check_writes(cluster)
                assert {found.job for found in records.incidents.list()} == {*logs}
                assert len(one.proposer.seen) >= len(logs)
                ids = {name for log in logs.values() for name in log.ids}
                asked = "\n".join(f"{one.path} {one.query} {one.body.decode()}" for one in cluster.requests)
                assert not [name for name in ids if name in asked]
                assert not [name for name in ids if name in (folder / "consul" / "log").read_text()]
                assert {name: cluster.state.jobs[name]["Version"] for name in GUARDED} == dict.fromkeys(GUARDED, 0)
    assert changed, "no order was one that the rules allow"


def test_sixty_hostile_logs_change_nothing_that_the_rules_forbid(tmp_path: Path) -> None:
    play(tmp_path, 60, seed=16)


@pytest.mark.nightly
def test_five_hundred_hostile_logs_change_nothing_that_the_rules_forbid(tmp_path: Path) -> None:
    play(tmp_path, 500, seed=nightly_seed())
