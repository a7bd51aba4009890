"""The embedded server's process: `python -m evolve.providers.embedded_server STATE_FILE`.

It reads its settings from STATE_FILE.start (JSON), serves llama.cpp on a random port of 127.0.0.1, writes the state
file (address, API key, process; mode 0600) when it is ready, and ends when that file was not touched for the idle time,
when the file was deleted, or when another server took its place. It belongs to no client: any of them may crash.
"""

import json
import os
import secrets
import signal
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from evolve.system.atomic_files import write_whole
from evolve.system.process_owner import start_of


def serve(state_file: Path, settings: Mapping[str, object]) -> int:
    """Serve until idle, and return the exit code."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: stop.set())
    key = secrets.token_urlsafe(24)
    server = _start(settings, key)
    state = {"url": server.listening_address, "api_key": key, "pid": os.getpid(), "mark": start_of(os.getpid())}
    # Only the owner may read the API key in it.
    write_whole(state_file, json.dumps(state), mode=0o600)
    print(f"serving on {server.listening_address}", flush=True)
    idle_s = float(str(settings["idle_s"]))
    # Once a second is cheap, and short idle times, as in tests, are still met to a quarter.
    while not stop.wait(min(1.0, idle_s / 4)):
        if not _is_ours(state_file) or time.time() - _last_touch_s(state_file) > idle_s:
            break
    # The state goes first, so that no client is sent to a server that is closing.
    if _is_ours(state_file):
        state_file.unlink(missing_ok=True)
    print("ending", flush=True)
    # llama.cpp may wait long for a generation in progress, whose client is gone or will ask again. 5 s are enough.
    threading.Timer(5.0, os._exit, (0,)).start()
    del server
    os._exit(0)


_PROMPT_CACHE_MIB = 1024
"""Memory for the beginnings of prompts that a slot held before. A reflector, or another candidate, that asks the same
model does not throw out what was read: it is copied back. Room for 100 prompts of 400 tokens of a small model, or 20
of one with 1.5 billion parameters; llama.cpp's own limit is 8 GiB, more than many machines have."""


def _start(settings: Mapping[str, object], key: str):  # type: ignore[no-untyped-def]  # xllamacpp has no types
    from xllamacpp import CommonParams, Server

    params = CommonParams()
    params.model.path = str(settings["model"])
    params.n_parallel = int(str(settings["n_parallel"]))
    params.n_ctx = int(str(settings["n_ctx"])) * params.n_parallel
    threads = int(str(settings["n_threads"]))
    for cpu in (params.cpuparams, params.cpuparams_batch):
        cpu.n_threads = threads
        cpu.poll = 0
    params.n_gpu_layers = 0
    if hasattr(params, "cache_ram_mib"):
        params.cache_ram_mib = _PROMPT_CACHE_MIB
    params.port = 0
    params.use_jinja = True
    params.api_keys = [key]
    params.model_alias = {str(settings["name"])}
    if settings.get("embedding"):
        params.embedding = True
    return Server(params)


def _is_ours(state_file: Path) -> bool:
    try:
        return bool(json.loads(state_file.read_text(encoding="utf-8"))["pid"] == os.getpid())
    except (OSError, ValueError, KeyError):
        return False


def _last_touch_s(state_file: Path) -> float:
    try:
        return state_file.stat().st_mtime
    except OSError:
        return 0.0


def main() -> int:
    """Run the command line and return the exit code; the only argument is the state file."""
    state_file = Path(sys.argv[1])
    settings = json.loads(state_file.with_suffix(".start").read_text(encoding="utf-8"))
    try:
        return serve(state_file, settings)
    except RuntimeError as exc:
        # The log above has llama.cpp's reason; a traceback would push it out of the lines that are shown.
        print(f"cannot serve {settings['model']}: {exc}", flush=True)
        return 1


if __name__ == "__main__":
    sys.exit(main())
