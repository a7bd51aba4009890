"""The process that removes what a dead owner left: `python -m evolve.infra.engine.reaper URL OWNER`, stdin a pipe.

It leaves its parent at once, so that nobody waits for it and no signal of the terminal reaches it. The pipe's end and
the end of the owner's process both tell that the owner has ended: a forked child may hold the pipe open for longer.
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
"""How long a stubborn or restarting engine is asked again."""

PAUSE_S = 0.5
"""Between two passes: a request that was in flight when the owner died may still make something."""

QUIET_PASSES = 3
"""So many passes in a row that find nothing end the work."""


def leave_parent() -> None:
    """Goes on as a process of its own session, with the pipe and nothing else of the parent's."""
    if os.fork():
        os._exit(0)
    os.setsid()
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    os.chdir("/")
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    os.closerange(3, 1024)


def wait_for_end(owner: Owner) -> None:
    """Returns once the owner's pipe is closed or its process has ended."""
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
    """Removes everything of the owner, again and again until nothing turns up any more.

    An engine that is away or goes away meanwhile is asked again, for as long as PATIENCE_S.
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
            found = 1
        quiet = quiet + 1 if not found else 0
        time.sleep(PAUSE_S)


def main() -> None:
    """Waits for the owner's end, then cleans up."""
    url, owner = sys.argv[1], Owner.parse(sys.argv[2])
    if owner is None:
        sys.exit(f"not an owner: {sys.argv[2]}")
    leave_parent()
    wait_for_end(owner)
    reap(url, owner)


if __name__ == "__main__":
    main()
