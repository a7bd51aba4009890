"""The role pipecatapp under two drivers on one host with Consul and Nomad: one agent runs, and is healed."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from evolve.infra.engine.docker_engine import DockerEngine
from evolve.infra.verification.plays import Played
from fixtures.one_host_cluster import OneHostCluster, build_wheel, one_host_cluster, pip_environment, until

pytestmark = pytest.mark.nightly

UNIT = "pipecat-app"
USER = "pipecatapp"
KEY = "sk-a-key-that-no-job-holds"
JOB = f"http://127.0.0.1:4646/v1/job/{UNIT}"
HEALTH = f"http://127.0.0.1:8500/v1/health/service/{UNIT}"
PROGRAM = "[b]in/pipecatapp serve"
DELETE = "import sys, urllib.request as u; u.urlopen(u.Request(sys.argv[1], method='DELETE'))"


def deploy(cluster: OneHostCluster, driver: str, wheel: str, **extra: Any) -> Played:
    given = {"pipecatapp_driver": driver, "pipecatapp_wheel": wheel, "pipecatapp_pip_environment": pip_environment()}
    return cluster.play("deploy", **{**given, "pipecatapp_llm_url": "http://127.0.0.1:8080", **extra})


def services(cluster: OneHostCluster, *, passing: bool = True) -> list[str]:
    """The ids of the agent's services in Consul."""
    found = json.loads(cluster.read(f"{HEALTH}{'?passing=true' if passing else ''}") or "[]")
    return [one["Service"]["ID"] for one in found]


@pytest.fixture(scope="module")
def cluster(engine: DockerEngine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OneHostCluster]:
    heal = {"name": "Heal", "ansible.builtin.include_role": {"name": "pipecatapp", "tasks_from": "heal"}}
    plays = {"deploy": {"roles": ["pipecatapp"]}, "heal": {"gather_facts": False, "tasks": [heal]}}
    with one_host_cluster(engine, tmp_path_factory.mktemp("drivers"), plays) as made:
        yield made


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> str:
    return build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def as_unit(cluster: OneHostCluster, wheel: str) -> Played:
    return deploy(cluster, "systemd", wheel)


@pytest.fixture(scope="module")
def as_job(cluster: OneHostCluster, wheel: str, as_unit: Played) -> Played:
    assert as_unit.is_ok, as_unit.why
    return deploy(cluster, "raw_exec", wheel, pipecatapp_llm_api_key=KEY)


def test_an_expert_that_never_passes_stops_the_role_before_the_agent_runs(cluster: OneHostCluster, wheel: str) -> None:
    played = deploy(cluster, "systemd", wheel, pipecatapp_llm_url="", pipecatapp_llm_wait_s=4)
    assert not played.is_ok
    assert "expert-main does not pass in Consul" in played.why
    assert cluster.state_of_unit(UNIT) == "not-found"


def test_a_unit_that_somebody_stopped_is_started_again(cluster: OneHostCluster, as_unit: Played) -> None:
    assert as_unit.is_ok, as_unit.why
    until(lambda: services(cluster) == [UNIT], "Consul lists it as passing")
    assert cluster.read(JOB) == ""
    cluster.host.run("systemctl", "stop", UNIT)
    healed = cluster.play("heal")
    assert healed.is_ok, healed.why
    assert {line.task for line in healed.changed} == {"Start the stopped service"}
    assert len(cluster.processes(PROGRAM)) == 1


def test_a_job_of_nomad_takes_its_place_without_a_secret(cluster: OneHostCluster, as_job: Played) -> None:
    assert as_job.is_ok, as_job.why
    assert cluster.state_of_unit(UNIT) == "not-found"
    (process,) = cluster.processes(PROGRAM)
    owner = cluster.host.run("ps", "-o", "user:32=", "-p", process).stdout
    assert str(owner).strip() == USER
    until(lambda: len(services(cluster)) == 1, "Consul lists it as passing")
    (service,) = services(cluster, passing=False)
    assert service.startswith("_nomad-task-")
    spec = cluster.read(JOB)
    assert json.loads(spec)["Meta"]["anneal_pipecatapp"] == "true"
    assert KEY not in spec


def test_a_second_run_changes_nothing_and_another_secret_restarts_it(
    cluster: OneHostCluster, wheel: str, as_job: Played
) -> None:
    assert as_job.is_ok, as_job.why
    for key in (KEY, f"{KEY}-2"):
        before = cluster.processes(PROGRAM)
        again = deploy(cluster, "raw_exec", wheel, pipecatapp_llm_api_key=key)
        assert again.is_ok, again.why
        assert (again.changed == (), cluster.processes(PROGRAM) == before) == (key == KEY, key == KEY)


def test_a_job_that_somebody_stopped_is_run_again(cluster: OneHostCluster, as_job: Played) -> None:
    assert as_job.is_ok, as_job.why
    cluster.host.run("python3", "-c", DELETE, JOB)
    until(lambda: not cluster.processes(PROGRAM), "it has ended")
    healed = cluster.play("heal")
    assert healed.is_ok, healed.why
    assert {line.task for line in healed.changed} == {"Register the stopped job"}
    until(lambda: services(cluster), "Consul lists it as passing")


def test_back_to_systemd_the_job_is_gone(cluster: OneHostCluster, wheel: str, as_job: Played) -> None:
    assert as_job.is_ok, as_job.why
    back = deploy(cluster, "systemd", wheel)
    assert back.is_ok, back.why
    assert cluster.read(JOB) == ""
    assert cluster.host.run("test", "-e", f"/etc/{USER}/job.json", check=False).rc == 1
    until(lambda: services(cluster, passing=False) == [UNIT], "the job's service is gone")
    assert len(cluster.processes(PROGRAM)) == 1
