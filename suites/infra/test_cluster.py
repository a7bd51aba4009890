"""The cluster on two real hosts: deployed from nothing, again without a change, healed after kills and stops."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from evolve.cluster.standin.build import build
from evolve.core.model.role_checks import TaskLine
from evolve.infra.engine.docker_engine import DockerEngine
from evolve.infra.hosts.labs import Host, Lab
from evolve.infra.verification.plays import Play, Played, Player
from fixtures.real_experts import real_expert, server_program, shipped_model

pytestmark = pytest.mark.nightly

REPOSITORY = Path(__file__).parents[2]
WORKER = REPOSITORY / "roles/llama_cpp/molecule/default/files/project"
"""The small rpc-server: the embedded engine has none, and llama-server computes alone."""
LIBRARIES = "/opt/embedded"
GATEWAY = "http://127.0.0.1:8001/v1"
MODEL = "/srv/smollm2.gguf"
SMALL = "smollm2-135m-instruct"
READ = "import sys, urllib.request; sys.stdout.write(urllib.request.urlopen(sys.argv[1], timeout=5).read().decode())"
POST = """
import sys, urllib.request
request = urllib.request.Request(sys.argv[1], sys.stdin.buffer.read(), {"Content-Type": "application/json"})
sys.stdout.write(urllib.request.urlopen(request, timeout=60).read().decode())
"""
QUESTION = {
    "messages": [{"role": "user", "content": "Name three colours of the rainbow."}],
    "max_tokens": 24,
    "temperature": 0,
    "seed": 1,
}
SETTLE_S = 90.0
PIP_NAMES = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_TRUSTED_HOST", "PIP_DEFAULT_TIMEOUT", "PIP_RETRIES")
CERTIFICATES = "/etc/ssl/certs/controller-pip.pem"


class FirstRun(NamedTuple):
    """What the deployment said."""

    is_ok: bool
    why: str


@dataclass(frozen=True)
class Cluster:
    controller: Host
    worker: Host
    inventory: Path
    nomad: Path
    llama_cpp: Path
    """The source that role llama_cpp builds."""
    player: Player

    engine: str
    """URL of the engine whose containers the hosts are."""

    def given(self) -> dict[str, Any]:
        """The variables of this cluster."""
        overrides = yaml.safe_load((Path(__file__).parent / "cluster/overrides.yaml").read_text())
        return {
            **overrides,
            "nomad_binary": str(self.nomad),
            "llama_cpp_source": str(self.llama_cpp),
            "models_of_experts": models_of_experts(),
            **pip_settings(),
        }

    def deploy(self) -> "subprocess.CompletedProcess[str]":
        """What `./bootstrap.sh deploy` runs; its output is that of Ansible."""
        file = self.inventory.with_name("given.yaml")
        file.write_text(yaml.safe_dump(self.given()))
        command = [sys.executable, "-m", "evolve.infra.deploying", "-i", str(self.inventory), "--run-local"]
        env = {**os.environ, "DOCKER_HOST": self.engine, "PYTHONPATH": str(REPOSITORY)}
        return subprocess.run(
            [*command, "-e", f"@{file}"], env=env, capture_output=True, text=True, check=False, cwd=file.parent
        )

    def play(self, playbook: str, **extra: Any) -> Played:
        given = {**self.given(), **extra}
        return self.player.play(Play(REPOSITORY / playbook, self.inventory, (REPOSITORY / "roles",), given))

    def read(self, host: Host, url: str) -> Any:
        return json.loads(host.run("python3", "-c", READ, url).stdout)

    def chat(self, model: str) -> dict[str, Any]:
        """The answer of a model to the question, through the gateway."""
        until(lambda: model in self.served_models(), f"the gateway knows an instance of {model}")
        body = json.dumps({**QUESTION, "model": model})
        return dict(
            json.loads(self.controller.run("python3", "-c", POST, f"{GATEWAY}/chat/completions", input=body).stdout)
        )

    def allocations(self) -> list[dict[str, Any]]:
        listed = self.read(self.controller, "http://127.0.0.1:4646/v1/job/llamacpp-rpc/allocations")
        return [one for one in listed if (one["DesiredStatus"], one["ClientStatus"]) == ("run", "running")]

    def read_text(self, url: str) -> str:
        return str(self.controller.run("python3", "-c", READ, url).stdout)

    def supervisor_metrics(self) -> str:
        return self.read_text("http://127.0.0.1:9469/metrics")

    def served_models(self) -> dict[str, str | None]:
        """What each expert with a passing instance serves, as the gateway lists it."""
        found = self.controller.run("python3", "-c", READ, f"{GATEWAY}/models", check=False).stdout
        listed = json.loads(found)["data"] if found else []
        return {model["id"]: model.get("served_model") for model in listed if model["ready"]}

    def is_gone(self, service: str) -> bool:
        return not self.passing(service)

    def passing(self, service: str) -> list[str]:
        found = self.read(self.controller, f"http://127.0.0.1:8500/v1/health/service/{service}?passing=true")
        return sorted(one["Node"]["Node"] for one in found)


def pip_settings() -> dict[str, Any]:
    """The settings of the controller's own pip, for that of the hosts; certificates have another path there."""
    given = {key: os.environ[key] for key in PIP_NAMES if key in os.environ}
    given |= {"PIP_CERT": CERTIFICATES} if "PIP_CERT" in os.environ else {}
    return {"cluster_pip_environment": given}


