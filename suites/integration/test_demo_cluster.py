"""`./bootstrap.sh cluster` and `evolve provoke`: real faults, a diagnosis of each, and nothing left at the end."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from evolve.cluster.address import ClusterAddress
from evolve.cluster.consul.client import ConsulClient
from evolve.cluster.demo.access import DemoAccess
from evolve.cluster.demo.faults import FAULTS, fault_named
from evolve.cluster.demo.jobs import JOBS
from evolve.cluster.demo.provoking import provoke, undo, wait_for_failure
from evolve.cluster.demo.readiness import register_new
from evolve.cluster.demo.state_file import DemoCluster, running_demo
from evolve.cluster.nomad.client import NomadClient
from evolve.core.incidents.diagnosis import diagnose
from evolve.core.model.errors import InputError
from evolve.core.model.incidents import FailedJob
from evolve.system.process_owner import Owner
from fixtures.demo_clusters import (
    COMMAND,
    answers_about,
    demo_environment,
    left_of,
    need_consul,
    press_ctrl_c,
    start,
    started_demo,
)
from fixtures.nomad_contract import a_job, nomad_agent


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoCluster]:
    with started_demo(tmp_path_factory.mktemp("demo")) as one:
        yield one


@pytest.fixture
def with_access(demo: DemoCluster) -> Callable[[Callable[[DemoAccess], Awaitable[Any]]], Any]:
    """Runs a scenario with the cluster's clients; afterwards all jobs are put back."""

    def runs(scenario: Callable[[DemoAccess], Awaitable[Any]]) -> Any:
        async def with_clients() -> Any:
            nomad, consul = NomadClient(ClusterAddress(demo.nomad)), ConsulClient(ClusterAddress(demo.consul))
            async with nomad, consul:
                access = DemoAccess(demo, nomad, consul)
                try:
                    return await scenario(access)
                finally:
                    await undo(access, JOBS, lambda _: None)

        return asyncio.run(with_clients())

    return runs


def evolve(cache: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "evolve", *words]
    return subprocess.run(
        command, env=demo_environment(cache, **more), capture_output=True, text=True, timeout=90, check=False
    )


