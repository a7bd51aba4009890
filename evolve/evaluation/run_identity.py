"""Gives a run its identity: an id, and what it ran on."""

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime

from evolve.core.model.run_identity import RunIdentity
from evolve.core.model.suite import Suite
from evolve.core.suites.config_hash import combined_hash, config_hash
from evolve.system.git_commit import git_commit


def identify(suites: Sequence[Suite], started_s: float) -> RunIdentity:
    """Return the identity of a run of at least one suite; each call returns a new id.

    Args:
        suites: the suites as they ran, with what the command line replaced.
        started_s: the start in seconds since the epoch.
    """
    hashes = [config_hash(suite) for suite in suites]
    stamp = datetime.fromtimestamp(started_s, UTC)
    return RunIdentity(
        id=f"{stamp:%Y%m%d-%H%M%S}-{secrets.token_hex(3)}",
        started_s=started_s,
        config_hash=combined_hash(hashes),
        suite_hashes={suite.path: found for suite, found in zip(suites, hashes, strict=True)},
        commit=git_commit(suites[0].base_dir),
    )
