"""An expert's list of models on a real llama.cpp: what does not load is passed over, and the last one answers."""

import json
import os
import shutil
import signal
import sys
import sysconfig
import urllib.request
from dataclasses import replace
from pathlib import Path

import pytest

from evolve.cluster.address import ClusterAddress
from fixtures.nomad_standins import agent, purge_all
from fixtures.processes import wait_for
from fixtures.real_consul import free_ports, started_consul
from fixtures.real_experts import server_program, shipped_model
from fixtures.role_templates import expert_job
from fixtures.running_gateways import SHORT, running_gateway
from pipecatapp.gateway.config import GatewayConfig

PATIENT = replace(SHORT, idle_s=300.0, total_s=400.0)
QUESTION = {"model": "expert-main", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 2}
LIMIT_MB = 2048 + 256 * (os.cpu_count() or 1)
"""Address space of the server: it needs 600 MiB with SmolLM2 on two cores, and more for the threads of further ones."""


class Expert:
    """The expert's job on a node with a llama-server, and what its task prints."""

    def __init__(self, nomad, folder, consul_url):
        self._nomad, self.models = nomad, folder / "models"
        program = folder / "llama_cpp/current/bin/llama-server"
        for made in (self.models, program.parent):
            made.mkdir(parents=True)
        program.write_text(server_program(sys.executable, sysconfig.get_path("platlib")))
        program.chmod(0o755)
        self.job = expert_job(
            main_port=free_ports(1)[0],
            llama_cpp_home=str(folder / "llama_cpp"),
            models_dir=str(self.models),
            main_memory_limit_mb=LIMIT_MB,
            consul_addr=consul_url,
            models=[
                {"file": "best.gguf", "memory_mb": 64000},
                {"file": "truncated.gguf", "memory_mb": 1000},
                {"file": "large.gguf", "memory_mb": 4096},
                {"file": "small.gguf", "memory_mb": 512, "name": "smollm2-135m-instruct"},
            ],
        )

    @property
    def output(self):
        """What its task printed on standard error."""
        (alloc,) = self._nomad.allocs("llamacpp-rpc")
        return (self._nomad.folder / f"data/alloc/{alloc['ID']}/alloc/logs/llama-server.stderr.0").read_text()

    @property
    def log(self):
        """The lines of the program that tries the list."""
        start = "start-expert: "
        return [line.removeprefix(start) for line in self.output.splitlines() if line.startswith(start)]

    def kill_server(self):
        """Kill the server, not the program that tries the list."""
        (task,) = self._nomad.kept_tasks().values()
        (server,) = Path(f"/proc/{task['pid']}/task/{task['pid']}/children").read_text().split()
        os.kill(int(server), signal.SIGKILL)


@pytest.fixture
def cluster(tmp_path):
    shipped_model()
    (tmp_path / "consul").mkdir()
    (tmp_path / "nomad").mkdir()
    with started_consul(tmp_path / "consul") as url, agent(tmp_path / "nomad", consul=url) as nomad:
        expert = Expert(nomad, tmp_path, url)
        yield nomad, url, expert
        purge_all(nomad)


def put_models(folder):
    """The list's first model is absent; the second one is half a file; the third one needs more than the limit."""
    whole = shipped_model().read_bytes()
    (folder / "truncated.gguf").write_bytes(whole[: len(whole) // 2])
    for name in ("large.gguf", "small.gguf"):
        (folder / name).write_bytes(whole)
    # The same model with a hole behind it: it is mapped into memory as a whole.
    os.truncate(folder / "large.gguf", 2 * LIMIT_MB * 2**20)


def served_models(gateway):
    return [one["served_model"] for one in gateway.ask("/v1/models").json["data"] if one["ready"]]


def notes(url):
    """What Consul says of the passing instance, by the name of the check."""
    with urllib.request.urlopen(f"{url}/v1/health/service/expert-main?passing=true") as answer:
        (one,) = json.load(answer)
    return {check["Name"]: check["Notes"] for check in one["Checks"]}


def test_the_last_model_answers_after_three_bad_ones_and_a_killed_server_begins_with_the_best(cluster, tmp_path):
    nomad, url, expert = cluster
    put_models(expert.models)
    nomad.register(expert.job)
    with running_gateway(GatewayConfig(consul=ClusterAddress(url), timeouts=PATIENT)) as gateway:
        small = "smollm2-135m-instruct"
        wait_for("SmolLM2 is served", lambda: served_models(gateway) == [small])
        reply = gateway.ask("/v1/chat/completions", QUESTION, timeout_s=400)
        assert reply.status == 200
        assert reply.json["usage"]["completion_tokens"] == 2
        files = {name: expert.models / f"{name}.gguf" for name in ("best", "truncated", "large", "small")}
        assert expert.log == [
            f"no {files['best']} here", "the next one is tried",
            f"loading {files['truncated']}", f"{files['truncated']} does not load: the server ended with 1",
            "the next one is tried",
            f"loading {files['large']}", f"{files['large']} does not load: the server ended with 1",
            "the next one is tried",
            f"loading {files['small']}", f"serving {files['small']}", f"Consul has the name {small}",
        ]  # fmt: skip
        assert "mmap failed: Cannot allocate memory" in expert.output
        assert notes(url)["model"] == small

        shutil.copy(files["small"], files["best"])
        expert.kill_server()
        wait_for("the best is served", lambda: served_models(gateway) == ["best"])
        assert gateway.ask("/v1/chat/completions", QUESTION, timeout_s=400).status == 200
        assert notes(url)["model"] == "best"
        assert [line for line in expert.log if line.startswith("serving")] == [
            f"serving {files['small']}",
            f"serving {files['best']}",
        ]
