"""Programs of this machine that are started together and end together."""

import ctypes
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from evolve.core.model.errors import ProcessFault

_PR_SET_PDEATHSIG: Final = 1
"""Of prctl(2): the signal that a process gets when its parent has died, however it died."""
_END_S: Final = 10.0
"""What a program may take to end before it is killed."""
_POLL_S: Final = 0.1
_SHOWN_LINES: Final = 10


class Program:
    """One running program, with its output in a file."""

    def __init__(self, name: str, command: Sequence[str], log: Path, env: Mapping[str, str] | None = None) -> None:
        """Start a program.

        Args:
            name: for people.
            command: the program with its arguments.
            log: where its output goes.
            env: variables besides those of this process.

        Raises:
            ProcessFault: there is no such program.
        """
        self.name = name
        self._command = command
        self._log = log
        try:
            with log.open("wb") as output:
                self._process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env={**os.environ, **(env or {})},
                    # Ctrl-C goes to the whole terminal; we end the programs ourselves, the last one first.
                    start_new_session=True,
                    preexec_fn=_end_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509  # no threads yet
                )
        except OSError as exc:
            raise ProcessFault(f"{name} does not start: {exc.strerror}", command=command[0]) from exc

    @property
    def pid(self) -> int:
        """The id of its process."""
        return self._process.pid

    @property
    def has_ended(self) -> bool:
        """Whether it is not running any more."""
        return self._process.poll() is not None

    def wait_until(self, is_ready: Callable[[], bool], seconds: float) -> None:
        """Wait until it is ready.

        Args:
            is_ready: asked again and again.
            seconds: after which it counts as hung.

        Raises:
            ProcessFault: it ended, or took too long; with the last lines of its log.
        """
        deadline = time.monotonic() + seconds
        while not is_ready():
            if self.has_ended or time.monotonic() > deadline:
                raise self.fault()
            time.sleep(_POLL_S)

    def lines(self, begin: str) -> list[str]:
        """Return the lines of its log that begin with some words, without them."""
        lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()
        return [line.removeprefix(begin).strip() for line in lines if line.startswith(begin)]

    def fault(self) -> ProcessFault:
        """Return what is wrong with it, with the last lines of its log."""
        code = self._process.poll()
        how = "is not ready" if code is None else f"ended with code {code}"
        lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()[-_SHOWN_LINES:]
        return ProcessFault(
            f"{self.name} {how}; the end of its log:\n" + "\n".join(lines), command=self.name, code=code
        )

    def end(self) -> None:
        """End it, by force where it does not."""
        if self.has_ended:
            return
        self._process.terminate()
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _end_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def answers(url: str) -> bool:
    """Return whether a URL answers with a status below 400."""
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except OSError:
        return False
