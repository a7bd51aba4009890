"""Runs commands on a host on request. Not imported: `connections` sends its source to the host's own Python.

Requests come one after the other on stdin: a line of JSON, `{"argv": [...], "input": BYTES}`, and the input's bytes.
When all of it has arrived, an empty line on stdout confirms it. An empty line on stdin starts the command. When it has
ended, a line `{"rc": 0, "stdout": BYTES, "stderr": BYTES}` and those bytes follow. So when a connection breaks, either
nothing was started, or both ends know that something may have been. It runs on any Python from 3.8 on, as Ansible's
modules do.
"""

import contextlib
import json
import os
import pwd
import selectors
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from typing import IO, cast

LINGER_S = 2.0
"""How long an output may stay open after the command ended: a daemon that it started can hold it open for ever."""
PIECE = 65536
"""Bytes of one read or write: what a pipe of Linux holds (pipe(7))."""


def main() -> None:
    """Answer until stdin ends; not at all for a user other than root, whose groups it could not refresh."""
    if os.getuid() != 0:
        return
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    environment = own_environment()
    tell(answers, b"")
    for line in iter(requests.readline, b""):
        request = json.loads(line.decode())
        data = requests.read(request["input"])
        if len(data) < request["input"]:
            return
        tell(answers, b"")
        if requests.readline() != b"\n":
            return
        look_up_groups()
        argv = [word.encode("utf-8", "surrogateescape") for word in request["argv"]]
        rc, outputs = run(argv, data, environment)
        head = {"rc": rc, "stdout": len(outputs[0]), "stderr": len(outputs[1])}
        tell(answers, json.dumps(head).encode(), *outputs)


def tell(answers: "IO[bytes]", line: bytes, *outputs: bytes) -> None:
    """Write a line and the outputs that follow it."""
    answers.write(line + b"\n" + b"".join(outputs))
    answers.flush()


def own_environment() -> "dict[bytes, bytes]":
    """Return the environment that this process was started with; Python adds a locale to `os.environ`."""
    with open("/proc/self/environ", "rb") as file:
        pairs = [entry.partition(b"=") for entry in file.read().split(b"\0") if b"=" in entry]
    return {name: value for name, _, value in pairs}


def look_up_groups() -> None:
    """Give this process the user's current groups, as a new `docker exec` would."""
    with contextlib.suppress(KeyError, OSError):  # no such user, or not allowed: the groups stay unchanged
        os.initgroups(pwd.getpwuid(os.getuid()).pw_name, os.getgid())


def run(argv: "Sequence[bytes]", data: bytes, environment: "dict[bytes, bytes]") -> "tuple[int, tuple[bytes, bytes]]":
    """Return the return code, as a shell gives it, and both outputs."""
    pipe = subprocess.PIPE
    try:
        process = subprocess.Popen(
            argv, stdin=pipe, stdout=pipe, stderr=pipe, bufsize=0, env=environment, start_new_session=True
        )
    except (OSError, ValueError) as error:
        return 127, (b"", str(error).encode())
    outputs = CommandExchange(process, data).outputs()
    rc = process.returncode
    return rc if rc >= 0 else 128 - rc, outputs


class CommandExchange:
    """Feeds a process and collects its outputs."""

    def __init__(self, process: "subprocess.Popen[bytes]", data: bytes) -> None:
        self.process = process
        self.data = memoryview(data)
        self.input, self.output, self.error = (
            cast("IO[bytes]", pipe) for pipe in (process.stdin, process.stdout, process.stderr)
        )
        self.received = {self.output: bytearray(), self.error: bytearray()}
        self.selector = selectors.DefaultSelector()
        self.deadline: float | None = None

    def outputs(self) -> "tuple[bytes, bytes]":
        """Return both outputs, once the process has ended and closed them, or LINGER_S after its end."""
        ended, end = os.pipe()
        waiter = threading.Thread(target=self.wait, args=(end,))
        waiter.start()
        self.selector.register(ended, selectors.EVENT_READ, self.on_end)
        os.set_blocking(self.input.fileno(), False)
        self.selector.register(self.input, selectors.EVENT_WRITE, self.on_input)
        for pipe in self.received:
            self.selector.register(pipe, selectors.EVENT_READ, self.on_output)
        while self.is_under_way():
            left = None if self.deadline is None else max(0.0, self.deadline - time.monotonic())
            ready = self.selector.select(left)
            if not ready:
                break
            for key, _ in ready:
                key.data(key.fileobj)
        waiter.join()
        for pipe in (self.input, *self.received):
            self.close(pipe)
        self.selector.close()
        return bytes(self.received[self.output]), bytes(self.received[self.error])

    def is_under_way(self) -> bool:
        """Return whether the process runs, or an output is open."""
        return self.deadline is None or any(not pipe.closed for pipe in self.received)

    def wait(self, end: int) -> None:
        """Close a pipe when the process ends."""
        self.process.wait()
        os.close(end)

    def on_end(self, ended: int) -> None:
        """Start the wait for outputs that are still open."""
        self.selector.unregister(ended)
        os.close(ended)
        self.deadline = time.monotonic() + LINGER_S

    def on_input(self, pipe: "IO[bytes]") -> None:
        """Write the next piece of input to the process."""
        try:
            written = os.write(pipe.fileno(), self.data[:PIECE]) if self.data else 0
        except BlockingIOError:
            return
        except OSError:
            # The process ended, or closed its input, before it had read everything.
            written = len(self.data)
        self.data = self.data[written:]
        if not self.data:
            self.close(pipe)

    def on_output(self, pipe: "IO[bytes]") -> None:
        """Read a piece of output; close the pipe at its end."""
        piece = os.read(pipe.fileno(), PIECE)
        self.received[pipe].extend(piece)
        if not piece:
            self.close(pipe)

    def close(self, pipe: "IO[bytes]") -> None:
        """Close a pipe; a daemon that writes to it later gets SIGPIPE."""
        if not pipe.closed:
            if pipe in self.selector.get_map():
                self.selector.unregister(pipe)
            pipe.close()


if __name__ == "__main__":
    main()
