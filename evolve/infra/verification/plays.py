"""Plays on hosts: Ansible is imported once in a child process, and forked for each play.

Only the children (`evolve.infra.ansible_side`) import Ansible; we exchange JSON with them over pipes. There is one for
each hash seed: what depends on the order of a set is the same in all forks of one process, but `ansible-playbook`
gives it another order each time.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from evolve.core.model.errors import ProcessFault
from evolve.core.model.extras import install_command
from evolve.core.model.role_checks import TaskLine, task_from_json
from evolve.infra.engine import scratch
from evolve.infra.hosts.connections import ADDRESS, Connections

_CHILD: Final = Path(__file__).parents[1] / "ansible_side"
# How much of outputs is shown: reasons are at the end, and a report with many roles must stay readable.
_MAX_LOG: Final = 8_000
_MAX_OUTPUT: Final = 2_000
_MAX_FAILED: Final = 3
_NOT_OURS: Final = "ANSIBLE_"
"""Variables of the user's environment that would change how a role runs; a play gets ours only."""
_SETTINGS: Final = {
    "ANSIBLE_PIPELINING": "1",
    "ANSIBLE_STDOUT_CALLBACK": "anneal_lines",
    "ANSIBLE_HOST_KEY_CHECKING": "0",
    "ANSIBLE_RETRY_FILES_ENABLED": "0",
    "ANSIBLE_LOCALHOST_WARNING": "0",
    "ANSIBLE_INVENTORY_UNPARSED_WARNING": "0",
    "ANSIBLE_NOCOLOR": "1",
    "LC_ALL": "C.UTF-8",
    "PYTHONUTF8": "1",
}


@dataclass(frozen=True, slots=True)
class Play:
    """What to play, and how."""

    playbook: Path
    inventory: Path
    roles_path: tuple[Path, ...]
    """Folders in which roles are looked for, besides the playbook's own `roles`."""
    extra_vars: Mapping[str, Any] | None = None
    is_check: bool = False
    """Whether Ansible's check mode is used."""
    stop_after: int | None = None
    """Kill the play right after this many results that are no skips, counted over all hosts from 1."""
    environment: Mapping[str, str] | None = None
    """Further environment for this play, such as a scenario's."""
    hash_seed: int = 0
    """Python's PYTHONHASHSEED in Ansible's process; plays with another seed run in another process."""
    collections_path: tuple[Path, ...] = ()
    """Folders with an `ansible_collections`, looked into before Ansible's own."""

    def arguments(self) -> list[str]:
        """Return what follows `ansible-playbook`."""
        given = ["--extra-vars", json.dumps(dict(self.extra_vars))] if self.extra_vars else []
        check = ["--check"] if self.is_check else []
        return ["--inventory", str(self.inventory), "--diff", *check, *given, str(self.playbook)]


@dataclass(frozen=True, slots=True)
class Played:
    """What a play did."""

    rc: int
    """Ansible's exit code; negative when a signal ended it."""
    lines: tuple[TaskLine, ...]
    """One for each task and host, in order; a loop counts as one."""
    log: str
    """The rest of what Ansible printed: warnings, syntax errors; at most its last `_MAX_LOG` characters."""
    seconds: float

    @property
    def is_ok(self) -> bool:
        """Whether it succeeded on at least one host: a play that matches no host proves nothing."""
        return self.rc == 0 and bool(self.lines)

    @property
    def changed(self) -> tuple[TaskLine, ...]:
        """The results that changed something (in check mode: that would have)."""
        return tuple(line for line in self.lines if line.status == "changed")

    @property
    def failed(self) -> tuple[TaskLine, ...]:
        """The results that failed or did not reach their host, including those that a `rescue` caught."""
        return tuple(line for line in self.lines if line.status in ("failed", "unreachable"))

    @property
    def why(self) -> str:
        """Why it failed, as text for users; empty when it succeeded."""
        if self.is_ok:
            return ""
        if self.failed and self.rc > 0:
            return "\n".join(f"{line}: {line.message}" for line in self.failed[-_MAX_FAILED:])
        if self.rc < 0:
            return f"the play was ended by signal {-self.rc}"
        if self.rc == 0:
            return "the play matched no host or ran no task: it proves nothing"
        return self.log.strip()[-_MAX_OUTPUT:] or f"ansible-playbook ended with exit code {self.rc} and no output"


class _TooLate(Exception):
    """The play took longer than its time-out."""


