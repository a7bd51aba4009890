"""The agents of a demo cluster as processes: Consul, and the stand-in or a real Nomad."""

import json
import os
import random
import shutil
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from evolve.cluster.demo.jobs import MARK
from evolve.cluster.standin.build import build
from evolve.core.model.errors import EnvironmentFault, ProcessFault
from evolve.core.model.json_value import JsonValue

LOG_LINES = 15
TASK_PORTS = range(23000, 24000)
"""Below the ports that the kernel gives to connections, so that a restarted task finds its own free."""
_LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class AgentProcess:
    """An agent that was started."""

    name: str
    url: str
    process: "subprocess.Popen[bytes]"
    log: Path

    def check(self) -> None:
        """Return if it runs.

        Raises:
            ProcessFault: it has ended; with the end of its log.
        """
        if (code := self.process.poll()) is None:
            return
        end = "\n".join(f"  {line}" for line in self.log.read_text("utf-8", "replace").splitlines()[-LOG_LINES:])
        raise ProcessFault(f"{self.name} ended with {code}; the end of {self.log}:\n{end}", command=self.name)


def is_free(port: int) -> bool:
    """Return whether a program may listen on a port of the loopback address."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_LOOPBACK, port))
        except OSError:
            return False
    return True


def port_for(name: str, given: int) -> int:
    """Return the given port, or any free one for 0.

    Raises:
        EnvironmentFault: it is taken.
    """
    if given and not is_free(given):
        option = f"--{name.lower()}-port"
        hint = f"pass {option} with another one, or {option} 0 for any that is free"
        raise EnvironmentFault(f"port {given} for {name} is taken on {_LOOPBACK}", hint=hint)
    return given or free_ports(1)[0]


def free_ports(count: int) -> list[int]:
    """Return different ports that nobody listens on."""
    opened = [socket.create_server((_LOOPBACK, 0)) for _ in range(count)]
    ports = [int(one.getsockname()[1]) for one in opened]
    for one in opened:
        one.close()
    return ports


def task_ports(names: tuple[str, ...]) -> dict[str, int]:
    """Return a free port for each task."""
    candidates = iter(random.sample(TASK_PORTS, len(TASK_PORTS)))
    return {name: next(port for port in candidates if is_free(port)) for name in names}


def start_consul(folder: Path, port: int, owner: str) -> AgentProcess:
    """Start Consul's agent for development, in memory.

    Raises:
        EnvironmentFault: it is not installed.
    """
    program = shutil.which("consul")
    if program is None:
        raise EnvironmentFault("consul is not installed", hint="./bootstrap.sh consul installs it on Debian")
    argv = [program, "agent", "-dev", "-node", "demo-1", "-bind", _LOOPBACK, "-client", _LOOPBACK]
    argv += ["-http-port", str(port), "-dns-port", "-1", "-grpc-port", "-1"]
    for name, other in zip(("server", "serf-lan", "serf-wan"), free_ports(3), strict=True):
        argv += [f"-{name}-port", str(other)]
    return _start("Consul", argv, folder, f"http://{_LOOPBACK}:{port}", owner)


def start_nomad(folder: Path, port: int, consul: str, owner: str, binary: str = "") -> AgentProcess:
    """Start a Nomad that is server and client: the given program, or the stand-in.

    Args:
        folder: for its configuration, its data and its log.
        port: of its HTTP API.
        consul: URL of its Consul.
        owner: whose process it is.
        binary: a real Nomad; empty for the stand-in.
    """
    config = _nomad_config(folder, port, consul)
    if not binary:
        config["standin"] = {"keeps_state": False}
    file = folder / "nomad.json"
    file.write_text(json.dumps(config), "utf-8")
    program = [binary] if binary else [sys.executable, str(build(folder / "nomad-standin"))]
    return _start("Nomad", [*program, "agent", "-config", str(file)], folder, f"http://{_LOOPBACK}:{port}", owner)


def _nomad_config(folder: Path, port: int, consul: str) -> dict[str, JsonValue]:
    rpc, serf = free_ports(2)
    probes = "env_aws,env_gce,env_azure,env_digitalocean"  # they ask addresses outside this machine
    return {
        "name": "demo-1",
        "data_dir": str(folder / "nomad-data"),
        "bind_addr": _LOOPBACK,
        "advertise": dict.fromkeys(("http", "rpc", "serf"), _LOOPBACK),
        "ports": {"http": port, "rpc": rpc, "serf": serf},
        "server": {"enabled": True, "bootstrap_expect": 1},
        "client": {"enabled": True, "network_interface": "lo", "options": {"fingerprint.denylist": probes}},
        "plugin": [{"raw_exec": [{"config": [{"enabled": True}]}]}],
        "consul": {"address": consul.removeprefix("http://")},
    }


def environment(owner: str, env: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a process that belongs to a demo cluster; tokens of other clusters stay out."""
    foreign = ("NOMAD_", "CONSUL_", "VAULT_")
    return {**{name: value for name, value in env.items() if not name.startswith(foreign)}, MARK: owner}


def _start(name: str, argv: list[str], folder: Path, url: str, owner: str) -> AgentProcess:
    log = folder / f"{name.lower()}.log"
    with log.open("wb") as out:
        # A session of its own: Ctrl-C must reach the command first, which stops the jobs while Nomad still runs.
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            env=environment(owner, os.environ),
            start_new_session=True,
        )
    return AgentProcess(name, url, process, log)
