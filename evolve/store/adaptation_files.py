"""The files next to the queue of adaptations: one lock for each agent, and the logs of what runs in the background.

cache_dir/adaptation/
  NAME-KEY.lock      held by the process that evolves the agent; free again when that ends for any reason
  NAME-TIME-PID.log  what one background process printed
"""

import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from evolve.core.cases.fingerprint import slug
from evolve.system.cache_folder import cache_fault, make_cache_folder
from evolve.system.locks import FOREVER, locked

KEPT_LOGS = 20
"""Logs that are kept for each agent, enough to look back some days; older ones are deleted."""


class AdaptationFiles:
    """The folder of locks and logs.

    Raises:
        StoreFault: the folder cannot be made.
    """

    def __init__(self, cache_dir: Path) -> None:
        self.folder = cache_dir / "adaptation"
        make_cache_folder(self.folder)

    @contextmanager
    def lock(self, agent: str, *, wait: bool = False) -> Iterator[bool]:
        """Take the agent's lock while the context lasts, and yield whether this process holds it.

        The kernel releases the lock when its holder ends, killed or not; children do not inherit it.

        Args:
            agent: the agent's file, absolute.
            wait: until the current holder releases it.
        """
        path = self.folder / f"{_stem(agent)}.lock"
        with ExitStack() as held:
            try:
                is_held = held.enter_context(locked(path, wait_s=FOREVER if wait else 0))
            except OSError as error:
                raise cache_fault(f"cannot use {path}", path, error) from error
            yield is_held

    def new_log(self, agent: str) -> Path:
        """Return a path for a new log of the agent; delete the oldest logs beyond the limit."""
        stem = _stem(agent)
        known = sorted(self.folder.glob(f"{stem}-*.log"))
        for path in known[: max(0, len(known) - KEPT_LOGS + 1)]:
            path.unlink(missing_ok=True)
        stamp = time.strftime("%Y%m%d-%H%M%S")
        return self.folder / f"{stem}-{stamp}-{os.getpid()}.log"


def _stem(agent: str) -> str:
    key = hashlib.blake2b(agent.encode(), digest_size=4).hexdigest()
    return f"{slug(Path(agent).stem)}-{key}"
