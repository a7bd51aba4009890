"""The files beside the queue of adaptations: one lock for each agent, and the logs of what runs in the background.

cache_dir/adaptation/
  NAME-KEY.lock      held by the process that evolves the agent, and by nobody when that has ended, however it did
  NAME-TIME-PID.log  what one background process printed
"""

import fcntl
import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from evolve.core.cases.fingerprint import slug
from evolve.core.model.errors import EnvironmentFault

KEPT_LOGS = 20
"""So many logs of an agent stay; older ones are deleted."""


class AdaptationFiles:
    """The folder of locks and logs.

    Raises:
        EnvironmentFault: it cannot be made.
    """

    def __init__(self, cache_dir: Path) -> None:
        self.folder = cache_dir / "adaptation"
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise _fault(self.folder, error) from error

    @contextmanager
    def lock(self, agent: str, *, wait: bool = False) -> Iterator[bool]:
        """Whether the agent is this process's to evolve, for as long as the context lasts.

        The kernel gives the lock back when its holder ends, killed or not; children do not inherit it.

        Args:
            agent: the agent's file, absolute.
            wait: until whoever holds it is done.
        """
        path = self.folder / f"{_stem(agent)}.lock"
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise _fault(path, error) from error
        try:
            yield _locked(handle, path, wait=wait)
        finally:
            os.close(handle)

    def new_log(self, agent: str) -> Path:
        """A name for a new log of the agent; the oldest logs make room for it."""
        stem = _stem(agent)
        known = sorted(self.folder.glob(f"{stem}-*.log"))
        for path in known[: max(0, len(known) - KEPT_LOGS + 1)]:
            path.unlink(missing_ok=True)
        stamp = time.strftime("%Y%m%d-%H%M%S")
        return self.folder / f"{stem}-{stamp}-{os.getpid()}.log"


def _locked(handle: int, path: Path, *, wait: bool) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise _fault(path, error) from error
    return True


def _stem(agent: str) -> str:
    key = hashlib.blake2b(agent.encode(), digest_size=4).hexdigest()
    return f"{slug(Path(agent).stem)}-{key}"


def _fault(path: Path, error: OSError) -> EnvironmentFault:
    return EnvironmentFault(
        f"cannot use {path}: {error.strerror or error}", hint="set EVOLVE_CACHE_DIR to a folder that can be written"
    )
