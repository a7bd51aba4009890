"""The role supervisor under both drivers on one host with Consul and Nomad: one of them runs, never both."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from evolve.infra.engine.docker_engine import DockerEngine
from evolve.infra.verification.plays import Played
from fixtures.one_host_cluster import OneHostCluster, build_wheel, one_host_cluster, pip_environment, until

pytestmark = pytest.mark.nightly

NAME = "anneal-supervisor"
TOKEN = "a-secret-that-no-job-holds"
METRICS = "http://127.0.0.1:9469/metrics"
JOB = f"http://127.0.0.1:4646/v1/job/{NAME}"
HEALTH = f"http://127.0.0.1:8500/v1/health/service/{NAME}?passing=true"
PROGRAM = "[b]in/evolve supervise"


def supervise(cluster: OneHostCluster, driver: str, **extra: Any) -> Played:
    return cluster.play("supervise", supervisor_driver=driver, supervisor_pip_environment=pip_environment(), **extra)


def metrics(cluster: OneHostCluster) -> str:
    return cluster.read(METRICS)


@pytest.fixture(scope="module")
def cluster(engine: DockerEngine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OneHostCluster]:
    plays = {"supervise": {"vars": {"supervisor_provider": "echo"}, "roles": ["supervisor"]}}
    with one_host_cluster(engine, tmp_path_factory.mktemp("drivers"), plays) as made:
        yield made


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> str:
    return build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def as_unit(cluster: OneHostCluster, wheel: str) -> Played:
    return supervise(cluster, "systemd", supervisor_wheel=wheel)


@pytest.fixture(scope="module")
def as_job(cluster: OneHostCluster, wheel: str, as_unit: Played) -> Played:
    assert as_unit.is_ok, as_unit.why
    return supervise(cluster, "nomad", supervisor_wheel=wheel, supervisor_secrets={"SECRET": TOKEN})


def test_a_unit_of_systemd_supervises_the_cluster(cluster: OneHostCluster, as_unit: Played) -> None:
    assert as_unit.is_ok, as_unit.why
    until(lambda: "anneal_supervisor_leader 1" in metrics(cluster), "it leads")
    assert len(cluster.processes(PROGRAM)) == 1
    assert cluster.read(JOB) == ""


def test_a_job_of_nomad_takes_its_place(cluster: OneHostCluster, as_job: Played) -> None:
    assert as_job.is_ok, as_job.why
    assert cluster.state_of_unit(NAME) == "not-found"
    until(lambda: "anneal_supervisor_leader 1" in metrics(cluster), "it leads")
    assert len(cluster.processes(PROGRAM)) == 1
    owner = cluster.host.run("ps", "-o", "user:32=", "-p", *cluster.processes(PROGRAM)).stdout
    assert str(owner).strip() == NAME


def test_consul_checks_the_job_on_its_loopback_address(cluster: OneHostCluster, as_job: Played) -> None:
    assert as_job.is_ok, as_job.why
    (found,) = until(lambda: json.loads(cluster.read(HEALTH) or "[]"), "the service passes its check")
    assert (found["Service"]["Address"], found["Service"]["Port"]) == ("127.0.0.1", 9469)


def test_the_job_holds_no_secret_but_its_program_has_it(cluster: OneHostCluster, as_job: Played) -> None:
    assert as_job.is_ok, as_job.why
    spec = cluster.read(JOB)
    assert TOKEN not in spec
    assert json.loads(spec)["Meta"]["anneal_supervisor"] == "true"
    (process,) = cluster.processes(PROGRAM)
    assert f"SECRET={TOKEN}" in cluster.host.run("cat", f"/proc/{process}/environ").stdout


def test_a_second_run_of_the_job_changes_nothing(cluster: OneHostCluster, wheel: str, as_job: Played) -> None:
    assert as_job.is_ok, as_job.why
    before = cluster.processes(PROGRAM)
    again = supervise(cluster, "nomad", supervisor_wheel=wheel, supervisor_secrets={"SECRET": TOKEN})
    assert again.is_ok, again.why
    assert [str(line) for line in again.changed] == []
    assert cluster.processes(PROGRAM) == before


def test_a_new_secret_restarts_the_job_with_it(cluster: OneHostCluster, wheel: str, as_job: Played) -> None:
    assert as_job.is_ok, as_job.why
    changed = supervise(cluster, "nomad", supervisor_wheel=wheel, supervisor_secrets={"SECRET": "another"})
    assert changed.is_ok, changed.why
    (process,) = until(lambda: cluster.processes(PROGRAM), "the program")
    assert "SECRET=another" in cluster.host.run("cat", f"/proc/{process}/environ").stdout


def test_back_to_systemd_the_job_is_gone(cluster: OneHostCluster, wheel: str, as_job: Played) -> None:
    assert as_job.is_ok, as_job.why
    back = supervise(cluster, "systemd", supervisor_wheel=wheel)
    assert back.is_ok, back.why
    assert cluster.read(JOB) == ""
    assert cluster.host.run("test", "-e", f"/etc/{NAME}/job.json", check=False).rc == 1
    until(lambda: "anneal_supervisor_leader 1" in metrics(cluster), "it leads")
    assert len(cluster.processes(PROGRAM)) == 1
    again = supervise(cluster, "systemd", supervisor_wheel=wheel)
    assert [str(line) for line in again.changed] == []
