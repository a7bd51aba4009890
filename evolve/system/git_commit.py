"""The git commit of a folder."""

import subprocess
from typing import Final

from evolve.core.model.run_identity import GitCommit

_LIMIT_S: Final = 5.0
"""The commit is a fact for later; nobody should wait long for it in a large checkout on a slow disk."""


def git_commit(folder: str) -> GitCommit | None:
    """Return the commit that is checked out in a folder; None without git, a repository or a commit."""
    found = _git(folder, "rev-parse", "--verify", "HEAD")
    if found is None or found.returncode:
        return None
    changes = _git(folder, "status", "--porcelain", "--untracked-files=no")
    has_changes = bool(changes.stdout) if changes is not None and changes.returncode == 0 else None
    return GitCommit(found.stdout.decode().strip(), has_changes)


def _git(folder: str, *words: str) -> "subprocess.CompletedProcess[bytes] | None":
    # A checkout's own settings can name a program that `status` would start; optional locks would write into it.
    command = ["git", "-c", "core.fsmonitor=false", "--no-optional-locks", "-C", folder or ".", *words]
    try:
        return subprocess.run(command, capture_output=True, check=False, timeout=_LIMIT_S, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired):
        return None