class Player:
    """Plays one playbook after the other; a context manager. Not for several threads at once.

    Args:
        environment: added to the child's environment, such as `DOCKER_HOST`.
        config: an `ansible.cfg` of the roles' repository; the settings that we need override it.
        further: folders with further roles, or with an `ansible_collections`.
        timeout_s: a play that takes longer is killed, which is a ProcessFault.
    """

    def __init__(
        self,
        *,
        environment: Mapping[str, str] | None = None,
        config: Path | None = None,
        further: Sequence[Path] = (),
        timeout_s: float = 1_800,
    ) -> None:
        self._environment = dict(environment or {})
        self._config = config
        self._further = tuple(further)
        self._timeout_s = timeout_s
        self._children: dict[int, subprocess.Popen[str]] = {}
        self.connections = Connections(self._environment)
        """To the hosts; closed with the player."""
        self._folder = scratch.folder("plays")
        self._count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the children, and a play that still runs."""
        for child in self._children.values():
            self._close_pipes(child)
            child.wait()
        self._children.clear()
        self.connections.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    @staticmethod
    def _close_pipes(child: "subprocess.Popen[str]") -> None:
        for pipe in (child.stdin, child.stdout):
            # A child that died did not read everything; that does not matter any more.
            with contextlib.suppress(BrokenPipeError):
                if pipe is not None:
                    pipe.close()

    def play(self, play: Play) -> Played:
        """Run a play to its end, and return what it did.

        Raises:
            ProcessFault: Ansible is not installed or died, or the play took longer than the time-out.
        """
        self._count += 1
        lines, log = (self._folder / f"{self._count}.{suffix}" for suffix in ("jsonl", "log"))
        began = time.monotonic()
        try:
            rc = self._rc(play, lines, log)
        except _TooLate:
            raise ProcessFault(
                f"the play took longer than {self._timeout_s:g} s and was ended\n{_last_begun_task(lines)}",
                command=f"ansible-playbook {play.playbook}",
                hint="see what that task waits for",
            ) from None
        seconds = time.monotonic() - began
        text = log.read_text("utf-8", "replace")[-_MAX_LOG:] if log.exists() else ""
        return Played(rc, _lines(lines), text, seconds)

    def _rc(self, play: Play, lines: Path, log: Path) -> int:
        child = self._get_child(play.hash_seed)
        request = {
            "argv": play.arguments(),
            "roles_path": [str(folder) for folder in (*play.roles_path, *self._further)],
            "collections_path": [str(folder) for folder in (*play.collections_path, *self._further)],
            "cwd": str(play.playbook.parent),
            "env": {
                **(play.environment or {}),
                "ANNEAL_LINES": str(lines),
                "ANNEAL_STOP_AFTER": str(play.stop_after or 0),
            },
            "log": str(log),
        }
        assert child.stdin is not None  # a pipe, see Popen
        with contextlib.suppress(BrokenPipeError):  # `_answer` reports it, with the child's output
            child.stdin.write(json.dumps(request) + "\n")
            child.stdin.flush()
        pid = self._answer(play.hash_seed, "pid")
        return self._wait(play.hash_seed, pid)

    def _wait(self, seed: int, pid: int) -> int:
        """Return the play's exit code; kill the play when its time is over, or when we are interrupted."""
        too_late = threading.Event()

        def end() -> None:
            too_late.set()
            _kill_group(pid)

        timer = threading.Timer(self._timeout_s, end)
        timer.start()
        try:
            rc = self._answer(seed, "rc")
        except BaseException:
            _kill_group(pid)
            raise
        finally:
            timer.cancel()
        if too_late.is_set():
            raise _TooLate
        return rc

    def _answer(self, seed: int, key: str) -> int:
        child = self._children[seed]
        assert child.stdout is not None  # a pipe, see Popen
        line = child.stdout.readline()
        if not line:
            code = child.wait()
            self._close_pipes(child)
            del self._children[seed]
            output = self._child_log(seed).read_text("utf-8", "replace").strip()[-_MAX_OUTPUT:]
            raise ProcessFault(
                f"the process that runs Ansible ended with code {code}: {output or 'it printed nothing'}",
                command=str(_CHILD),
                code=code,
                hint=install_command("infra") if "No module named 'ansible'" in output else "",
            )
        value: int = json.loads(line)[key]
        return value

    def _child_log(self, seed: int) -> Path:
        return self._folder / f"child-{seed}.log"

    def _get_child(self, seed: int) -> subprocess.Popen[str]:
        if seed not in self._children:
            environment = {**self._child_environment(), ADDRESS: self.connections.address, "PYTHONHASHSEED": str(seed)}
            with self._child_log(seed).open("wb") as log:
                self._children[seed] = subprocess.Popen(
                    [sys.executable, str(_CHILD)],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    env=environment,
                    text=True,
                    start_new_session=True,  # we handle Ctrl-C: closing the pipe ends the play
                )
        return self._children[seed]

    def _child_environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_NOT_OURS)}
        empty = self._folder / "ansible.cfg"
        empty.touch()
        # ansible-playbook, which docker connections and lookups may call, is in the folder of our Python.
        path = os.pathsep.join([str(Path(sys.executable).parent), kept.get("PATH", os.defpath)])
        return {
            **kept,
            **_SETTINGS,
            "ANSIBLE_CALLBACK_PLUGINS": str(_CHILD / "callback_plugins"),
            "ANSIBLE_CONFIG": str(self._config or empty),
            "ANSIBLE_LOCAL_TEMP": str(self._folder / "tmp"),
            "PATH": path,
            **self._environment,
        }


def _kill_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def _last_begun_task(lines: Path) -> str:
    begun = lines.with_name(f"{lines.name}.begun")
    return f"the task that began last: {begun.read_text('utf-8')}" if begun.exists() else "no task had begun"


def _lines(path: Path) -> tuple[TaskLine, ...]:
    if not path.exists():
        return ()
    return tuple(task_from_json(json.loads(text)) for text in path.read_text("utf-8").splitlines())
