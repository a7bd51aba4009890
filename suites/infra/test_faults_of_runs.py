"""What breaks under a run's feet: engine, host, network, disk, processes. It says so, and nothing is left."""

import contextlib
import os
import re
import secrets
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from evolve.core.model.errors import EnvironmentFault
from evolve.infra.engine import docker_engine
from evolve.infra.engine.docker_engine import DockerEngine
from evolve.infra.hosts.labs import Host, Lab
from evolve.infra.verification.host_set import HostSet, HostSets
from evolve.infra.verification.plays import Player
from evolve.infra.verification.scenario import load_scenario
from fixtures.fault_trials import only_host, write
from fixtures.processes import WITHIN_S, wait_for
from fixtures.user_runs import UserRun, children, descendants, waiting_role

pytestmark = pytest.mark.nightly


@pytest.fixture
def slow_role(tmp_path: Path) -> Path:
    """A role of a name of its own that waits in the middle."""
    return waiting_role(tmp_path / "roles", f"slow_{secrets.token_hex(3)}")


@pytest.fixture
def slow(clean_engine: DockerEngine, player: Player, slow_role: Path) -> Iterator[HostSet]:
    """A host for the role that does not end by itself."""
    sets = HostSets(load_scenario(slow_role), "bookworm", clean_engine, player)
    yield sets.fresh()
    sets.close()


def has_begun(host: Host) -> bool:
    return host.run("test", "-e", "/begun", check=False).rc == 0


def once_begun(host: Host, then: Callable[[], None]) -> threading.Thread:
    """Does something in the middle of a converge."""

    def watch() -> None:
        wait_for("the converge begins", lambda: has_begun(host))
        then()

    thread = threading.Thread(target=watch)
    thread.start()
    return thread


def test_a_host_that_loses_its_power_half_way_is_named_with_the_task_and_converges_later(slow: HostSet):
    host = only_host(slow)
    thread = once_begun(host, host.kill)
    with pytest.raises(EnvironmentFault, match=rf"(?s)host {host.name} .*ended.*Wait for somebody"):
        slow.converge()
    thread.join()
    host.start_again()
    host.run("touch", "/go")
    assert slow.converge().why == ""


def test_a_removed_container_is_named(slow: HostSet, engine: DockerEngine):
    host = only_host(slow)
    thread = once_begun(host, lambda: engine.client.containers.get(host.container).remove(force=True))
    # How far the removal has come decides which of these the engine says.
    gone = "No such container|marked for removal|ended during the play"
    with pytest.raises(EnvironmentFault, match=rf"(?s){host.container}.*({gone})"):
        slow.converge()
    thread.join()


def test_a_killed_process_of_ansible_is_said_and_the_next_play_has_another(slow: HostSet):
    host = only_host(slow)
    thread = once_begun(host, kill_ansible)
    with pytest.raises(EnvironmentFault, match="the process that runs Ansible ended with code -9"):
        slow.converge()
    thread.join()
    # The play that it had started does not end with it.
    host.run("touch", "/go")
    assert slow.converge().why == ""


def kill_ansible() -> None:
    """The child of this process that imported Ansible; its own children are plays."""
    for child in children(os.getpid()):
        if "ansible_side" in Path(f"/proc/{child}/cmdline").read_text("utf-8"):
            os.kill(child, signal.SIGKILL)


def test_a_play_that_takes_too_long_is_ended(clean_engine: DockerEngine, slow_role: Path):
    with Player(environment={"DOCKER_HOST": clean_engine.url}, timeout_s=20) as impatient:
        sets = HostSets(load_scenario(slow_role), "bookworm", clean_engine, impatient)
        with pytest.raises(EnvironmentFault, match="the play took longer than 20 s and was ended"):
            sets.fresh().converge()
        sets.close()


