"""Connections to hosts that outlive a command, for Ansible's plays and for testinfra's tests.

Both start `docker exec` for each command, which costs more than most commands do. Here one `docker exec` for each host
stays open, with `on_host` at its other end. Commands arrive through a unix socket, because they come from many short
processes.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from evolve.infra.engine import scratch

_ON_HOST: Final = (Path(__file__).parent / "on_host.py").read_bytes()
# Short, and renamed: a test that looks for a Python process on the host must not find this one.
_LOADER: Final = (
    "import sys; open('/proc/self/comm', 'w').write('connection'); "
    f"exec(compile(sys.stdin.buffer.read({len(_ON_HOST)}), 'on_host', 'exec'))"
)
_ENDED: Final = 137
"""What `docker exec` returns when the host ends during a command."""
_ENDS_WITHIN_S: Final = 5
"""How long a `docker exec` whose output ended may take to end itself; only then is its error message complete."""
_MAX_STDERR: Final = 1_000
"""How many bytes of that error message are shown."""
_AGAIN_S: Final = 0.05
"""A pause after a failed accept, so that a lack of file descriptors does not become a busy loop."""


ADDRESS: Final = "ANNEAL_CONNECTIONS"
"""The environment variable that holds the socket's path for plays and tests."""


class CommandResult(NamedTuple):
    """What a command on a host did."""

    rc: int
    stdout: bytes
    stderr: bytes


def ask(opens: Sequence[str], argv: Sequence[str], data: bytes = b"") -> CommandResult | None:
    """Run a command over an open connection; return None where there is none, and the caller must open one itself.

    Args:
        opens: a command that runs what follows it on the host, such as `docker exec -i HOST`; with the DOCKER_*
            variables of our environment it identifies the connection.
        argv: the command.
        data: its input.

    Raises:
        OSError: the connection broke; whether the command ran is unknown.
    """
    if ADDRESS not in os.environ:
        return None
    engine = {name: value for name, value in os.environ.items() if name.startswith("DOCKER_")}
    request = {"opens": list(opens), "environment": engine, "argv": list(argv), "input": len(data)}
    with socket.socket(socket.AF_UNIX) as channel:
        try:
            channel.connect(os.environ[ADDRESS])
        except OSError:
            return None
        channel.sendall(json.dumps(request).encode() + b"\n" + data)
        with channel.makefile("rb") as reader:
            line = reader.readline()
            if not line:
                raise ConnectionError("the run that keeps the connections ended")
            answer = json.loads(line)
            if answer is None:
                return None
            stdout, stderr = reader.read(answer["stdout"]), reader.read(answer["stderr"])
            if len(stdout) + len(stderr) < answer["stdout"] + answer["stderr"]:
                raise ConnectionError("the run that keeps the connections ended during an answer")
            return CommandResult(answer["rc"], stdout, stderr)


class _NotAskedError(Exception):
    """The command was not started: another connection may take it."""


