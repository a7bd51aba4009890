"""The program that starts an expert keeps the server running, whatever Consul answers to it."""

import json
import os
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from fixtures.loopback_server import LoopbackServer, read_request
from fixtures.processes import wait_for
from fixtures.real_consul import free_ports
from fixtures.role_templates import ROLES, expert_job

SERVER = ROLES / "bootstrap_agent/molecule/default/files/llama-server"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
ANSWERS = {
    "cut in its middle": HEAD + b'Content-Length: 100\r\n\r\n{"a',
    "no JSON": HEAD + b"Content-Length: 3\r\n\r\n<p>",
    "no HTTP": b"hello\r\n\r\n",
    "nothing": b"",
}


class BadConsul(LoopbackServer):
    """Gives every request the same bytes."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer
        super().__init__()

    async def talk(self, reader, writer):
        await read_request(reader)
        writer.write(self._answer)
        await writer.drain()


def launcher(folder: Path, port: int, consul: str) -> str:
    """The program as the job of the role has it, for a program in the place of llama-server."""
    program = folder / "llama_cpp/current/bin/llama-server"
    program.parent.mkdir(parents=True)
    shutil.copy(SERVER, program)
    program.chmod(0o755)
    (folder / "small.gguf").touch()
    models = [{"file": "small.gguf", "memory_mb": 64}]
    home, models_dir = str(folder / "llama_cpp"), str(folder)
    job = expert_job(
        mesh="proxy", main_port=port, consul_addr=consul, llama_cpp_home=home, models_dir=models_dir, models=models
    )
    tasks = {task["Name"]: task for task in job["TaskGroups"][-1]["Tasks"]}
    return str(tasks["llama-server"]["Templates"][0]["EmbeddedTmpl"])


def refusals(log: Path) -> int:
    return log.read_text().count("Consul does not take")


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_an_answer_of_consul_that_is_none_does_not_end_the_server(tmp_path, answer):
    (port,) = free_ports(1)
    consul = BadConsul(answer)
    program, log = tmp_path / "start-expert.py", tmp_path / "log"
    program.write_text(launcher(tmp_path, port, consul.url))
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, program], stderr=output, env={**os.environ, "NOMAD_TASK_DIR": str(tmp_path)}
        )
    try:
        wait_for("it asked Consul again", lambda: process.poll() is not None or refusals(log) >= 2)
        assert process.poll() is None, log.read_text()
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=10) as health:
            assert json.load(health) == {"status": "ok"}
    finally:
        process.terminate()
        assert process.wait(timeout=20) == 0
        consul.close()