class Road:
    """A socket that leads to the engine's until it is cut."""

    def __init__(self, path: Path, engine: str) -> None:
        self._path, self._engine = path, engine
        self._ends: list[socket.socket] = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._threads: list[threading.Thread] = []
        self._start(self._serve)

    def cut(self) -> None:
        self._path.unlink()
        for end in (self._listener, *self._ends):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        while self._threads:
            self._threads.pop().join()

    def _serve(self) -> None:
        with self._listener, contextlib.suppress(OSError):
            while True:
                here, _ = self._listener.accept()
                self._start(self._lead, here)

    def _lead(self, here: socket.socket) -> None:
        with here, socket.socket(socket.AF_UNIX) as there:
            there.connect(self._engine)
            self._ends += [here, there]
            back = self._start(self._carry, there, here)
            self._carry(here, there)
            back.join()

    def _start(self, does: Callable[..., None], *ends: socket.socket) -> threading.Thread:
        thread = threading.Thread(target=does, args=ends)
        self._threads.append(thread)
        thread.start()
        return thread

    @staticmethod
    def _carry(one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while piece := one.recv(65536):
                other.sendall(piece)
            other.shutdown(socket.SHUT_WR)


def test_an_engine_that_goes_away_half_way_is_said_with_the_task(
    clean_engine: DockerEngine, slow_role: Path, tmp_path: Path
):
    path = tmp_path / "docker.sock"
    road = Road(path, clean_engine.url.removeprefix("unix://"))
    with Player(environment={"DOCKER_HOST": f"unix://{path}"}) as player:
        sets = HostSets(load_scenario(slow_role), "bookworm", clean_engine, player)
        hosts = sets.fresh()

        def cut() -> None:
            road.cut()
            only_host(hosts).run("touch", "/go")

        thread = once_begun(only_host(hosts), cut)
        played = hosts.converge()
        thread.join()
        sets.close()
    assert re.search(rf"main.yml:\d+: slow_\w+ : .* on slow-\w+: .*unix://{path}", played.why, re.DOTALL), played.why
    assert "Traceback" not in played.why


def test_an_engine_that_is_not_there_is_named_with_what_to_type(tmp_path: Path):
    with pytest.raises(
        EnvironmentFault, match=rf"(?s)no Docker engine answers.*{tmp_path}/no.sock: no such socket.*hosts"
    ):
        docker_engine.first_of([f"unix://{tmp_path}/no.sock"])
    file = tmp_path / "file.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(file))
    with pytest.raises(EnvironmentFault, match="Connection refused: no engine listens there"):
        docker_engine.first_of([f"unix://{file}"])


def test_an_image_that_is_not_there_is_named_with_what_to_type(clean_engine: DockerEngine):
    with (
        Lab(clean_engine, label="noimage") as lab,
        pytest.raises(EnvironmentFault, match=r"start host page from anneal-host:none.*\./bootstrap\.sh hosts"),
    ):
        lab.start("page", image="anneal-host:none")


TWO_HOSTS = """---
platforms:
  - name: page
    networks: [{name: pages}]
  - name: upstream
    networks: [{name: pages}]
"""
TWO_CONVERGED = """---
- name: Converge
  hosts: page
  gather_facts: false
  roles:
    - role: page
      page_upstream: {host: upstream, port: 8080}
"""


def test_a_host_without_network_says_whom_it_does_not_reach(clean_engine: DockerEngine, player: Player, role: Path):
    write(role, {"molecule/default/molecule.yml": TWO_HOSTS, "molecule/default/converge.yml": TWO_CONVERGED})
    sets = HostSets(load_scenario(role), "bookworm", clean_engine, player)
    hosts = sets.fresh()
    page, upstream = (member.host for member in hosts.members)
    upstream.run("systemd-run", "--unit=upstream", "python3", "-m", "http.server", "8080")
    (network,) = networks_of(clean_engine, page)
    clean_engine.client.networks.get(network).disconnect(page.container)
    played = hosts.converge()
    assert "upstream:8080 does not answer page; start it, open its port, or set page_upstream" in played.why
    clean_engine.client.networks.get(network).connect(page.container)
    assert hosts.converge().why == ""
    for host in (page, upstream):
        clean_engine.client.networks.get(network).disconnect(host.container)
    clean_engine.client.networks.get(network).remove()
    assert "upstream:8080 does not answer page" in hosts.converge().why
    sets.close()


def networks_of(engine: DockerEngine, host: Host) -> list[str]:
    return list(engine.client.containers.get(host.container).attrs["NetworkSettings"]["Networks"])


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (signal.SIGINT, pytest.ExitCode.INTERRUPTED),
        (signal.SIGTERM, pytest.ExitCode.INTERRUPTED),
        (signal.SIGKILL, -signal.SIGKILL),
    ],
    ids=["SIGINT", "SIGTERM", "SIGKILL"],
)
def test_nothing_is_left_of_a_pytest_that_is_ended_in_the_middle(
    engine: DockerEngine, slow_role: Path, number: signal.Signals, code: int
):
    with UserRun(engine, slow_role, "-n", "0") as run:
        run.wait_until_middle()
        began = descendants(run.process.pid)
        assert began
        run.process.send_signal(number)
        assert run.process.wait(WITHIN_S) == code, run.said
        run.wait_until_nothing_is_left(began)
        assert "INTERNALERROR" not in run.said
        if number != signal.SIGKILL:
            assert "INTERRUPTED (" in run.said
            assert re.search(r"converge: did not run: .*slow_", run.said), run.said
            assert "PASS" not in run.said


def test_a_killed_worker_is_said_and_its_check_runs_again_on_another(engine: DockerEngine, slow_role: Path):
    with UserRun(engine, slow_role, "-n", "1", "--dist", "loadscope") as run:
        first = run.wait_until_middle()
        assert first.owner != run.process.pid
        began = descendants(first.owner)
        os.kill(first.owner, signal.SIGKILL)
        second = run.wait_until_middle(but_not=first.container)
        assert second.owner != first.owner
        began += descendants(second.owner)
        run.go_on(second)
        assert run.process.wait(WITHIN_S) == pytest.ExitCode.TESTS_FAILED
        assert re.search(r"crashed while running '.*slow_\w+::converge'", run.said), run.said
        assert "1 failed, 1 passed" in run.said
        run.wait_until_nothing_is_left(began)


FULL_TMP = """
exec unshare -m sh -c 'mount -t tmpfs -o size=4k tmpfs tmp && exec "$@"' "$0" "$@"
"""


def test_a_controller_without_space_for_its_files_says_so(engine: DockerEngine, slow_role: Path):
    if subprocess.run(["unshare", "-m", "true"], check=False, stderr=subprocess.DEVNULL).returncode:
        pytest.skip("needs a user who may mount")
    with UserRun(engine, slow_role, "-n", "0", shell=FULL_TMP) as run:
        assert run.process.wait(WITHIN_S) == pytest.ExitCode.TESTS_FAILED, run.said
        assert "No space left on device" in run.said
        assert "Traceback" not in run.said
        run.wait_until_nothing_is_left([])