class _Connection:
    """One open `docker exec`; takes one command at a time."""

    def __init__(self, opens: Sequence[str], environment: Mapping[str, str]) -> None:
        with contextlib.ExitStack() as undo:
            self._stderr = undo.enter_context(tempfile.TemporaryFile())
            self._process = subprocess.Popen(
                [*opens, "python3", "-I", "-c", _LOADER],
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._stderr,
                start_new_session=True,  # Ctrl-C is not for it
            )
            undo.pop_all()  # closed with the connection
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._requests, self._answers = self._process.stdin, self._process.stdout
        try:
            self._write(_ON_HOST)
            self._wait_for_line()
        except _NotAskedError:
            self.close()
            raise

    def ask(self, argv: Sequence[str], data: bytes) -> bytes:
        """Return the answer of `on_host`, unchanged.

        Raises:
            _NotAskedError: the command was not started, and will not be.
        """
        self._write(json.dumps({"argv": list(argv), "input": len(data)}).encode() + b"\n" + data)
        self._wait_for_line()
        with contextlib.suppress(_NotAskedError):  # it may have read it and ended: the answer shows that
            self._write(b"\n")
        line = self._answers.readline()
        if line.endswith(b"\n"):
            about = json.loads(line)
            outputs = self._answers.read(about["stdout"] + about["stderr"])
            if len(outputs) == about["stdout"] + about["stderr"]:
                return line + outputs
        return self._last_words()

    @property
    def is_open(self) -> bool:
        """Whether it can be asked."""
        return not self._answers.closed and self._process.poll() is None

    def _last_words(self) -> bytes:
        """Return an answer for a command during which the host or the engine ended."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_ENDS_WITHIN_S)
        self._stderr.seek(0)
        text = b"the connection to the host closed while the command ran: " + self._stderr.read()[-_MAX_STDERR:]
        self.close()
        return json.dumps({"rc": _ENDED, "stdout": 0, "stderr": len(text)}).encode() + b"\n" + text

    def _write(self, data: bytes) -> None:
        try:
            self._requests.write(data)
            self._requests.flush()
        except OSError as error:
            raise _NotAskedError from error

    def _wait_for_line(self) -> None:
        if self._answers.readline() != b"\n":
            raise _NotAskedError

    def close(self) -> None:
        """End it; a command that still runs on the host continues, as with `docker exec`."""
        # After a wait, another process may have the number.
        if self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        for pipe in (self._requests, self._answers, self._stderr):
            with contextlib.suppress(OSError):
                pipe.close()


class Connections:
    """Serves commands on a unix socket until it is closed."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        # Not in TMPDIR: a socket's path must be shorter than 108 bytes.
        self._folder = tempfile.TemporaryDirectory(prefix=scratch.prefix("connections"), dir="/tmp")
        self.address = f"{self._folder.name}/socket"
        """What `ask` needs in the environment, as `ADDRESS`."""
        self._idle: dict[str, list[_Connection]] = {}
        self._all: list[_Connection] = []
        self._lock = threading.Lock()
        self._is_closed = False
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.address)
        self._listener.listen()
        threading.Thread(target=self._serve, daemon=True, name="connections").start()

    def close(self) -> None:
        """End all connections."""
        with self._lock:
            self._is_closed = True
            connections, self._all = self._all, []
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in connections:
            connection.close()
        self._folder.cleanup()

    def _serve(self) -> None:
        while not self._is_closed:
            try:
                channel, _ = self._listener.accept()
            except OSError:
                # Closed; or no file can be opened right now, and the client still waits.
                time.sleep(_AGAIN_S)
                continue
            threading.Thread(target=self._answer, args=(channel,), daemon=True, name="connection").start()

    def _answer(self, channel: socket.socket) -> None:
        # A play that was killed neither finishes its question nor reads its answer.
        with channel, channel.makefile("rb") as reader, contextlib.suppress(OSError, ValueError):
            request = json.loads(reader.readline())
            data = reader.read(request["input"])
            if len(data) == request["input"]:
                channel.sendall(self._answer_request(request, data))

    def _answer_request(self, request: Mapping[str, Any], data: bytes) -> bytes:
        """Return the command's answer; `null` where no connection can be opened."""
        key = json.dumps([request["opens"], request["environment"]])
        while True:
            connection = self._take(key)
            is_new = connection is None
            try:
                connection = connection or self._open(request)
                answer = connection.ask(request["argv"], data)
            except (_NotAskedError, OSError):
                if connection is not None:
                    connection.close()
                if is_new:
                    return b"null\n"
                continue
            with self._lock:
                if connection.is_open:
                    self._idle.setdefault(key, []).append(connection)
            return answer

    def _take(self, key: str) -> _Connection | None:
        """Return an idle connection, or None; close those that ended meanwhile."""
        with self._lock:
            ended = [connection for connection in self._all if not connection.is_open]
            self._all = [connection for connection in self._all if connection not in ended]
            idle = [connection for connection in self._idle.pop(key, []) if connection.is_open]
            taken = idle.pop() if idle else None
            if idle:
                self._idle[key] = idle
        for connection in ended:
            connection.close()
        return taken

    def _open(self, request: Mapping[str, Any]) -> _Connection:
        connection = _Connection(request["opens"], {**os.environ, **self._environment, **request["environment"]})
        with self._lock:
            if not self._is_closed:
                self._all.append(connection)
                return connection
        connection.close()
        raise _NotAskedError
