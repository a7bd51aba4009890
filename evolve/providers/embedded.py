"""Finds the machine's one embedded server for a model and its settings, or starts it.

cache_dir/embedded/
  KEY.json   address, API key, process of a server that runs (0600); its time of change is the last call's
  KEY.start  what the process is to serve
  KEY.lock   held while someone looks whether to start one
  KEY.log    what llama.cpp says
"""

import asyncio
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import evolve
from evolve.core.model.errors import ProcessFault
from evolve.core.model.json_value import JsonValue
from evolve.providers.context import ProviderSettings
from evolve.system.atomic_files import write_whole
from evolve.system.cache_folder import make_cache_folder
from evolve.system.locks import locked_async
from evolve.system.process_owner import is_alive

_START_TIMEOUT_S = 120.0
_MODULE = "evolve.providers.embedded_server"
_LAYOUT = 1
"""Raised when the process or its files change, so that old and new versions do not meet."""


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A server that answers."""

    url: str
    api_key: str
    pid: int
    mark: str

    @property
    def is_alive(self) -> bool:
        """Whether its process still runs."""
        return is_alive(self.pid, self.mark)


class EmbeddedServer:
    """The way to one shared server: `running` gives its address, started or restarted on demand."""

    def __init__(self, launch: Mapping[str, JsonValue], identity: JsonValue, settings: ProviderSettings) -> None:
        self._launch = {**launch, "idle_s": settings.idle_s}
        self._settings = settings
        # The idle time is in the key: a test's short-lived server is not the one that others count on.
        parts = [_LAYOUT, identity, self._launch, os.uname().nodename, os.getuid()]
        key = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:20]
        self._folder = settings.cache_dir / "embedded"
        self._state = self._folder / f"{key}.json"
        self._known: RunningServer | None = None
        self._starting: asyncio.Lock | None = None

    async def find_or_start(self) -> RunningServer:
        """A server whose process lives; touched, so that it stays.

        Raises:
            ProcessFault: it does not start; with the last lines of its log.
        """
        if self._known is not None and self._known.is_alive and self.touch():
            return self._known
        # Made here: the lock belongs to the loop that runs now.
        self._starting = self._starting or asyncio.Lock()
        async with self._starting:
            self._known = self._read() or await self._start()
        return self._known

    def touch(self) -> bool:
        """Tells the server that it is needed; False when its state is gone."""
        try:
            os.utime(self._state)
        except OSError:
            return False
        return True

    @property
    def idle_s(self) -> float:
        """How long the server stays without a call."""
        return self._settings.idle_s

    def _read(self) -> RunningServer | None:
        try:
            data = json.loads(self._state.read_text(encoding="utf-8"))
            found = RunningServer(str(data["url"]), str(data["api_key"]), int(data["pid"]), str(data["mark"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return found if found.is_alive and self.touch() else None

    async def _start(self) -> RunningServer:
        make_cache_folder(self._folder, is_private=True)
        # One starter at a time. No deadline: who calls has one.
        async with locked_async(self._state.with_suffix(".lock")):
            return self._read() or await self._launch_server()

    async def _launch_server(self) -> RunningServer:
        self._state.unlink(missing_ok=True)
        write_whole(self._state.with_suffix(".start"), json.dumps(self._launch))
        log = self._state.with_suffix(".log")
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", _MODULE, str(self._state)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self._folder,
                env=_environment(),
                start_new_session=True,
            )
        waited = 0.0
        while (found := self._read()) is None:
            if process.poll() is not None or waited > _START_TIMEOUT_S:
                process.kill()
                process.wait()
                raise _did_not_start(process.returncode, waited, log)
            await asyncio.sleep(0.05)
            waited += 0.05
        # Not ours to wait for: it outlives us. Without this, Popen warns when it is collected.
        process.returncode = 0
        return found


def _environment() -> dict[str, str]:
    """This process's environment, with the folder that holds `evolve` on the path.

    OpenMP's threads wait asleep: spinning, on two cores that do other work too, leaves 1.2 tokens/s of 40.
    """
    home = str(Path(evolve.__file__).resolve().parent.parent)
    others = os.environ.get("PYTHONPATH")
    path = os.pathsep.join([home, *([others] if others else [])])
    return {"OMP_WAIT_POLICY": "passive", **os.environ, "PYTHONPATH": path, "PYTHONSAFEPATH": "1"}


def _did_not_start(code: int | None, waited: float, log: Path) -> ProcessFault:
    how = f"ended with code {code}" if waited <= _START_TIMEOUT_S else f"was not ready in {waited:.0f} s"
    text = f"the embedded model server {how}; the end of {log}:\n{tail(log)}"
    return ProcessFault(text, command=_MODULE, code=code)


def tail(path: Path, lines: int = 8) -> str:
    """The last lines of a log file."""
    try:
        text = path.read_bytes()[-20_000:].decode("utf-8", "replace")
    except OSError:
        return ""
    return "\n".join([line for line in text.splitlines() if line.strip()][-lines:])
