"""Plays and tests over kept connections: the same as over stock ones, also when the host is another meanwhile."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from evolve.infra.engine.docker_engine import DockerEngine
from evolve.infra.hosts import testinfra_connections
from evolve.infra.hosts.connections import ADDRESS
from evolve.infra.hosts.labs import Host, Lab
from evolve.infra.verification.plays import Play, Played, Player

WHO = {"name": "Who", "ansible.builtin.shell": "id -un; echo $PPID"}


class Reached:
    """A host, and plays on it."""

    def __init__(self, host: Host, player: Player, folder: Path) -> None:
        self.host = host
        self.player = player
        self._folder = folder

    def play(self, *tasks: Mapping[str, Any], **variables: Any) -> Played:
        about = {"ansible_host": self.host.container, "ansible_connection": "community.docker.docker", **variables}
        inventory, playbook = self._folder / "inventory.yaml", self._folder / "play.yaml"
        inventory.write_text(json.dumps({"all": {"hosts": {"host": about}}}))
        playbook.write_text(yaml.safe_dump([{"hosts": "all", "gather_facts": False, "tasks": [*map(dict, tasks)]}]))
        return self.player.play(Play(playbook, inventory, ()))

    def processes(self) -> Sequence[str]:
        """The other ends of connections."""
        found = self.host.run("pgrep", "-x", "connection", check=False)
        return found.stdout.split()


@pytest.fixture
def reached(hosts: Lab, engine: DockerEngine, tmp_path: Path) -> Iterator[Reached]:
    with Player(environment={"DOCKER_HOST": engine.url}) as player:
        yield Reached(hosts.start("host"), player, tmp_path)


def test_one_connection_serves_all_tasks_of_all_plays(reached: Reached) -> None:
    for _ in range(2):
        played = reached.play(WHO, WHO)
        assert played.is_ok, played.why
    assert len(reached.processes()) == 1


def test_a_restarted_host_is_reached_again(reached: Reached) -> None:
    assert reached.play(WHO).is_ok
    reached.host.restart()
    played = reached.play(WHO)
    assert played.is_ok, played.why


def test_the_role_may_have_moved_python_meanwhile(reached: Reached) -> None:
    assert reached.play(WHO, ansible_python_interpreter="/usr/bin/python3").is_ok
    reached.host.run("mv", "/usr/bin/python3", "/usr/bin/python3.away")
    played = reached.play(WHO, ansible_python_interpreter="/usr/bin/python3")
    assert not played.is_ok
    assert "/usr/bin/python3" in played.why


def test_another_user_has_the_groups_of_now(reached: Reached) -> None:
    reached.host.run("useradd", "-m", "visitor")
    groups = {"name": "Groups", "ansible.builtin.shell": "id -nG | grep -w late"}
    assert not reached.play(groups, ansible_user="visitor").is_ok
    reached.host.run("sh", "-c", "groupadd late; usermod -aG late visitor")
    played = reached.play(groups, ansible_user="visitor")
    assert played.is_ok, played.why


def test_root_too_has_the_groups_of_now(reached: Reached) -> None:
    assert reached.play(WHO).is_ok
    reached.host.run("sh", "-c", "groupadd late; usermod -aG late root")
    played = reached.play({"name": "Groups", "ansible.builtin.shell": "id -nG | grep -w late"})
    assert played.is_ok, played.why


def test_a_password_is_still_asked_for(reached: Reached) -> None:
    reached.host.run("sh", "-c", "useradd -m visitor; echo visitor:secret-word | chpasswd; usermod -aG sudo visitor")
    allowed = {**WHO, "become": True}
    played = reached.play(allowed, ansible_user="visitor", ansible_become_password="secret-word")
    assert played.is_ok, played.why
    refused = reached.play(allowed, ansible_user="visitor", ansible_become_password="wrong")
    assert not refused.is_ok


def test_files_of_any_size_and_name_arrive(reached: Reached, tmp_path: Path) -> None:
    for name, data in (("empty", b""), ("it's a $(name)", b"\x00\xff" * 40_000), ("large", b"x" * 17_000_000)):
        source = tmp_path / name
        source.write_bytes(data)
        target = f"/srv/{name}"
        played = reached.play({"name": "Copy", "ansible.builtin.copy": {"src": str(source), "dest": target}})
        assert played.is_ok, played.why
        assert reached.host.run("stat", "-c", "%s", target).stdout.strip() == str(len(data))


def test_code_of_modules_is_kept_for_root_alone(reached: Reached) -> None:
    assert reached.play({"name": "Ping", "ansible.builtin.ping": {}}).is_ok
    shown = reached.host.run("stat", "-c", "%a %U", "/run/anneal-code").stdout.strip()
    assert shown == "700 root"
    kept = reached.host.run("ls", "/run/anneal-code").stdout.split()
    assert len(kept) > 20
    written = reached.host.run("stat", "-c", "%n %z", *(f"/run/anneal-code/{name}" for name in kept)).stdout
    assert reached.play({"name": "Ping", "ansible.builtin.ping": {}}).is_ok
    again = reached.host.run("stat", "-c", "%n %z", *(f"/run/anneal-code/{name}" for name in kept)).stdout
    assert again == written, "code that is kept is compiled again"
    # Not even what somebody damaged is run: it is compiled again.
    reached.host.run("sh", "-c", "for file in /run/anneal-code/*; do echo no code >$file; done")
    played = reached.play({"name": "Ping", "ansible.builtin.ping": {}})
    assert played.is_ok, played.why


def test_tests_of_a_role_use_the_same_connection(reached: Reached, engine: DockerEngine, tmp_path: Path) -> None:
    assert reached.play(WHO).is_ok
    (tmp_path / "test_it.py").write_text(
        "def test_it(host):\n    assert host.check_output('cat /proc/$PPID/comm') == 'connection'\n"
        "    assert host.run('exit 3').rc == 3\n    assert host.file('/etc/passwd').contains('root')\n"
    )
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DOCKER_", "PYTEST_"))}
    words = [f"--hosts=docker://{reached.host.container}", "-q", "-n0", "-c", os.devnull, "--rootdir", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *words, "-p", testinfra_connections.__name__, str(tmp_path)],
        env={**kept, "DOCKER_HOST": engine.url, ADDRESS: reached.player.connections.address},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "1 passed" in done.stdout, done.stdout + done.stderr
