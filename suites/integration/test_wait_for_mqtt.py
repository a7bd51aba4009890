"""What role home_assistant runs before Home Assistant: it waits for a real broker, and says what is missing."""

import contextlib
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fixtures.processes import wait_for
from fixtures.real_broker import need_broker, started_broker
from fixtures.real_consul import free_ports
from fixtures.role_templates import ROLES, render


@pytest.fixture
def waiter(tmp_path: Path) -> Callable[..., "subprocess.Popen[str]"]:
    def start(port: int, deadline_s: int = 60) -> "subprocess.Popen[str]":
        program = tmp_path / "wait-for-mqtt.py"
        values = {"host": "127.0.0.1", "port": port, "deadline_s": deadline_s}
        named = {f"home_assistant_mqtt_{name}": value for name, value in values.items()}
        program.write_text(
            render(ROLES / "home_assistant", "wait-for-mqtt.py.j2", {**named, "ansible_managed": "a test"})
        )
        with (tmp_path / "said").open("w") as said:
            return subprocess.Popen([sys.executable, str(program)], stdout=said, stderr=said, text=True)

    return start


def said(folder: Path) -> str:
    return (folder / "said").read_text()


def test_a_broker_that_comes_late_is_waited_for(waiter, tmp_path):
    need_broker()
    (port,) = free_ports(1)
    waiting = waiter(port)
    wait_for("it waits", lambda: "waiting for the MQTT broker" in said(tmp_path))
    assert waiting.poll() is None
    with started_broker(tmp_path, port):
        assert waiting.wait(timeout=60) == 0
    waits, answers = said(tmp_path).splitlines()
    assert waits == f"waiting for the MQTT broker at 127.0.0.1:{port}: [Errno 111] Connection refused"
    assert answers == f"the MQTT broker at 127.0.0.1:{port} answers"


def test_a_broker_that_lets_nobody_in_without_a_name_answers_too(waiter, tmp_path):
    with started_broker(tmp_path, anonymous=False) as port:
        assert waiter(port).wait(timeout=60) == 0
    assert "answers" in said(tmp_path)


def test_without_a_broker_the_wait_ends_and_says_what_is_missing(waiter, tmp_path):
    (port,) = free_ports(1)
    assert waiter(port, 1).wait(timeout=60) == 1
    assert said(tmp_path).splitlines()[-1] == (
        f"no MQTT broker at 127.0.0.1:{port} within 1 s: [Errno 111] Connection refused"
    )


@contextlib.contextmanager
def no_broker(answer: bytes) -> Iterator[int]:
    """A port that takes connections and answers something else, or nothing."""
    kept: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    client, _ = server.accept()
                    kept.append(client)
                    if answer:
                        client.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
    thread.join()
    for client in kept:
        client.close()


@pytest.mark.parametrize(
    ("answer", "why"), [(b"SSH-2.0-x\r\n", "it is no MQTT broker, it answered b'SSH-'"), (b"", "timed out")]
)
def test_an_open_port_is_no_broker(waiter, tmp_path, answer, why):
    with no_broker(answer) as port:
        assert waiter(port, 1).wait(timeout=60) == 1
    assert said(tmp_path).splitlines()[-1] == f"no MQTT broker at 127.0.0.1:{port} within 1 s: {why}"
