"""`./bootstrap.sh cluster`: starts a cluster to try things on, until Ctrl-C; `cluster stop` ends it from elsewhere."""

import argparse
import contextlib
import os
import shlex
import signal
import sys
import time
from collections.abc import Mapping, Sequence

from evolve.cluster.demo.running import DemoOptions, RunningDemo, demo_cluster, owner_of, sweep
from evolve.cluster.demo.state_file import demo_folder
from evolve.core.model.errors import EnvironmentFault, ExitCode, InputError
from evolve.system.cache_folder import given_cache_folder
from evolve.system.locks import locked
from evolve.system.process_owner import Life

INTERRUPTED = 128 + signal.SIGINT
END_S = 40.0
"""How long a demo cluster may take to end."""
LOOK_S = 1.0


def say(line: str) -> None:
    """Print a line of progress."""
    print(f"== {line}", file=sys.stderr, flush=True)


def start(options: DemoOptions, env: Mapping[str, str]) -> None:
    """Run a demo cluster until a signal ends this process, or an agent has ended."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # Also where a shell started this in the background, with SIGINT ignored.
        signal.signal(number, signal.default_int_handler)
    with demo_cluster(options, env, say) as running:
        print("\n".join(description(running, env)), flush=True)
        while True:
            running.check()
            time.sleep(LOOK_S)


def description(running: RunningDemo, env: Mapping[str, str]) -> list[str]:
    """Return the lines about a cluster that is ready, with commands for another shell."""
    demo = running.demo
    activate = [] if env.get("VIRTUAL_ENV") or not is_venv() else [f"  . {shlex.quote(sys.prefix)}/bin/activate"]
    # Commands find the cluster by its file in the cache folder.
    cache = [f"  export EVOLVE_CACHE_DIR={shlex.quote(str(demo.folder.parent))}"] if given_cache_folder(env) else []
    return [
        "",
        f"Nomad   {demo.nomad}{running.nomad_note}",
        f"Consul  {demo.consul}",
        *(f"{job:<12} http://127.0.0.1:{port}/health" for job, port in demo.ports.items()),
        f"scratch folder of demo-worker: {demo.scratch}",
        "",
        "In another shell:",
        *activate,
        *cache,
        f"  export NOMAD_ADDR={demo.nomad} CONSUL_HTTP_ADDR={demo.consul}",
        "  evolve doctor",
        "  evolve provoke --list",
        "  evolve supervise &",
        "  evolve provoke oom --wait",
        "  evolve incidents",
        "  evolve provoke --undo",
        "",
        "Ctrl-C here ends it all.",
    ]


def is_venv() -> bool:
    """Return whether this Python belongs to a virtual environment that a shell can activate."""
    return os.path.exists(os.path.join(sys.prefix, "bin", "activate"))


def stop(env: Mapping[str, str]) -> None:
    """End the demo cluster of this machine, and remove what a killed one left.

    Raises:
        EnvironmentFault: it does not end.
    """
    folder = demo_folder(env)
    if not folder.is_dir():
        say("no demo cluster runs")
        return
    owner = owner_of(folder)
    is_running = owner is not None and owner.life() is Life.LIVES
    if owner is not None and is_running:
        with contextlib.suppress(ProcessLookupError):
            os.kill(owner.pid, signal.SIGTERM)
    with locked(folder / "lock", wait_s=END_S) as is_held:
        if not is_held:
            raise EnvironmentFault(f"the demo cluster does not end within {END_S:g} s")
        swept = sweep(folder)
    left = f"; ended {swept} processes that it left" if swept else ""
    say(f"the demo cluster {'has ended' if is_running else 'did not run'}{left}")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line, and return one of `evolve`'s exit codes, or 130 after Ctrl-C."""
    options = parser().parse_args(argv)
    try:
        if options.word == "stop":
            stop(os.environ)
        else:
            binary = os.environ.get("NOMAD_BINARY", "")
            start(DemoOptions(options.nomad_port, options.consul_port, binary), os.environ)
    except InputError as error:
        print(f"cluster: {error}", file=sys.stderr)
        return ExitCode.INPUT
    except EnvironmentFault as fault:
        print(f"cluster: {fault}", file=sys.stderr)
        return ExitCode.ENVIRONMENT
    except KeyboardInterrupt:
        say("the demo cluster has ended")
        return INTERRUPTED
    return ExitCode.DONE


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    made = argparse.ArgumentParser(prog="./bootstrap.sh cluster", description=__doc__)
    made.add_argument("word", nargs="?", choices=("start", "stop"), default="start", help="default: start")
    made.add_argument("--nomad-port", type=int, default=4646, metavar="N", help="default: 4646; 0 for any free one")
    made.add_argument("--consul-port", type=int, default=8500, metavar="N", help="default: 8500; 0 for any free one")
    return made


if __name__ == "__main__":
    sys.exit(main())
