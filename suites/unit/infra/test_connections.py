"""Connections that outlive a command: here the host is this machine, and `env` opens the connection."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from evolve.infra.connections import ADDRESS, Connections, ask

HERE = ("env",)
DEADLINE_S = 20


@pytest.fixture
def connections(monkeypatch: pytest.MonkeyPatch) -> Iterator[Connections]:
    found = Connections({"OPENED_WITH": "this"})
    monkeypatch.setenv(ADDRESS, found.address)
    yield found
    found.close()


def _agent() -> int:
    """The process at the other end, which each command has as its parent."""
    answer = ask(HERE, ["sh", "-c", "echo $PPID"])
    assert answer is not None
    return int(answer.stdout)


@pytest.mark.usefixtures("connections")
def test_a_command_has_its_input_and_both_outputs_and_its_code() -> None:
    data = bytes(range(256)) * 5_000
    answer = ask(HERE, ["sh", "-c", "cat; echo and this >&2; exit 3"], data)
    assert answer == (3, data, b"and this\n")


@pytest.mark.usefixtures("connections")
def test_a_command_that_reads_no_input_ends_all_the_same() -> None:
    answer = ask(HERE, ["true"], b"x" * 1_000_000)
    assert answer is not None
    assert answer.rc == 0


@pytest.mark.usefixtures("connections")
@pytest.mark.parametrize(
    ("argv", "rc"), [(["no-such-program"], 127), (["sh", "-c", "kill -9 $$"], 137), (["sh", "-c", "exit 255"], 255)]
)
def test_codes_are_those_of_a_shell(argv: list[str], rc: int) -> None:
    answer = ask(HERE, argv)
    assert answer is not None
    assert answer.rc == rc


@pytest.mark.usefixtures("connections")
def test_a_daemon_that_keeps_the_output_open_holds_nobody_up() -> None:
    began = time.monotonic()
    answer = ask(HERE, ["sh", "-c", "sleep 60 & echo $!"])
    assert answer is not None
    os.kill(int(answer.stdout), signal.SIGKILL)
    assert time.monotonic() - began < DEADLINE_S


@pytest.mark.usefixtures("connections")
def test_one_connection_takes_one_command_after_the_other() -> None:
    assert _agent() == _agent()


@pytest.mark.usefixtures("connections")
def test_commands_at_the_same_time_do_not_wait_for_each_other(tmp_path: Path) -> None:
    road = tmp_path / "road"
    os.mkfifo(road)
    answers: list[object] = []
    reader = threading.Thread(target=lambda: answers.append(ask(HERE, ["cat", str(road)])))
    reader.start()
    assert ask(HERE, ["sh", "-c", f"echo met > {road}"]) == (0, b"", b"")
    reader.join(DEADLINE_S)
    assert answers == [(0, b"met\n", b"")]


@pytest.mark.usefixtures("connections")
def test_a_connection_that_ended_meanwhile_is_opened_again() -> None:
    before = _agent()
    os.kill(before, signal.SIGKILL)
    assert _agent() != before


@pytest.mark.usefixtures("connections")
def test_a_command_whose_host_ends_is_not_run_again(tmp_path: Path) -> None:
    log = tmp_path / "log"
    answer = ask(HERE, ["sh", "-c", f"echo ran >> {log}; kill -9 $PPID"])
    assert answer is not None
    assert answer.rc == 137
    assert log.read_text() == "ran\n"


@pytest.mark.usefixtures("connections")
def test_where_no_connection_can_be_had_there_is_no_answer() -> None:
    assert ask(["false"], ["true"]) is None
    assert ask(["no-such-engine"], ["true"]) is None


def test_without_the_variable_there_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ADDRESS, raising=False)
    assert ask(HERE, ["true"]) is None


@pytest.mark.usefixtures("connections")
def test_the_environment_is_that_of_the_opening(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_SOMETHING", "else")
    answer = ask(HERE, ["sh", "-c", "echo $OPENED_WITH $DOCKER_SOMETHING"])
    assert answer is not None
    assert answer.stdout == b"this else\n"


def test_closing_ends_all_of_it(connections: Connections) -> None:
    agent = _agent()
    connections.close()
    assert not Path(connections.address).exists()
    assert not Path(f"/proc/{agent}").exists()
    assert ask(HERE, ["true"]) is None


def test_a_killed_run_leaves_no_process_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = "from evolve.infra.connections import Connections as C; import time; print(C({}).address, flush=True)"
    command = [sys.executable, "-c", f"{lines}; time.sleep(600)"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        monkeypatch.setenv(ADDRESS, run.stdout.readline().strip())
        agent = _agent()
        run.kill()
    deadline = time.monotonic() + DEADLINE_S
    while Path(f"/proc/{agent}").exists():
        assert time.monotonic() < deadline, "the other end still runs"
        time.sleep(0.02)
