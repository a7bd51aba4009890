"""One long-lived Node.js process that runs the user's JavaScript and TypeScript: many calls at once, with limits.

Calls and answers are lines of JSON on a socket of their own, so that nothing that the user's code prints can break
them. A second pipe ends the process with its parent: a thread of Node waits for its end, also while the user's code
keeps Node's main thread busy.
"""

import contextlib
import itertools
import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from evolve.core.model.errors import CannotEvaluate, ProcessFault

MEMORY_LIMIT_MB = 1024
"""For all values of the process; suites' code is small, and the machine may run one such process for each worker."""
_SCRIPT = Path(__file__).with_name("node_child.cjs")
_OPTIONS = ("--no-warnings", "--experimental-vm-modules")
"""The second lets the process parse modules without running them."""
_KEPT_LINES = 100
"""Of what a process printed; Node's own report of a crash is shorter."""
_SHOWN_LINES = 12
"""Of these in a message: the error that ended Node, with the lines that it names."""


class NodeChild:
    """A running Node; thread-safe. After its end every call gets an error, and the owner starts another one.

    Args:
        program: the path of Node.
        env: its environment.
        memory_mb: the limit of its heap; it ends when it needs more.
    """

    def __init__(self, program: str, env: Mapping[str, str], memory_mb: int = MEMORY_LIMIT_MB) -> None:
        self._memory_mb = memory_mb
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._waiting: dict[int, Future[dict[str, Any]]] = {}
        self._end = ""
        """Why it ended; empty while it runs."""
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._printed: deque[str] = deque(maxlen=_KEPT_LINES)
        self._socket, theirs = socket.socketpair()
        lifeline, self._lifeline = os.pipe()
        try:
            self._process = _start(program, env, memory_mb, theirs.fileno(), lifeline)
        except OSError as exc:
            self._socket.close()
            os.close(self._lifeline)
            raise ProcessFault(f"{program} does not start: {exc.strerror or exc}", command=program) from exc
        finally:
            theirs.close()
            os.close(lifeline)
        # The printer ends with the pipe, which a grandchild may hold open: nothing waits for it except at a crash.
        self._printer = _thread(self._print, "node-output")
        _thread(self._write, "node-calls")
        _thread(self._read, "node-answers")
        _thread(self._wait, "node-end")

    @property
    def is_running(self) -> bool:
        """Whether it can take calls."""
        return not self._end

    def submit(self, call: Mapping[str, object]) -> "Future[dict[str, Any]]":
        """Send a call and return its future answer; CannotEvaluate is set on it when the process ends before."""
        answer: Future[dict[str, Any]] = Future()
        answer.set_running_or_notify_cancel()
        with self._lock:
            number = next(self._numbers)
            if self._end:
                answer.set_exception(CannotEvaluate(self._end))
                return answer
            self._waiting[number] = answer
        self._lines.put(json.dumps({"id": number, **call}, separators=(",", ":")) + "\n")
        return answer

    def kill(self, reason: str) -> None:
        """End the process and all that it started; calls in flight get the reason as their error."""
        self._finish(reason)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def _finish(self, reason: str) -> None:
        with self._lock:
            if self._end:
                return
            self._end = reason
            waiting, self._waiting = list(self._waiting.values()), {}
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
            os.close(self._lifeline)
            self._lines.put(None)
        for answer in waiting:
            answer.set_exception(CannotEvaluate(reason))

    def _write(self) -> None:
        """Send calls. Code that keeps Node busy stops it from reading, which must not stop the callers."""
        while (line := self._lines.get()) is not None:
            # A broken pipe is the end of the process, which `_wait` reports.
            with contextlib.suppress(OSError):
                self._socket.sendall(line.encode())

    def _read(self) -> None:
        with self._socket, self._socket.makefile("r", encoding="utf-8", newline="\n") as lines:
            # The user's code may have found the socket: what is not an answer ends the process.
            try:
                for line in lines:
                    message = json.loads(line)
                    with self._lock:
                        answer = self._waiting.pop(message["id"], None)
                    if answer is not None:
                        answer.set_result(message)
            except (ValueError, KeyError, TypeError, OSError):
                self._finish("Node.js sent something that is not an answer")

    def _print(self) -> None:
        """Pass on what the user's code prints: to standard error, because results go to standard output."""
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                self._printed.append(line.rstrip())
                with contextlib.suppress(OSError, ValueError):  # a closed standard error must not stop the code
                    sys.stderr.write(line)

    def _wait(self) -> None:
        code = self._process.wait()
        self._printer.join(timeout=1.0)
        if self._end:
            return
        lines = list(self._printed)
        if any("heap out of memory" in line for line in lines):
            self._finish(f"JavaScript in Node.js needed more than {self._memory_mb} MB of memory")
        else:
            how = f"by signal {-code}" if code < 0 else f"with code {code}"
            text = "\n".join(lines[-_SHOWN_LINES:])
            self._finish(f"Node.js ended {how} while JavaScript ran" + (f":\n{text}" if text else ""))


def _start(
    program: str, env: Mapping[str, str], memory_mb: int, channel: int, lifeline: int
) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [program, f"--max-old-space-size={memory_mb}", *_OPTIONS, str(_SCRIPT), str(channel), str(lifeline)],
        env=dict(env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        pass_fds=(channel, lifeline),
        start_new_session=True,
    )


def _thread(work: Any, name: str) -> threading.Thread:
    thread = threading.Thread(target=work, name=name, daemon=True)
    thread.start()
    return thread
