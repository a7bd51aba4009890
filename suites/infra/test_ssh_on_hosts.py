"""The tool ssh against OpenSSH's own server on a real host."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from evolve.infra.engine.docker_engine import DockerEngine
from evolve.infra.hosts.host import Host
from evolve.infra.hosts.labs import Lab
from fixtures.tool_calls import call_tool, reason_of
from pipecatapp.core.ports import ToolReason, ToolResult
from pipecatapp.tools.config import SshConfig, SshHost, ToolsConfig
from pipecatapp.tools.ssh import ssh

pytestmark = [
    pytest.mark.nightly,
    pytest.mark.skipif(shutil.which("ssh") is None, reason="needs ssh: apt-get install openssh-client"),
]
COMMANDS = {
    "uptime": ("uptime", "--pretty"),
    "words": ("printf", "[%s]", "a b", "$(id)", "; touch /tmp/owned", "*"),
    "who": ("id", "-un"),
    "fail": ("sh", "-c", "echo problem >&2; exit 7"),
    "hang": ("sleep", "600"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("keys")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(made / "watcher")], check=True)
    return made


@pytest.fixture(scope="module")
def host(engine: DockerEngine, folder: Path) -> Iterator[Host]:
    with Lab(engine, label="ssh") as lab:
        found = lab.start("nas")
        found.run("apt-get", "install", "-y", "--no-install-recommends", "openssh-server", timeout_s=300)
        found.run("useradd", "--create-home", "--shell", "/bin/sh", "watcher")
        found.write("/home/watcher/.ssh/authorized_keys", (folder / "watcher.pub").read_text())
        found.run("chown", "-R", "watcher", "/home/watcher")
        found.run("systemctl", "restart", "ssh")
        yield found


def ran(host: Host, folder: Path, command: str, *, user: str = "watcher", timeout_s: float | None = None) -> ToolResult:
    public = host.read("/etc/ssh/ssh_host_ed25519_key.pub")
    (folder / "known_hosts").write_text(f"{host.address} {public}")
    there = SshHost(host.address, user, folder / "watcher", folder / "known_hosts")
    config = ToolsConfig(ssh=SshConfig({"nas": there}, COMMANDS))
    return call_tool(ssh, config, timeout_s=timeout_s, host="nas", command=command)


def test_declared_commands_run_as_they_are(host, folder):
    assert ran(host, folder, "uptime").text.startswith("up ")
    assert ran(host, folder, "who").text == "watcher\n"
    assert ran(host, folder, "words").text == "[a b][$(id)][; touch /tmp/owned][*]"
    failed = ran(host, folder, "fail")
    assert (reason_of(failed), failed.text) == (ToolReason.FAILED, "fail on nas: exit code 7\nproblem\n")


def test_who_is_not_let_in(host, folder):
    assert "Permission denied" in ran(host, folder, "who", user="root").text


def test_a_command_that_takes_too_long_is_ended(host, folder):
    assert reason_of(ran(host, folder, "hang", timeout_s=3)) is ToolReason.TIMEOUT
