"""A `llama-server` over the embedded engine, for machines without llama.cpp's own: one file over xllamacpp."""

import argparse
import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path


def parser() -> argparse.ArgumentParser:
    """Return the parser: the arguments that the cluster's jobs give to llama-server."""
    found = argparse.ArgumentParser("llama-server")
    found.add_argument("--model", "-m", type=Path, required=True)
    found.add_argument("--host", default="127.0.0.1")
    found.add_argument("--port", type=int, default=8080)
    found.add_argument("--ctx-size", "-c", type=int, default=2048, help="tokens of all slots together")
    found.add_argument("--parallel", "-np", type=int, default=1, help="slots")
    found.add_argument("--threads", "-t", type=int, default=2)
    found.add_argument("--alias", "-a", default="")
    found.add_argument("--api-key-file", type=Path)
    found.add_argument("--embeddings", action="store_true")
    found.add_argument("--rpc", default="", help="taken and not used: the embedded engine computes here alone")
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT."""
    # Threads that spin while they wait take the cores from the work of others: 40 tokens/s become 1.2.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    from xllamacpp import CommonParams, Server

    given = parser().parse_args(arguments)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    params = CommonParams()
    params.model.path = str(given.model)
    params.hostnames, params.port = [given.host], given.port
    params.n_ctx, params.n_parallel = given.ctx_size, given.parallel
    for cpu in (params.cpuparams, params.cpuparams_batch):
        cpu.n_threads, cpu.poll = given.threads, 0
    params.n_gpu_layers = 0
    params.use_jinja = True
    params.model_alias = {given.alias or given.model.stem}
    params.embedding = given.embeddings
    if given.api_key_file is not None:
        params.api_keys = given.api_key_file.read_text(encoding="utf-8").split()
    server = Server(params)
    print(f"serving {given.model.name} on {server.listening_address}", flush=True)
    stop.wait()
    # llama.cpp may wait long for a generation in progress.
    threading.Timer(2.0, lambda: signal.raise_signal(signal.SIGKILL)).start()
    del server
    return 0


if __name__ == "__main__":
    sys.exit(main())
