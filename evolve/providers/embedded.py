"""Finds the machine's one embedded server for a model and its settings, or starts it.

cache_dir/embedded/
  KEY.json   address, API key and process of a running server (0600); its modification time is that of the last call
  KEY.start  the model and settings that the process serves
  KEY.lock   held while a process decides whether to start one
  KEY.log    the output of llama.cpp
"""

import asyncio
import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
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
"""A large model on a slow disk loads slowly; a server that is not ready after so long counts as hung."""
_POLL_S = 0.05
"""A start takes half a second or more, so this hardly delays the first answer."""
_MODULE = "evolve.providers.embedded_server"
_LAYOUT = 1
"""Increase it when the process or its files change, so that old and new versions do not share a server."""


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A server that is ready to answer."""

    url: str
    api_key: str
    pid: int
    mark: str

    @property
    def is_alive(self) -> bool:
        """Whether its process is still running."""
        return is_alive(self.pid, self.mark)


class EmbeddedServer:
    """One shared server; `find_or_start` returns its address and starts it if needed."""

    def __init__(self, launch: Mapping[str, JsonValue], identity: JsonValue, settings: ProviderSettings) -> None:
        self._launch = {**launch, "idle_s": settings.idle_s}
        self._settings = settings
        # The idle time is in the key: a test's short-lived server must not be the one that others rely on.
        parts = [_LAYOUT, identity, self._launch, os.uname().nodename, os.getuid()]
        key = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:20]
        self._folder = settings.cache_dir / "embedded"
        self._state = self._folder / f"{key}.json"
        self._known: RunningServer | None = None
        self._starting: asyncio.Lock | None = None

    async def find_or_start(self) -> RunningServer:
        """Return a server whose process is alive, and reset its idle time.

        Raises:
            ProcessFault: it does not start; with the last lines of its log.
        """
        if self._known is not None and self._known.is_alive and self.touch():
            return self._known
        # Created here: the lock belongs to the event loop that is running now.
        self._starting = self._starting or asyncio.Lock()
        async with self._starting:
            self._known = self._read() or await self._start()
        return self._known

    @property
    def state_file(self) -> Path:
        """The file with the address of the server that runs, where one does."""
        return self._state

    @property
    def known(self) -> RunningServer | None:
        """The server that was found or started last; None before the first call."""
        return self._known

    def end_hung(self) -> None:
        """Kill the server that was found last; its calls fail, and the next one starts another server."""
        if self._known is not None and self._known.is_alive:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(self._known.pid, signal.SIGKILL)

    def touch(self) -> bool:
        """Reset the server's idle time; return False if its state file is gone."""
        try:
            os.utime(self._state)
        except OSError:
            return False
        return True

    @property
    def idle_s(self) -> float:
        """Seconds after which the server ends without a call."""
        return self._settings.idle_s

    def _read(self) -> RunningServer | None:
        try:
            data = json.loads(self._state.read_text(encoding="utf-8"))
            found = RunningServer(str(data["url"]), str(data["api_key"]), int(data["pid"]), str(data["mark"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return found if found.is_alive and self.touch() else None

    async def _start(self) -> RunningServer:
        make_cache_folder(self._folder)
        # One process starts it at a time. No deadline: the caller has one.
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
            await asyncio.sleep(_POLL_S)
            waited += _POLL_S
        # The server outlives this process. Without a return code, Popen warns when it is garbage-collected.
        process.returncode = 0
        return found


def _environment() -> dict[str, str]:
    """Return this process's environment, with the folder that holds `evolve` on the path.

    OpenMP's threads sleep while they wait: when they spin on two cores that have other work, 40 tokens/s become 1.2.
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
    """Return the last lines of a log file that are not blank."""
    try:
        # 20 kB hold eight of llama.cpp's longest lines; the whole log may be large.
        text = path.read_bytes()[-20_000:].decode("utf-8", "replace")
    except OSError:
        return ""
    return "\n".join([line for line in text.splitlines() if line.strip()][-lines:])
