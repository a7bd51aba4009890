"""A task as a process of this machine: the driver raw_exec."""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
from pathlib import Path
from typing import NamedTuple

from .drivers import CannotStart, Ending, Place, Say
from .memory import MIB, used_bytes
from .shapes import Json


class TaskProcess:
    """A process with a session of its own; `kept` names it, also to a later agent."""

    end_signal = signal.SIGINT

    def __init__(self, spec: Json, place: Place, kept: Json) -> None:
        """A process that does not run yet, or one that an earlier agent left running."""
        self.kept = kept
        self._spec = spec
        self._place = place
        self._child: subprocess.Popen[bytes] | None = None

    def start(self, _say: Say) -> None:
        """Starts it; raises CannotStart."""
        config = self._spec["Config"] or {}
        argv = [self._place.fill(str(one)) for one in (config.get("command", ""), *(config.get("args") or []))]
        outputs = [self._place.logs / f"{self._spec['Name']}.{stream}.0" for stream in ("stdout", "stderr")]
        own = {key: self._place.fill(str(value)) for key, value in (self._spec["Env"] or {}).items()}
        try:
            identity = _identity(self._spec["User"])
            with outputs[0].open("ab") as out, outputs[1].open("ab") as err:
                self._child = subprocess.Popen(
                    argv,
                    cwd=self._place.folder,
                    env={**os.environ, **self._place.environment, **own},
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=err,
                    start_new_session=True,
                    user=identity.uid,
                    group=identity.gid,
                    extra_groups=identity.groups,
                )
        except FileNotFoundError as fault:
            why = f'rpc error: code = Unknown desc = binary "{argv[0]}" could not be found'
            raise CannotStart(f"failed to launch command with executor: {why}") from fault
        except KeyError as fault:
            why = f'failed to identify user "{self._spec["User"]}": user: unknown user {self._spec["User"]}'
            raise CannotStart(f"failed driver config validation: {why}") from fault
        except (OSError, ValueError) as fault:
            raise CannotStart(f"failed to launch command with executor: {fault}") from fault
        self.kept.update(pid=self._child.pid, ticks=_start_ticks(self._child.pid))

    def is_alive(self) -> bool:
        """Whether it runs."""
        if self._child is not None:
            return self._child.poll() is None
        pid = self.kept.get("pid")
        return pid is not None and _start_ticks(pid) == self.kept["ticks"]

    def ending(self) -> Ending:
        """How it ended."""
        code = self._child.poll() if self._child is not None else None
        if code is None:
            return Ending(137, 9)  # an earlier agent's process: nobody can say any more how it ended
        return Ending(128 - code, -code) if code < 0 else Ending(code)

    def keep_to_limit(self) -> None:
        """Kills a task with too much memory, as raw_exec does; nothing but exit code and signal tell (recording 14)."""
        given = self._spec["Resources"]
        if used_bytes(self.kept["pid"]) > max(given["MemoryMB"], given["MemoryMaxMB"]) * MIB:
            self.send(signal.SIGKILL)

    def send(self, number: signal.Signals) -> None:
        """Sends a signal to it and all that it started."""
        try:
            os.killpg(self.kept["pid"], number)
        except ProcessLookupError:
            return

    def forget(self) -> None:
        """Leaves an ended process behind."""
        self.kept.clear()


class _Identity(NamedTuple):
    """Who runs a program; None leaves it as it is."""

    uid: int | None = None
    gid: int | None = None
    groups: list[int] | None = None


def _identity(user: str) -> _Identity:
    """The user with all of its groups, as Nomad takes them; without a user, who runs the agent."""
    if not user:
        return _Identity()
    account = pwd.getpwnam(user)
    return _Identity(account.pw_uid, account.pw_gid, os.getgrouplist(user, account.pw_gid))


def _start_ticks(pid: int) -> str:
    """Return when the process started, which distinguishes it from a later one with its pid; empty if it is dead."""
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return ""
    return "" if after_name[0] in "ZX" else after_name[19]