def cluster(cache: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    command = [*COMMAND, *words]
    return subprocess.run(
        command, env=demo_environment(cache, **more), capture_output=True, text=True, timeout=90, check=False
    )


def the_failure(demo: DemoCluster, job: str) -> FailedJob:
    found = diagnose(answers_about(demo, job))
    assert found.none is None, found
    assert found.failed is not None
    assert (found.failed.key.job, found.failed.key.group) == (job, "app")
    return found.failed


def exit_of(failed: FailedJob) -> tuple[int | None, int | None]:
    return failed.evidence.exit_code, failed.evidence.signal


def check_crash(failed: FailedJob) -> None:
    assert exit_of(failed) == (1, 0)
    assert "No module named demo_shop_v2" in failed.evidence.logs.stderr
    assert failed.changes


def check_config(failed: FailedJob) -> None:
    assert exit_of(failed) == (1, 0)
    assert "workers: expected a number, got 'many'" in failed.evidence.logs.stderr


def check_image(failed: FailedJob) -> None:
    assert failed.evidence.exit_code is None
    assert "/opt/anneal-demo/2.0/bin/serve" in str(failed.evidence.events)


def check_oom(failed: FailedJob) -> None:
    assert exit_of(failed) == (137, 9)
    assert failed.limits["memory_mb"] == 48
    assert failed.changes == ()


def check_port(failed: FailedJob) -> None:
    assert exit_of(failed) == (1, 0)
    assert "Address already in use" in failed.evidence.logs.stderr


def check_dependency(failed: FailedJob) -> None:
    assert exit_of(failed) == (1, 0)
    assert failed.dependencies == {"demo-api": "absent"}


def check_disk(failed: FailedJob) -> None:
    assert exit_of(failed) == (1, 0)
    assert "No space left on device" in failed.evidence.logs.stderr


def check_segfault(failed: FailedJob) -> None:
    assert exit_of(failed) == (139, 11)


def check_unplaceable(failed: FailedJob) -> None:
    assert failed.evidence.placement["dimension_exhausted"] == {"memory": 1}
    assert failed.key.task == ""


CHECKS: dict[str, Callable[[FailedJob], None]] = {
    "crash": check_crash,
    "config": check_config,
    "image": check_image,
    "oom": check_oom,
    "port": check_port,
    "dependency": check_dependency,
    "disk": check_disk,
    "segfault": check_segfault,
    "unplaceable": check_unplaceable,
}


def test_every_fault_has_a_check_here() -> None:
    assert set(CHECKS) == {fault.kind for fault in FAULTS}


@pytest.mark.parametrize(
    "jobs",
    # Faults of different jobs at once, which saves waiting.
    [
        {"crash": "demo-web", "oom": "demo-worker"},
        {"image": "demo-web", "disk": "demo-worker"},
        {"segfault": "demo-web", "dependency": "demo-worker"},
        {"port": "demo-web", "unplaceable": "demo-api", "config": "demo-worker"},
    ],
    ids="+".join,
)
def test_a_fault_is_diagnosed_as_what_it_is_and_can_be_undone(
    demo: DemoCluster, with_access: Any, jobs: dict[str, str]
) -> None:
    kinds = [kind for kind in jobs if kind != "disk" or demo.scratch_is_small]

    async def one(access: DemoAccess, kind: str) -> None:
        await provoke(access, kind, jobs[kind])
        await wait_for_failure(access, jobs[kind])
        CHECKS[kind](the_failure(demo, jobs[kind]))

    async def scenario(access: DemoAccess) -> None:
        await asyncio.gather(*(one(access, kind) for kind in kinds))

    with_access(scenario)
    assert not any(diagnose(answers_about(demo, job)).failed for job in JOBS)


@pytest.mark.parametrize("kind", [fault.kind for fault in FAULTS])
def test_jobs_of_another_demo_cluster_are_not_touched(demo: DemoCluster, with_access: Any, kind: str) -> None:
    async def scenario(access: DemoAccess) -> None:
        before = [(one.id, one.modify_index) async for one in access.nomad.jobs.list()]
        other = replace(access, demo=replace(demo, id="another"))
        with pytest.raises(InputError, match="not of this demo cluster; nothing was changed"):
            await provoke(other, kind, fault_named(kind, None)[1])
        with pytest.raises(InputError, match="not of this demo cluster; nothing was changed"):
            await undo(other, JOBS, lambda _: None)
        assert [(one.id, one.modify_index) async for one in access.nomad.jobs.list()] == before

    with_access(scenario)


def test_jobs_without_the_key_of_a_demo_are_not_touched(tmp_path: Path) -> None:
    """A cluster that somebody uses, whose jobs happen to have the demo's names."""

    async def scenario(address: ClusterAddress) -> None:
        ports = dict.fromkeys(JOBS, 23000)
        demo = DemoCluster("id", str(Owner.current()), address.url, "http://127.0.0.1:1", ports, False, tmp_path)
        async with NomadClient(address) as nomad, ConsulClient(ClusterAddress(demo.consul)) as consul:
            for job in JOBS:
                await nomad.jobs.register(a_job(ID=job))
            before = [(job, (await nomad.jobs.read(job)).job_modify_index) for job in JOBS]
            for fault in FAULTS:
                with pytest.raises(InputError, match="nothing was changed"):
                    await provoke(DemoAccess(demo, nomad, consul), fault.kind, fault.jobs[0])
            with pytest.raises(InputError, match="nothing was changed"):
                await undo(DemoAccess(demo, nomad, consul), JOBS, lambda _: None)
            with pytest.raises(InputError, match="was not touched"):
                await register_new(nomad, demo, JOBS[0])
            assert [(job, (await nomad.jobs.read(job)).job_modify_index) for job in JOBS] == before
            for job in JOBS:
                await nomad.jobs.stop(job, purge=True)

    with nomad_agent(tmp_path) as address:
        asyncio.run(scenario(address))


def test_the_command_provokes_says_what_to_see_and_undoes(demo: DemoCluster) -> None:
    cache = demo.folder.parent
    done = evolve(cache, "provoke", "unplaceable", "--wait")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[0] == "done:  registered a version of demo-web that asks for 100 TB of memory"
    assert done.stdout.splitlines()[-1] == "next:  evolve provoke --undo"
    assert the_failure(demo, "demo-web").evidence.status == "pending"
    again = evolve(cache, "provoke", "crash")
    assert (again.returncode, "demo-web is not healthy now; nothing was changed" in again.stderr) == (2, True)
    undone = evolve(cache, "provoke", "--undo")
    assert (undone.returncode, undone.stdout.splitlines()[0]) == (0, "demo-web is registered again and healthy")
    assert evolve(cache, "provoke", "--undo").stdout == "healthy: demo-api, demo-web, demo-worker\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("crsh",), "did you mean 'crash'?"),
        (("disk", "--job", "demo-web"), "disk can be provoked in demo-worker, not in 'demo-web'"),
        (("--undo", "--job", "demo-wab"), "did you mean 'demo-web'?"),
        ((), "expected one of KIND, --list and --undo"),
        (("crash", "--undo"), "expected one of KIND, --list and --undo"),
    ],
)
def test_wrong_use_is_refused_with_a_suggestion(demo: DemoCluster, words: tuple[str, ...], message: str) -> None:
    done = evolve(demo.folder.parent, "provoke", *words)
    assert done.returncode == 2
    assert message in done.stderr