def models_of_experts() -> dict[str, list[dict[str, Any]]]:
    """The best model is on no host, so that SmolLM2 is served."""
    checksum = hashlib.sha256(shipped_model().read_bytes()).hexdigest()
    small = {"name": SMALL, "file": "small.gguf", "memory_mb": 512, "url": f"file://{MODEL}", "sha256": checksum}
    large = {"name": "large", "file": "large.gguf", "memory_mb": 64000}
    return {"main": [large, small], "summarization": [small], "translation": [small]}


def llama_cpp_source(folder: Path) -> Path:
    """What role llama_cpp builds: a server over the embedded engine."""
    shutil.copytree(Path(__file__).parent / "cluster/llama_cpp", folder)
    for name in ("worker.cpp", "tcp.hpp"):
        shutil.copy(WORKER / name, folder)
    (folder / "llama-server").write_text(server_program("/usr/bin/python3", LIBRARIES))
    return folder


def until(condition: Callable[[], Any], what: str, deadline_s: float = SETTLE_S) -> Any:
    deadline = time.monotonic() + deadline_s
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {deadline_s} s: {what}"
        time.sleep(0.5)
    return found


def spots(lines: tuple[TaskLine, ...]) -> list[str]:
    return [str(line) for line in lines]


@pytest.fixture(scope="module")
def cluster(engine: DockerEngine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("cluster")
    # The engine and the model of this machine: the engine's wheel is for every Python from 3.10 on.
    engine_folder = Path(sysconfig.get_path("platlib")) / "xllamacpp"
    mounts = [f"{shipped_model()}:{MODEL}:ro", f"{engine_folder}:{LIBRARIES}/xllamacpp:ro"]
    with Lab(engine, label="cluster") as lab:
        network = lab.network("net")
        hosts = [lab.start(name, network=network, volumes=mounts) for name in ("alpha", "beta")]
        for host in hosts:
            if "PIP_CERT" in os.environ:
                host.write(CERTIFICATES, Path(os.environ["PIP_CERT"]).read_text())
        environment = {"DOCKER_HOST": engine.url}
        with Player(environment=environment, config=REPOSITORY / "ansible.cfg") as player:
            given = os.environ.get("NOMAD_BINARY")  # a real Nomad, where there is one
            nomad = Path(given) if given else build(folder / "nomad")
            source = llama_cpp_source(folder / "llama_cpp")
            alpha, beta = hosts
            yield Cluster(alpha, beta, inventory(folder, alpha, beta), nomad, source, player, engine.url)


def inventory(folder: Path, controller: Host, worker: Host) -> Path:
    """Both run experts; the first is also the only server and watches. The names are none of host_vars/."""
    reached = {
        host.name: {"ansible_connection": "community.docker.docker", "ansible_host": host.container}
        for host in (controller, worker)
    }
    groups: dict[str, dict[str, dict[str, dict[str, str]]]] = {
        "controllers": {"hosts": {"alpha": {}}},
        "workers": {"hosts": {"alpha": {}, "beta": {}}},
        "monitoring": {"hosts": {"alpha": {}}},
        "home": {"hosts": {"beta": {}}},
        "supervisors": {"hosts": {"alpha": {}}},
        "gateways": {"hosts": {"alpha": {}}},
        "agents": {"hosts": {"alpha": {}}},
    }
    target = folder / "hosts.yaml"
    target.write_text(yaml.safe_dump({"all": {"hosts": reached, "children": groups}}))
    return target


@pytest.fixture(scope="module")
def first_run(cluster: Cluster) -> FirstRun:
    done = cluster.deploy()
    return FirstRun(done.returncode == 0, f"{done.stdout[-6000:]}\n{done.stderr[-2000:]}")


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What the embedded model of this machine answers."""
    with real_expert(tmp_path_factory.mktemp("expected") / "log") as url:
        request = urllib.request.Request(
            f"{url}/v1/chat/completions", json.dumps(QUESTION).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return text_of(json.load(answer))


def text_of(answer: dict[str, Any]) -> str:
    return str(answer["choices"][0]["message"]["content"])


def test_from_nothing_to_a_healthy_main_expert(cluster: Cluster, first_run: FirstRun) -> None:
    assert first_run.is_ok, first_run.why
    assert cluster.passing("expert-main") == ["alpha"]
    assert cluster.passing("rpc-expert-main") == ["alpha", "beta"]
    served = cluster.read(cluster.worker, f"http://{cluster.controller.address}:8080/v1/models")
    assert [model["id"] for model in served["data"]] == [SMALL]


def test_the_main_expert_answers_through_the_gateway_as_the_embedded_model(
    cluster: Cluster, first_run: FirstRun, expected: str
) -> None:
    assert first_run.is_ok, first_run.why
    assert cluster.passing("moe-gateway") == ["alpha"]
    answer = cluster.chat("expert-main")
    assert text_of(answer) == expected
    assert answer["model"] == "expert-main"
    assert cluster.served_models() == {"expert-main": SMALL, "moe": SMALL, "pipecat": None}


def test_the_gateways_model_pipecat_is_answered_by_the_deployed_agent(cluster: Cluster, first_run: FirstRun) -> None:
    assert first_run.is_ok, first_run.why
    assert cluster.passing("pipecat-app") == ["alpha"]
    answer = cluster.chat("pipecat")
    assert (answer["model"], bool(text_of(answer))) == ("pipecat", True)
    metrics = cluster.read_text("http://127.0.0.1:9103/metrics")
    assert 'pipecatapp_turns_total{outcome="answered",source="gateway"} 1.0' in metrics
    # Only the gateway has the key.
    without = cluster.controller.run("python3", "-c", READ, "http://127.0.0.1:8002/api/status", check=False)
    assert "401" in str(without.stderr)


def test_the_supervisor_leads_and_sees_the_cluster(cluster: Cluster, first_run: FirstRun) -> None:
    assert first_run.is_ok, first_run.why
    until(lambda: "anneal_supervisor_leader 1" in cluster.supervisor_metrics(), "it leads")
    assert not re.search(r"cluster_faults_total\{[^}]*\} [1-9]", cluster.supervisor_metrics())


def test_a_second_run_changes_nothing(cluster: Cluster, first_run: FirstRun) -> None:
    assert first_run.is_ok, first_run.why
    again = cluster.play("playbook.yaml")
    assert again.is_ok, again.why
    assert spots(again.changed) == []


def test_healing_a_healthy_cluster_changes_nothing(cluster: Cluster, first_run: FirstRun) -> None:
    assert first_run.is_ok, first_run.why
    healed = cluster.play("heal_cluster.yaml")
    assert healed.is_ok, healed.why
    assert spots(healed.changed) == []


def test_killed_and_stopped_services_are_healed(cluster: Cluster, first_run: FirstRun, expected: str) -> None:
    assert first_run.is_ok, first_run.why
    for host in (cluster.controller, cluster.worker):
        host.run("sh", "-c", "pkill -9 -x consul; pkill -9 -f '[n]omad agent'; pkill -9 -x rpc-server; true")
    cluster.controller.run("pkill", "-9", "-x", "llama-server")
    cluster.controller.run("pkill", "-9", "-f", "[m]oe-gateway serve")
    cluster.controller.run("pkill", "-9", "-f", "[p]ipecatapp serve")
    cluster.worker.run("systemctl", "stop", "nomad", "mosquitto")

    healed = cluster.play("heal_cluster.yaml")
    assert healed.is_ok, healed.why
    started = {line.task for line in healed.changed}
    assert "Start the services" in started, spots(healed.changed)
    until(lambda: cluster.passing("expert-main") == ["alpha"], "the main expert is healthy")
    until(lambda: cluster.passing("rpc-expert-main") == ["alpha", "beta"], "every rpc-server is healthy")
    for host, unit in ((cluster.controller, "nomad"), (cluster.worker, "nomad"), (cluster.worker, "mosquitto")):
        assert host.testinfra.service(unit).is_running
    until(lambda: cluster.passing("moe-gateway") == ["alpha"], "the gateway is healthy")
    assert text_of(cluster.chat("expert-main")) == expected
    until(lambda: cluster.passing("pipecat-app") == ["alpha"], "the agent is healthy")
    assert text_of(cluster.chat("pipecat"))

    again = cluster.play("heal_cluster.yaml")
    assert again.is_ok, again.why
    assert spots(again.changed) == []


def test_jobs_that_somebody_stopped_are_run_again(cluster: Cluster, first_run: FirstRun) -> None:
    assert first_run.is_ok, first_run.why
    delete = "import sys, urllib.request as u; u.urlopen(u.Request(sys.argv[1], method='DELETE'))"
    for job, service in (("llamacpp-rpc", "expert-main"), ("pipecat-app", "pipecat-app")):
        cluster.controller.run("python3", "-c", delete, f"http://127.0.0.1:4646/v1/job/{job}")
        until(partial(cluster.is_gone, service), f"{service} is gone")
    healed = cluster.play("heal_cluster.yaml")
    assert healed.is_ok, healed.why
    assert {line.task for line in healed.changed} == {"Register the job", "Register the stopped job"}
    until(lambda: cluster.passing("pipecat-app") == ["alpha"], "the agent is healthy")
    assert len(cluster.allocations()) == 3
    until(lambda: cluster.passing("expert-main") == ["alpha"], "the main expert is healthy")


def test_further_experts_are_deployed_and_an_unknown_one_refused(
    cluster: Cluster, first_run: FirstRun, expected: str
) -> None:
    assert first_run.is_ok, first_run.why
    for expert in ("summarization", "translation"):
        deployed = cluster.play("deploy_expert.yaml", expert=expert)
        assert deployed.is_ok, deployed.why
        until(partial(cluster.passing, f"expert-{expert}"), "the expert is healthy")
        # The same model as the main expert's, so the same text.
        assert text_of(cluster.chat(f"expert-{expert}")) == expected
    again = cluster.play("deploy_expert.yaml", expert="summarization")
    assert again.is_ok, again.why
    assert spots(again.changed) == []
    refused = cluster.play("deploy_expert.yaml", expert="poetry")
    assert "Known are japanese, summarization, tools, translation" in refused.why
