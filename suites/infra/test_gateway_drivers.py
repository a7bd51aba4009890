"""The role moe_gateway under two drivers on one host with Consul and Nomad: one gateway runs, and is healed."""

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import pytest

from evolve.infra.engine.docker_engine import DockerEngine
from evolve.infra.verification.plays import Played
from fixtures.one_host_cluster import OneHostCluster, build_wheel, one_host_cluster, pip_environment, until

pytestmark = pytest.mark.nightly

NAME = "moe-gateway"
KEY = "sk-a-key-that-no-job-holds"
API = "http://127.0.0.1:8001"
JOB = f"http://127.0.0.1:4646/v1/job/{NAME}"
HEALTH = f"http://127.0.0.1:8500/v1/health/service/{NAME}"
PROGRAM = "[b]in/moe-gateway serve"
DELETE = "import sys, urllib.request as u; u.urlopen(u.Request(sys.argv[1], method='DELETE'))"


def deploy(cluster: OneHostCluster, driver: str, **extra: Any) -> Played:
    return cluster.play("deploy", moe_gateway_driver=driver, moe_gateway_pip_environment=pip_environment(), **extra)


def services(cluster: OneHostCluster, *, passing: bool = True) -> list[str]:
    """The ids of the gateway's services in Consul."""
    found = json.loads(cluster.read(f"{HEALTH}{'?passing=true' if passing else ''}") or "[]")
    return [one["Service"]["ID"] for one in found]


@pytest.fixture(scope="module")
def cluster(engine: DockerEngine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OneHostCluster]:
    heal = {"name": "Heal", "ansible.builtin.include_role": {"name": "moe_gateway", "tasks_from": "heal"}}
    plays = {"deploy": {"roles": ["moe_gateway"]}, "heal": {"gather_facts": False, "tasks": [heal]}}
    with one_host_cluster(engine, tmp_path_factory.mktemp("drivers"), plays) as made:
        yield made


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> str:
    return build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def as_unit(cluster: OneHostCluster, wheel: str) -> Played:
    return deploy(cluster, "systemd", moe_gateway_wheel=wheel)


@pytest.fixture(scope="module")
def as_job(cluster: OneHostCluster, wheel: str, as_unit: Played) -> Played:
    assert as_unit.is_ok, as_unit.why
    return deploy(cluster, "raw_exec", moe_gateway_wheel=wheel, moe_gateway_expert_api_key=KEY)


def test_a_unit_of_systemd_is_one_service_of_consul(cluster: OneHostCluster, as_unit: Played) -> None:
    assert as_unit.is_ok, as_unit.why
    until(lambda: services(cluster) == [NAME], "Consul lists it as passing")
    assert len(cluster.processes(PROGRAM)) == 1
    assert cluster.read(JOB) == ""


def test_a_unit_that_somebody_stopped_is_started_again(cluster: OneHostCluster, as_unit: Played) -> None:
    assert as_unit.is_ok, as_unit.why
    cluster.host.run("systemctl", "stop", NAME)
    healed = cluster.play("heal")
    assert healed.is_ok, healed.why
    assert {line.task for line in healed.changed} == {"Start the stopped service"}
    until(lambda: cluster.read(f"{API}/health/live"), "it answers")


def test_a_job_of_nomad_takes_its_place(cluster: OneHostCluster, as_job: Played) -> None:
    assert as_job.is_ok, as_job.why
    assert cluster.state_of_unit(NAME) == "not-found"
    (process,) = cluster.processes(PROGRAM)
    owner = cluster.host.run("ps", "-o", "user:32=", "-p", process).stdout
    assert str(owner).strip() == NAME
    until(lambda: len(services(cluster)) == 1, "Consul lists it as passing")
    (service,) = services(cluster, passing=False)
    assert service.startswith("_nomad-task-")


def test_the_job_holds_no_secret(cluster: OneHostCluster, as_job: Played) -> None:
    assert as_job.is_ok, as_job.why
    spec = cluster.read(JOB)
    assert json.loads(spec)["Meta"]["anneal_moe_gateway"] == "true"
    assert KEY not in spec


def test_a_second_run_of_the_job_changes_nothing_there(cluster: OneHostCluster, wheel: str, as_job: Played) -> None:
    assert as_job.is_ok, as_job.why
    before = cluster.processes(PROGRAM)
    again = deploy(cluster, "raw_exec", moe_gateway_wheel=wheel, moe_gateway_expert_api_key=KEY)
    assert again.is_ok, again.why
    assert [str(line) for line in again.changed] == []
    assert cluster.processes(PROGRAM) == before


def test_the_first_keys_restart_the_job_and_further_ones_do_not(
    cluster: OneHostCluster, wheel: str, as_job: Played
) -> None:
    assert as_job.is_ok, as_job.why
    keys = {name: hashlib.sha256(name.encode()).hexdigest() for name in ("alice", "bob")}
    for given in ({"alice": keys["alice"]}, keys):
        before = cluster.processes(PROGRAM)
        played = deploy(cluster, "raw_exec", moe_gateway_wheel=wheel, moe_gateway_keys=given)
        assert played.is_ok, played.why
        assert (cluster.processes(PROGRAM) == before) == (given == keys)
    assert cluster.read(f"{API}/v1/models") == "", "without a key nothing is shown"


def test_a_job_that_somebody_stopped_is_run_again(cluster: OneHostCluster, as_job: Played) -> None:
    assert as_job.is_ok, as_job.why
    cluster.host.run("python3", "-c", DELETE, JOB)
    until(lambda: not cluster.processes(PROGRAM), "it has ended")
    healed = cluster.play("heal")
    assert healed.is_ok, healed.why
    assert {line.task for line in healed.changed} == {"Register the stopped job"}
    until(lambda: services(cluster), "Consul lists it as passing")
    again = cluster.play("heal")
    assert again.is_ok, again.why
    assert [str(line) for line in again.changed] == []


def test_back_to_systemd_the_job_is_gone(cluster: OneHostCluster, wheel: str, as_job: Played) -> None:
    assert as_job.is_ok, as_job.why
    back = deploy(cluster, "systemd", moe_gateway_wheel=wheel)
    assert back.is_ok, back.why
    assert cluster.read(JOB) == ""
    assert cluster.host.run("test", "-e", f"/etc/{NAME}/job.json", check=False).rc == 1
    until(lambda: services(cluster, passing=False) == [NAME], "the job's service is gone")
    assert len(cluster.processes(PROGRAM)) == 1
