"""Runs a command in a container through Docker's API: input, output, return code, deadline."""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from evolve.core.model.errors import ProcessFault

if TYPE_CHECKING:
    import docker

TAIL_LINES = 30
"""How much of a failed command's output a message shows."""

GRACE_S = 5
"""How long after its first signal the command's `timeout` kills a process that ignores it."""

TIMED_OUT = (124, 137)
"""What coreutils' `timeout` returns when it ended the command, gently or not."""

FEED = 'bytes=$1; shift; head -c "$bytes" | exec "$@"'
"""Gives a command exactly so many bytes of input; Docker's API cannot close one direction over every transport."""


@dataclass(frozen=True, slots=True)
class Completed:
    """What a command on a host did."""

    rc: int
    stdout: str
    stderr: str


def run_in(
    client: "docker.DockerClient",
    container: str,
    argv: Sequence[str],
    *,
    input: str | None = None,  # noqa: A002 - subprocess.run's word
    timeout_s: float = 120,
    user: str = "root",
) -> Completed:
    """Run a command in a container and wait for its end; a missing program gives rc 127.

    Args:
        client: the engine's.
        container: its name or id.
        argv: the command and its arguments, without a shell.
        input: what it reads; None: nothing.
        timeout_s: when `timeout` ends it and its children.
        user: who runs it.

    Raises:
        ProcessFault: it did not end in time; it and its children were ended.
        docker.errors.APIError: the container does not run.
    """
    bounded = ["timeout", "-k", str(GRACE_S), f"{timeout_s:g}", *argv]
    data = None if input is None else input.encode()
    if data is not None:
        bounded = ["sh", "-c", FEED, "feed", str(len(data)), *bounded]
    done = _exchange(client.api, container, bounded, data, user)
    if done.rc in TIMED_OUT and _was_ended(done, timeout_s):
        raise ProcessFault(
            f"{' '.join(argv)} on {container} did not end within {timeout_s:g} s{tail(done)}",
            command=" ".join(argv),
            hint="give it a longer timeout_s, or see what it waits for",
        )
    return done.completed


@dataclass(frozen=True, slots=True)
class _Ended:
    completed: Completed
    seconds: float

    @property
    def rc(self) -> int:
        return self.completed.rc


def _was_ended(done: _Ended, timeout_s: float) -> bool:
    """Return whether the deadline ended the command; it can return the same code by itself."""
    return done.seconds >= timeout_s


def tail(done: "_Ended | Completed") -> str:
    """Return the ends of both outputs, indented, for a message; empty when there are none."""
    completed = done.completed if isinstance(done, _Ended) else done
    parts = []
    for title, text in (("stdout", completed.stdout), ("stderr", completed.stderr)):
        lines = text.rstrip().splitlines()[-TAIL_LINES:]
        if lines:
            parts.append(f"\n{title}:\n" + "\n".join(f"  {line}" for line in lines))
    return "".join(parts)


def _exchange(api: Any, container: str, argv: Sequence[str], data: bytes | None, user: str) -> _Ended:
    started = time.monotonic()
    key = api.exec_create(container, list(argv), stdin=data is not None, user=user)["Id"]
    stream = api.exec_start(key, socket=True)
    try:
        outputs = _talk(stream, data)
    finally:
        _close(stream)
    rc = api.exec_inspect(key)["ExitCode"]
    stdout, stderr = (part.decode(errors="replace") for part in outputs)
    return _Ended(Completed(rc, stdout, stderr), time.monotonic() - started)


def _talk(stream: Any, data: bytes | None) -> tuple[bytes, bytes]:
    """Send the input and read the output at the same time: a command may answer before it has read everything."""
    from docker.utils import socket as frames

    raw = getattr(stream, "_sock", stream)
    sender = threading.Thread(target=_send, args=(raw, data or b""), daemon=True)
    sender.start()
    outputs = {frames.STDOUT: bytearray(), frames.STDERR: bytearray()}
    for which, piece in frames.frames_iter(stream, tty=False):
        outputs[which] += piece
    sender.join(GRACE_S)
    return bytes(outputs[frames.STDOUT]), bytes(outputs[frames.STDERR])


def _send(raw: Any, data: bytes) -> None:
    try:
        raw.sendall(data)
    except OSError:
        # The command ended without reading all of its input, which is allowed.
        return


def _close(stream: Any) -> None:
    """Close the stream and the connection below it, which nothing else closes."""
    response = getattr(stream, "_response", None)
    raw = getattr(stream, "_sock", None)
    (stream if response is None else response).close()
    if raw is not None:
        raw.close()
