"""The job of an expert in the mesh as role bootstrap_agent registers it: SmolLM2 behind Consul's own proxy."""

import json
import os
import signal
import socket
import sys
import sysconfig
import urllib.request
from dataclasses import replace

import pytest

from fixtures.mesh_experts import mesh_at
from fixtures.nomad_standins import agent, purge_all
from fixtures.processes import wait_for
from fixtures.real_consul import free_ports, started_consul
from fixtures.real_experts import server_program, shipped_model
from fixtures.role_templates import expert_job
from fixtures.running_gateways import SHORT, experts_at, running_gateway
from pipecatapp.gateway.config import GatewayConfig

PATIENT = replace(SHORT, idle_s=300.0, total_s=400.0)
QUESTION = {"messages": [{"role": "user", "content": "Say hello in one word."}], "max_tokens": 8, "temperature": 0}
ASKED = {"model": "expert-main", **QUESTION}


@pytest.fixture
def mesh(tmp_path):
    shipped_model()
    for name in ("consul", "nomad", "logs"):
        (tmp_path / name).mkdir()
    with started_consul(tmp_path / "consul") as url, mesh_at(url, tmp_path / "logs") as found:
        yield found


@pytest.fixture
def nomad(mesh, tmp_path):
    with agent(tmp_path / "nomad", consul=mesh.address.url) as found:
        yield found
        purge_all(found)


def job_of(folder, consul):
    program = folder / "llama_cpp/current/bin/llama-server"
    program.parent.mkdir(parents=True)
    program.write_text(server_program(sys.executable, sysconfig.get_path("platlib")))
    program.chmod(0o755)
    model = shipped_model()
    return expert_job(
        mesh="proxy",
        main_port=free_ports(1)[0],
        main_tags=["expert", "general"],
        llama_cpp_home=str(folder / "llama_cpp"),
        models_dir=str(model.parent),
        consul_addr=consul,
        models=[{"file": model.name, "memory_mb": 512, "name": "smollm2-135m-instruct"}],
    )


def served(gateway):
    return [one["served_model"] for one in gateway.ask("/v1/models").json["data"] if one["ready"]]


def listening_addresses(port):
    """The addresses of this machine, in the kernel's writing, on which a port takes connections."""
    with open("/proc/net/tcp") as file:
        rows = [line.split() for line in file.readlines()[1:]]
    return {row[1].partition(":")[0] for row in rows if row[3] == "0A" and int(row[1].partition(":")[2], 16) == port}


def test_the_job_s_expert_is_reached_by_the_gateway_alone_and_comes_back_when_it_is_killed(mesh, nomad, tmp_path):
    job = job_of(tmp_path, mesh.address.url)
    (port,) = (one["Value"] for one in job["TaskGroups"][0]["Networks"][0]["ReservedPorts"])
    mesh.intend("*", "deny")
    nomad.register(job)
    config = GatewayConfig(consul=mesh.address, mesh_service="moe-gateway", timeouts=PATIENT)
    with running_gateway(config) as gateway:
        wait_for("the proxy passes", lambda: served(gateway) == ["smollm2-135m-instruct"])
        assert gateway.ask("/v1/chat/completions", ASKED).json["error"]["code"] == "expert_unavailable"
        mesh.intend("moe-gateway", "allow")
        wait_for("the gateway may", lambda: gateway.ask("/v1/chat/completions", ASKED).status == 200)
        text = gateway.ask("/v1/chat/completions", ASKED).json["choices"][0]["message"]["content"]
        with running_gateway(GatewayConfig(experts=experts_at(f"http://127.0.0.1:{port}"), timeouts=PATIENT)) as direct:
            assert direct.ask("/v1/chat/completions", ASKED).json["choices"][0]["message"]["content"] == text
        assert gateway.gateway.experts.tags() == {"expert-main": ("expert", "general")}
        # 127.0.0.1 in the kernel's byte order; the plain port is not on any other address.
        assert listening_addresses(port) == {f"{int.from_bytes(socket.inet_aton('127.0.0.1'), 'little'):08X}"}

        first = proxies(mesh)
        server = tasks(nomad)["llama-server"]
        os.kill(server["pid"], signal.SIGKILL)
        wait_for("the proxy is not offered meanwhile", lambda: served(gateway) == [])
        wait_for("it is back", lambda: served(gateway) == ["smollm2-135m-instruct"])
        assert gateway.ask("/v1/chat/completions", ASKED).status == 200
        assert proxies(mesh) == first

        killed = tasks(nomad)["mesh"]["pid"]
        os.kill(killed, signal.SIGKILL)
        wait_for("there is another proxy", lambda: tasks(nomad).get("mesh", {}).get("pid", killed) != killed)
        wait_for("it answers", lambda: gateway.ask("/v1/chat/completions", ASKED).status == 200)
        assert proxies(mesh) == first
    nomad.write(f"/v1/job/{job['ID']}", {}, "DELETE")
    wait_for("a stopped job leaves no proxy in Consul", lambda: proxies(mesh) == {})


def proxies(mesh):
    with urllib.request.urlopen(f"{mesh.address.url}/v1/agent/services") as answer:
        return {id: one["Port"] for id, one in json.load(answer).items() if one.get("Kind") == "connect-proxy"}


def tasks(nomad):
    kept = json.loads((nomad.folder / "data/client/state.json").read_text())
    return {name: task["process"] for one in kept.values() for name, task in one["tasks"].items()}
