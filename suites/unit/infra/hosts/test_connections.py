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

from evolve.infra.hosts import on_host
from evolve.infra.hosts.connections import ADDRESS, Connections, ask
from evolve.infra.hosts.on_host import LINGER_S
from fixtures.processes import is_running, wait_for

ON_HOST = Path(on_host.__file__).read_bytes()
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
    seconds = time.monotonic() - began
    os.kill(int(answer.stdout), signal.SIGKILL)
    assert seconds < 2 * LINGER_S


@pytest.mark.usefixtures("connections")
def test_a_daemon_that_goes_on_writing_is_reported_that_nobody_reads(tmp_path: Path) -> None:
    # dd ignores no signal: it ends by the one for a pipe that nobody reads.
    log = tmp_path / "ended"
    script = f"(dd if=/dev/zero bs=64k 2>/dev/null; echo $? >{log}) & sleep 0.1"
    assert ask(HERE, ["sh", "-c", script]) is not None
    wait_for("the daemon ends", log.exists, within_s=DEADLINE_S)


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
def test_that_of_another_host_too() -> None:
    there = ("env", "THERE=1")
    found = ask(there, ["sh", "-c", "echo $PPID"])
    assert found is not None
    os.kill(int(found.stdout), signal.SIGKILL)
    wait_for("it ends", lambda: not is_running(int(found.stdout)), within_s=DEADLINE_S)
    assert _agent()  # sees that the other one ended
    assert ask(there, ["true"]) == (0, b"", b"")


@pytest.mark.usefixtures("connections")
def test_a_command_whose_host_ends_is_not_run_again(tmp_path: Path) -> None:
    log = tmp_path / "log"
    answer = ask(HERE, ["sh", "-c", f"echo ran >> {log}; kill -9 $PPID"])
    assert answer is not None
    assert answer.rc == 137
    assert log.read_text() == "ran\n"


@pytest.mark.usefixtures("connections")
def test_a_question_that_is_cut_half_way_runs_nothing(tmp_path: Path) -> None:
    cut = ["sh", "-c", f'dd bs=1 count={len(ON_HOST) + 10_000} status=none | "$@"', "cut"]
    marker = tmp_path / "ran"
    assert ask(cut, ["sh", "-c", f"touch {marker}"], b"x" * 1_000_000) is None
    assert not marker.exists()


@pytest.mark.usefixtures("connections")
def test_an_answer_that_is_cut_half_way_is_no_success() -> None:
    cut = ["sh", "-c", '"$@" | dd bs=1 count=5000 status=none', "cut"]
    answer = ask(cut, ["sh", "-c", "head -c 100000 /dev/zero"])
    assert answer is not None
    assert answer.rc == 137
    assert b"the connection to the host closed while the command ran" in answer.stderr


@pytest.mark.usefixtures("connections")
def test_connections_that_ended_leave_no_file_and_no_process() -> None:
    def open_files() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    os.kill(_agent(), signal.SIGKILL)
    assert _agent()
    before = open_files()
    for _ in range(5):
        os.kill(_agent(), signal.SIGKILL)
    assert _agent()
    # The thread that gave the last answer closes its end after we have it.
    wait_for("files are closed", lambda: open_files() <= before + 1, within_s=DEADLINE_S)


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


@pytest.mark.usefixtures("connections")
def test_a_command_sees_just_what_its_host_was_started_with() -> None:
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    answer = ask(["env", "-i", "A=b", f"PATH={path}"], ["env"])
    assert answer is not None
    assert sorted(answer.stdout.decode().split()) == ["A=b", f"PATH={path}"]


@pytest.mark.usefixtures("connections")
@pytest.mark.parametrize("word", ["with\0zero", "no-such-\udcff-program"])
def test_a_word_that_no_program_can_have_is_reported_and_breaks_nothing(word: str) -> None:
    agent = _agent()
    answer = ask(HERE, [word])
    assert answer is not None
    assert answer.rc == 127
    assert _agent() == agent


def test_closing_ends_all_of_it(connections: Connections) -> None:
    agent = _agent()
    connections.close()
    assert not Path(connections.address).exists()
    assert not Path(f"/proc/{agent}").exists()
    assert ask(HERE, ["true"]) is None


def test_a_killed_run_leaves_no_process_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = "from evolve.infra.hosts.connections import Connections as C; import time; print(C({}).address, flush=True)"
    command = [sys.executable, "-c", f"{lines}; time.sleep(600)"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        monkeypatch.setenv(ADDRESS, run.stdout.readline().strip())
        agent = _agent()
        run.kill()
    wait_for("the other end ends", lambda: not Path(f"/proc/{agent}").exists(), within_s=DEADLINE_S)