def test_without_a_demo_cluster_nothing_is_touched(tmp_path: Path, demo: DemoCluster) -> None:
    done = evolve(tmp_path, "provoke", "crash", NOMAD_ADDR=demo.nomad)
    assert done.returncode == 2
    assert "no demo cluster runs on this machine" in done.stderr
    listed = evolve(tmp_path, "provoke", "--list")
    assert listed.returncode == 0
    assert [fault.kind for fault in FAULTS] == [
        line.split()[0] for line in listed.stdout.splitlines() if line[:1].isalpha() and "  in demo-" in line
    ]


def test_another_nomad_in_the_environment_is_refused(demo: DemoCluster) -> None:
    done = evolve(demo.folder.parent, "provoke", "crash", NOMAD_ADDR="http://127.0.0.1:1")
    assert done.returncode == 2
    assert "NOMAD_ADDR names another Nomad" in done.stderr


def test_a_second_cluster_a_taken_port_and_half_an_address_are_refused(demo: DemoCluster, tmp_path: Path) -> None:
    second = cluster(demo.folder.parent)
    assert (second.returncode, "a demo cluster runs already" in second.stderr) == (4, True)
    port = demo.nomad.rpartition(":")[2]
    taken = cluster(tmp_path, "--nomad-port", port)
    assert (taken.returncode, f"port {port} for Nomad is taken" in taken.stderr) == (4, True)
    assert "--nomad-port 0" in taken.stderr
    half = cluster(tmp_path, NOMAD_ADDR=demo.nomad)
    assert (half.returncode, "NOMAD_ADDR and CONSUL_HTTP_ADDR belong together" in half.stderr) == (2, True)


def test_what_a_killed_cluster_left_is_swept_by_the_next_and_ctrl_c_leaves_nothing(tmp_path: Path) -> None:
    need_consul()
    env = {"EVOLVE_CACHE_DIR": str(tmp_path / "cache")}
    first = start(tmp_path / "cache", tmp_path / "first.log")
    killed = running_demo(env)
    assert killed is not None
    first.kill()
    first.wait()
    assert len(left_of(killed.owner)) >= 5  # Consul, Nomad, three tasks
    assert running_demo(env) is None
    second = start(tmp_path / "cache", tmp_path / "second.log")
    assert "that a killed demo cluster left" in (tmp_path / "second.log").read_text("utf-8")
    assert left_of(killed.owner) == []
    alive = running_demo(env)
    assert alive is not None
    stopped = cluster(tmp_path / "cache", "stop")
    assert (stopped.returncode, "the demo cluster has ended" in stopped.stderr) == (0, True)
    assert second.wait(timeout=60) == 130
    assert left_of(alive.owner) == []
    assert not os.path.ismount(alive.scratch)
    assert sorted(one.name for one in alive.folder.iterdir()) == ["lock"]
    assert "did not run" in cluster(tmp_path / "cache", "stop").stderr


def test_ctrl_c_while_it_starts_leaves_nothing(tmp_path: Path) -> None:
    need_consul()
    cache, log = tmp_path / "cache", tmp_path / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(COMMAND, env=demo_environment(cache), stdout=out, stderr=out, process_group=0)
    while "starting the job" not in log.read_text("utf-8"):
        assert process.poll() is None, log.read_text("utf-8")
    owner = (cache / "demo_cluster" / "owner").read_text("utf-8")
    assert left_of(owner)
    assert press_ctrl_c(process) == 130
    assert left_of(owner) == []
