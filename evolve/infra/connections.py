"""Connections to hosts that outlive a command, for Ansible's plays and for testinfra's tests.

Both start `docker exec` for each command, which costs more than most commands do. Here one `docker exec` a host stays
open, with `on_host` at its other end. A unix socket takes the commands, for they come from many short processes.
"""

import contextlib
import json
import os
import socket
import subprocess
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

_ON_HOST: Final = (Path(__file__).parent / "on_host.py").read_text("utf-8")
_ENDED: Final = 137
"""What `docker exec` returns when the host ends under a command."""


ADDRESS: Final = "ANNEAL_CONNECTIONS"
"""The environment's variable that tells plays and tests where the socket is."""


class Answer(NamedTuple):
    """What a command on a host did."""

    rc: int
    stdout: bytes
    stderr: bytes


def ask(opens: Sequence[str], argv: Sequence[str], data: bytes = b"") -> Answer | None:
    """Runs a command over a kept connection; None where there is none, and the caller opens one of its own.

    Args:
        opens: a command that runs what follows it on the host, such as `docker exec -i HOST`; with the DOCKER_*
            variables of our environment it names the connection.
        argv: the command.
        data: its input.

    Raises:
        OSError: the connection broke, and it is not known how far the command went.
    """
    if ADDRESS not in os.environ:
        return None
    engine = {name: value for name, value in os.environ.items() if name.startswith("DOCKER_")}
    request = {"opens": list(opens), "environment": engine, "argv": list(argv), "input": len(data)}
    with socket.socket(socket.AF_UNIX) as channel:
        channel.connect(os.environ[ADDRESS])
        channel.sendall(json.dumps(request).encode() + b"\n" + data)
        with channel.makefile("rb") as reader:
            line = reader.readline()
            if not line:
                raise ConnectionError("the run that keeps the connections ended")
            answer = json.loads(line)
            if answer is None:
                return None
            return Answer(answer["rc"], reader.read(answer["stdout"]), reader.read(answer["stderr"]))


class _NotAskedError(Exception):
    """The command was not started: another connection may take it."""


class _Connection:
    """One open `docker exec`; takes one command at a time."""

    def __init__(self, opens: Sequence[str], environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            [*opens, "python3", "-c", _ON_HOST],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is not for it
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._requests, self._answers = self._process.stdin, self._process.stdout
        self._wait_for_line()

    def ask(self, argv: Sequence[str], data: bytes) -> bytes:
        """The answer of `on_host`, as it stands.

        Raises:
            _NotAskedError: the host is gone, and the command was not started.
        """
        head = json.dumps({"argv": list(argv), "input": len(data)}).encode() + b"\n"
        try:
            self._requests.write(head + data)
            self._requests.flush()
        except OSError as error:
            raise _NotAskedError from error
        self._wait_for_line()
        line = self._answers.readline()
        if not line:
            return _ended()
        about = json.loads(line)
        return line + self._answers.read(about["stdout"] + about["stderr"])

    def _wait_for_line(self) -> None:
        if self._answers.readline() != b"\n":
            self.close()
            raise _NotAskedError

    def close(self) -> None:
        """Ends it; a command that still runs on the host goes on, as with `docker exec`."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._requests, self._answers):
            with contextlib.suppress(OSError):
                pipe.close()


def _ended() -> bytes:
    said = b"the host ended while the command ran"
    return json.dumps({"rc": _ENDED, "stdout": 0, "stderr": len(said)}).encode() + b"\n" + said


class Connections:
    """Serves commands on a unix socket until it is closed."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        # Not in TMPDIR: a socket's path must be shorter than 108 bytes.
        self._folder = tempfile.TemporaryDirectory(prefix="anneal-connections-", dir="/tmp")
        self.address = f"{self._folder.name}/socket"
        """What `ask` needs in the environment, as `ADDRESS`."""
        self._idle: dict[str, list[_Connection]] = {}
        self._all: list[_Connection] = []
        self._lock = threading.Lock()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.address)
        self._listener.listen()
        threading.Thread(target=self._serve, daemon=True, name="connections").start()

    def close(self) -> None:
        """Ends all connections."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for connection in self._all:
                connection.close()
        self._folder.cleanup()

    def _serve(self) -> None:
        while True:
            try:
                channel, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(channel,), daemon=True, name="connection").start()

    def _answer(self, channel: socket.socket) -> None:
        # A play that was killed neither finishes its question nor reads its answer.
        with channel, channel.makefile("rb") as reader, contextlib.suppress(OSError, ValueError):
            request = json.loads(reader.readline())
            data = reader.read(request["input"])
            if len(data) == request["input"]:
                channel.sendall(self._answered(request, data))

    def _answered(self, request: Mapping[str, Any], data: bytes) -> bytes:
        """The command's answer; `null` where no connection can be had."""
        key = json.dumps([request["opens"], request["environment"]])
        while True:
            with self._lock:
                idle = self._idle.get(key, [])
                connection = idle.pop() if idle else None
            is_new = connection is None
            try:
                connection = connection or self._opened(request)
                answer = connection.ask(request["argv"], data)
            except (_NotAskedError, OSError):
                if is_new:
                    return b"null\n"
                continue
            with self._lock:
                self._idle.setdefault(key, []).append(connection)
            return answer

    def _opened(self, request: Mapping[str, Any]) -> _Connection:
        connection = _Connection(request["opens"], {**os.environ, **self._environment, **request["environment"]})
        with self._lock:
            self._all.append(connection)
        return connection
