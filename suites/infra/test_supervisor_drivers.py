"""The role supervisor under both drivers on one host with Consul and Nomad: one of them runs, never both."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from evolve.cluster.standin.build import build
from evolve.infra.engine.docker_engine import DockerEngine
from evolve.infra.hosts.labs import Host, Lab
from evolve.infra.verification.plays import Play, Played, Player

pytestmark = pytest.mark.nightly

REPOSITORY = Path(__file__).parents[2]
NAME = "anneal-supervisor"
TOKEN = "a-secret-that-no-job-holds"
METRICS = "http://127.0.0.1:9469/metrics"
JOB = f"http://127.0.0.1:4646/v1/job/{NAME}"
HEALTH = f"http://127.0.0.1:8500/v1/health/service/{NAME}?passing=true"
CERTIFICATES = "/etc/ssl/certs/controller-pip.pem"
PIP_NAMES = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_TRUSTED_HOST", "PIP_DEFAULT_TIMEOUT", "PIP_RETRIES")
READ = """
import sys, urllib.error, urllib.request
try:
    sys.stdout.write(urllib.request.urlopen(sys.argv[1], timeout=5).read().decode())
except OSError:
    sys.stdout.write("")
"""
SETTLE_S = 60.0


@dataclass(frozen=True)
class OneHostCluster:
    host: Host
    inventory: Path
    player: Player
    playbooks: Path

    def play(self, name: str, **extra: Any) -> Played:
        return self.player.play(Play(self.playbooks / f"{name}.yaml", self.inventory, (REPOSITORY / "roles",), extra))

    def supervise(self, driver: str, **extra: Any) -> Played:
        given = {key: os.environ[key] for key in PIP_NAMES if key in os.environ}
        pip = given | ({"PIP_CERT": CERTIFICATES} if "PIP_CERT" in os.environ else {})
        return self.play("supervise", supervisor_driver=driver, supervisor_pip_environment=pip, **extra)

    def read(self, url: str) -> str:
        """What is there; empty where nobody answers."""
        return str(self.host.run("python3", "-c", READ, url).stdout)

    def metrics(self) -> str:
        return self.read(METRICS)

    def processes(self) -> list[str]:
        found = self.host.run("sh", "-c", "pgrep -f '[b]in/evolve supervise' || true").stdout
        return str(found).split()

    def state_of_unit(self) -> str:
        return str(self.host.run("systemctl", "show", "--value", "-p", "LoadState", f"{NAME}.service").stdout).strip()


def until(condition: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + SETTLE_S
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {SETTLE_S} s: {what}"
        time.sleep(0.3)
    return found


def write_playbooks(folder: Path, nomad: Path) -> None:
    agents = {
        "consul_server": True,
        "nomad_binary": str(nomad),
        "nomad_raw_exec_enabled": True,
        "nomad_consul_address": "127.0.0.1:8500",
        "nomad_advertise_addr": "127.0.0.1",
    }
    plays = {
        "agents": {"vars": agents, "roles": ["consul", "nomad"]},
        "supervise": {"vars": {"supervisor_provider": "echo"}, "roles": ["supervisor"]},
    }
    for name, play in plays.items():
        whole = {"name": name, "hosts": "all", "become": True, **play}
        (folder / f"{name}.yaml").write_text(yaml.safe_dump([whole], sort_keys=False))


@pytest.fixture(scope="module")
def cluster(engine: DockerEngine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OneHostCluster]:
    folder = tmp_path_factory.mktemp("drivers")
    with Lab(engine, label="drivers") as lab:
        host = lab.start("alpha", network=lab.network("net"))
        if "PIP_CERT" in os.environ:
            host.write(CERTIFICATES, Path(os.environ["PIP_CERT"]).read_text())
        reached = {"ansible_connection": "community.docker.docker", "ansible_host": host.container}
        (folder / "hosts.yaml").write_text(yaml.safe_dump({"all": {"hosts": {"alpha": reached}}}))
        given = os.environ.get("NOMAD_BINARY")  # a real Nomad, where there is one
        write_playbooks(folder, Path(given) if given else build(folder / "nomad"))
        with Player(environment={"DOCKER_HOST": engine.url}, config=REPOSITORY / "ansible.cfg") as player:
            made = OneHostCluster(host, folder / "hosts.yaml", player, folder)
            agents = made.play("agents")
            assert agents.is_ok, agents.why
            yield made


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", f"--wheel-dir={folder}", str(REPOSITORY)]
    subprocess.run(command, check=True)
    (made,) = folder.glob("*.whl")
    return str(made)


@pytest.fixture(scope="module")
def as_unit(cluster: OneHostCluster, wheel: str) -> Played:
    return cluster.supervise("systemd", supervisor_wheel=wheel)


@pytest.fixture(scope="module")
def as_job(cluster: OneHostCluster, wheel: str, as_unit: Played) -> Played:
    assert as_unit.is_ok, as_unit.why
    return cluster.supervise("nomad", supervisor_wheel=wheel, supervisor_secrets={"SECRET": TOKEN})


def test_a_unit_of_systemd_supervises_the_cluster(cluster: OneHostCluster, as_unit: Played) -> None:
    assert as_unit.is_ok, as_unit.why
    until(lambda: "anneal_supervisor_leader 1" in cluster.metrics(), "it leads")
    assert len(cluster.processes()) == 1
    assert cluster.read(JOB) == ""


def test_a_job_of_nomad_takes_its_place(cluster: OneHostCluster, as_job: Played) -> None:
    assert as_job.is_ok, as_job.why
    assert cluster.state_of_unit() == "not-found"
    until(lambda: "anneal_supervisor_leader 1" in cluster.metrics(), "it leads")
    assert len(cluster.processes()) == 1
    owner = cluster.host.run("ps", "-o", "user:32=", "-p", *cluster.processes()).stdout
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
    (process,) = cluster.processes()
    assert f"SECRET={TOKEN}" in cluster.host.run("cat", f"/proc/{process}/environ").stdout


def test_a_second_run_of_the_job_changes_nothing(cluster: OneHostCluster, wheel: str, as_job: Played) -> None:
    assert as_job.is_ok, as_job.why
    before = cluster.processes()
    again = cluster.supervise("nomad", supervisor_wheel=wheel, supervisor_secrets={"SECRET": TOKEN})
    assert again.is_ok, again.why
    assert [str(line) for line in again.changed] == []
    assert cluster.processes() == before


def test_a_new_secret_restarts_the_job_with_it(cluster: OneHostCluster, wheel: str, as_job: Played) -> None:
    assert as_job.is_ok, as_job.why
    changed = cluster.supervise("nomad", supervisor_wheel=wheel, supervisor_secrets={"SECRET": "another"})
    assert changed.is_ok, changed.why
    (process,) = until(cluster.processes, "the program")
    assert "SECRET=another" in cluster.host.run("cat", f"/proc/{process}/environ").stdout


def test_back_to_systemd_the_job_is_gone(cluster: OneHostCluster, wheel: str, as_job: Played) -> None:
    assert as_job.is_ok, as_job.why
    back = cluster.supervise("systemd", supervisor_wheel=wheel)
    assert back.is_ok, back.why
    assert cluster.read(JOB) == ""
    assert cluster.host.run("test", "-e", f"/etc/{NAME}/job.json", check=False).rc == 1
    until(lambda: "anneal_supervisor_leader 1" in cluster.metrics(), "it leads")
    assert len(cluster.processes()) == 1
    again = cluster.supervise("systemd", supervisor_wheel=wheel)
    assert [str(line) for line in again.changed] == []
