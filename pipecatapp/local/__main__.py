"""`./bootstrap.sh --run-local`: gateway, agent and a model, and Consul where it is installed, until Ctrl-C."""

import argparse
import asyncio
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from evolve.cluster.address import ClusterAddress
from evolve.cluster.consul.client import ConsulClient
from evolve.cluster.demo.agents import free_ports
from evolve.core.formats.yaml12 import dump_yaml
from evolve.core.model.errors import EnvironmentFault, ExitCode, InputError
from evolve.core.model.json_value import JsonValue
from evolve.system.cache_folder import cache_folder
from pipecatapp.gateway.keys import make_key
from pipecatapp.local.models import LocalModel, choose_model
from pipecatapp.local.programs import Program, answers
from pipecatapp.voice.config import ESPEAK, PIPER
from pipecatapp.voice.installed import INSTALL, installed_voice, missing

_EXPERT: Final = "expert-main"
_CONTEXT: Final = 8192
"""Tokens of all slots together; SmolLM2 was trained with as many."""
_SLOTS: Final = 2
_LOAD_S: Final = 300.0
"""A large model on a slow disk."""
_START_S: Final = 60.0
_WATCH_S: Final = 0.5
_NO_VOICE: Final = f"none; {INSTALL}"


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    found = argparse.ArgumentParser(
        "bootstrap.sh --run-local", description="Gateway, agent and a model as processes of this machine, until Ctrl-C."
    )
    found.add_argument("--port", type=int, default=8001, help="of the API; 0 for a free one (default: 8001)")
    found.add_argument(
        "--agent-port", type=int, default=8002, help="of the agent's page; 0 for a free one (default: 8002)"
    )
    found.add_argument(
        "--model",
        metavar="small|large|FILE",
        help="SmolLM2 135M, what `./bootstrap.sh model large` fetched, or a GGUF file (default: large where it is)",
    )
    found.add_argument("--no-consul", action="store_true", help="do without Consul where it is installed")
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until Ctrl-C or SIGTERM; return the exit code."""
    given = parser().parse_args(arguments)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: stop.set())
    try:
        with tempfile.TemporaryDirectory(prefix="anneal-local-") as folder:
            ports = Ports(given.port, given.agent_port)
            LocalApp(Path(folder), ports, with_consul=not given.no_consul).run(
                choose_model(given.model, os.environ), stop
            )
    except InputError as error:
        _say(*(f"error: {problem}" for problem in error.problems))
        return ExitCode.INPUT
    except EnvironmentFault as error:
        _say(f"environment: {error}")
        return ExitCode.ENVIRONMENT
    return ExitCode.DONE


class Ports(NamedTuple):
    """Where people and programs reach it; 0 for a free one."""

    gateway: int
    agent: int


class LocalApp:
    """The programs, and the folder of their files, which ends with them."""

    def __init__(self, folder: Path, ports: Ports, *, with_consul: bool) -> None:
        self._folder = folder
        free = free_ports(2)
        self._port, self._agent_port = ports.gateway or free[0], ports.agent or free[1]
        self._consul = shutil.which("consul") if with_consul else None
        self._programs: list[Program] = []

    def run(self, model: LocalModel, stop: threading.Event) -> None:
        """Start all, wait, and end all, whatever happens.

        Raises:
            ProcessFault: a program does not start, or ended by itself.
        """
        _check_free(self._port, "--port")
        _check_free(self._agent_port, "--agent-port")
        name = model.file.stem
        try:
            expert_port, consul_url = self._start_expert(model.file), self._start_consul()
            if stop.is_set():
                return
            if consul_url:
                asyncio.run(_register(consul_url, expert_port, name))
            key = self._write_keys()
            self._start_agent(expert_port, consul_url, model)
            self._start_gateway(expert_port, consul_url, name)
            self._announce(key)
            while not stop.wait(_WATCH_S):
                for program in self._programs:
                    if program.has_ended:
                        raise program.fault()
        finally:
            # The gateway first: it completes what is under way.
            for program in reversed(self._programs):
                program.end()
            _say("ended")

    def _start_expert(self, model: Path) -> int:
        (port,) = free_ports(1)
        command = [sys.executable, "-m", "pipecatapp.local.llama_server", "--model", str(model), "--port", str(port)]
        command += ["--ctx-size", str(_CONTEXT), "--parallel", str(_SLOTS), "--alias", model.stem]
        _say(f"loading {model.name}")
        program = self._start("llama-server", command)
        program.wait_until(lambda: answers(f"http://127.0.0.1:{port}/health"), _LOAD_S)
        return port

    def _start_consul(self) -> str:
        if self._consul is None:
            return ""
        http, server, lan, wan = free_ports(4)
        command = [self._consul, "agent", "-dev", "-node", "local", "-bind", "127.0.0.1", "-http-port", str(http)]
        command += ["-dns-port", "-1", "-grpc-port", "-1", "-server-port", str(server)]
        command += ["-serf-lan-port", str(lan), "-serf-wan-port", str(wan)]
        url = f"http://127.0.0.1:{http}"
        program = self._start("consul", command)
        program.wait_until(lambda: answers(f"{url}/v1/health/node/local?passing"), _START_S)
        return url

    def _write_keys(self) -> str:
        """Write the file of keys and the gateway's own key; return the one for the person."""
        key, gateway = make_key("local"), make_key("gateway")
        (self._folder / "keys").write_text(f"{key.line}\n{gateway.line}\n", encoding="utf-8")
        (self._folder / "gateway.key").write_text(gateway.key, encoding="utf-8")
        return key.key

    def _start_agent(self, expert_port: int, consul_url: str, model: LocalModel) -> None:
        consul: dict[str, JsonValue] = {"consul": {"url": consul_url}} if consul_url else {}
        known: dict[str, JsonValue] = {"provider_id": model.provider_id} if model.provider_id else {}
        config: JsonValue = {
            "listen": f"127.0.0.1:{self._agent_port}",
            "keys_file": "keys",
            "model": {
                "url": f"http://127.0.0.1:{expert_port}",
                "name": model.file.stem,
                "advice": model.advice,
                **known,
            },
            "memory": {"file": "memory.sqlite"},
            **consul,
            **_voice(cache_folder(os.environ)),
        }
        path = self._folder / "agent.yaml"
        path.write_text(dump_yaml(config), encoding="utf-8")
        program = self._start("pipecatapp", [sys.executable, "-m", "pipecatapp.agent", "serve", str(path)])
        program.wait_until(lambda: answers(f"http://127.0.0.1:{self._agent_port}/api/session"), _START_S)
        _say(*program.lines("pipecatapp: model:"))
        _say(*(f"voice: {line}" for line in program.lines("pipecatapp: voice:") or [_NO_VOICE]))
        if model.advice:
            _say(model.advice)

    def _start_gateway(self, expert_port: int, consul_url: str, model: str) -> None:
        experts: JsonValue = {_EXPERT: [{"url": f"http://127.0.0.1:{expert_port}", "model": model}]}
        where: dict[str, JsonValue] = {"consul": {"url": consul_url}} if consul_url else {"experts": experts}
        (metrics,) = free_ports(1)
        config: JsonValue = {
            "listen": f"127.0.0.1:{self._port}",
            "metrics": f"127.0.0.1:{metrics}",
            "keys_file": "keys",
            "moe": {"fallback": _EXPERT},
            "agent": {"url": f"http://127.0.0.1:{self._agent_port}", "api_key_file": "gateway.key"},
            **where,
        }
        path = self._folder / "gateway.yaml"
        path.write_text(dump_yaml(config), encoding="utf-8")
        program = self._start("moe-gateway", [sys.executable, "-m", "pipecatapp.gateway", "serve", str(path)])
        program.wait_until(lambda: answers(f"http://127.0.0.1:{self._port}/health/ready"), _START_S)
        _say(f"metrics: http://127.0.0.1:{metrics}/metrics", f"experts: {consul_url or 'fixed, without Consul'}")

    def _announce(self, key: str) -> None:
        lines = (f"address: http://127.0.0.1:{self._port}/v1", f"key:     {key}")
        print(*lines, f"agent:   http://127.0.0.1:{self._agent_port}/", sep="\n", flush=True)
        _say("examples are in API_USAGE.md; Ctrl-C ends all")

    def _start(self, name: str, command: Sequence[str]) -> Program:
        program = Program(name, command, self._folder / f"{name}.log")
        self._programs.append(program)
        return program


def _voice(cache: Path) -> dict[str, JsonValue]:
    """Return the part `voice` for what is installed here; none where the voice is not."""
    for engine in (PIPER, ESPEAK):
        if not missing(installed_voice(cache, engine)):
            return {"voice": {"tts": {"engine": engine}}}
    return {}


async def _register(consul_url: str, port: int, model: str) -> None:
    async with ConsulClient(ClusterAddress(consul_url)) as client:
        await client.services.register(
            {
                "ID": _EXPERT,
                "Name": _EXPERT,
                "Address": "127.0.0.1",
                "Port": port,
                "Meta": {"model": model},
                "Check": {"HTTP": f"http://127.0.0.1:{port}/health", "Interval": "2s", "Timeout": "2s"},
            }
        )


def _check_free(port: int, option: str) -> None:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError as exc:
        raise EnvironmentFault(
            f"port {port}: {exc.strerror}", hint=f"choose another with {option}; 0 is a free one"
        ) from exc


def _say(*lines: str) -> None:
    for line in lines:
        print(f"== {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
