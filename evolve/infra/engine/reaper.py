"""The process that removes what a dead owner left: `python -m evolve.infra.engine.reaper URL OWNER`, stdin a pipe.

It leaves its parent at once, so that nobody waits for it and no signal of the terminal reaches it. It watches both the
pipe and the owner's process for their end, because a forked child may hold the pipe open for longer.
"""

import contextlib
import os
import select
import signal
import sys
import time

from evolve.infra.engine.owner import LABEL_OWNER
from evolve.system.process_owner import Life, Owner

PATIENCE_S = 180
"""How long a slow or restarting engine is tried again; the reaper must not stay for ever where none comes back."""

PAUSE_S = 0.5
"""Between two passes: a request that was in flight when the owner died may still make something."""

QUIET_PASSES = 3
"""How many passes in a row must find nothing before the work is done; one may come before a request in flight."""


def leave_parent() -> None:
    """Continue as a process with its own session, and keep only the pipe of what the parent had open."""
    if os.fork():
        os._exit(0)
    os.setsid()
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    os.chdir("/")
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    os.closerange(3, 1024)  # what Python opened itself; `subprocess` passed nothing but the pipe


def wait_for_end(owner: Owner) -> None:
    """Wait until the owner's pipe is closed or its process has ended."""
    watched = [0]
    if hasattr(os, "pidfd_open"):
        try:
            watched.append(os.pidfd_open(owner.pid))
        except OSError:
            return
        if owner.life() is Life.ENDED:
            return
    select.select(watched, [], [])


def reap(url: str, owner: Owner) -> None:
    """Remove everything that the owner has, and repeat until nothing more turns up.

    An engine that does not answer is tried again for PATIENCE_S.
    """
    from evolve.core.model.errors import DockerFault
    from evolve.infra.engine.docker_engine import connect, docker_faults
    from evolve.infra.engine.removal import remove_labelled

    deadline = time.monotonic() + PATIENCE_S
    quiet = 0
    while quiet < QUIET_PASSES and time.monotonic() < deadline:
        try:
            with contextlib.closing(connect(url).client) as client, docker_faults("reap"):
                found = remove_labelled(client, f"{LABEL_OWNER}={owner}").found
        except DockerFault:
            found = 1  # unknown, so it does not count as a quiet pass
        quiet = quiet + 1 if not found else 0
        time.sleep(PAUSE_S)


def main() -> None:
    """Wait for the owner's end, then clean up."""
    url, owner = sys.argv[1], Owner.parse(sys.argv[2])
    if owner is None:
        sys.exit(f"not an owner: {sys.argv[2]}")
    leave_parent()
    wait_for_end(owner)
    reap(url, owner)


if __name__ == "__main__":
    main()
