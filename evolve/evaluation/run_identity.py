"""Gives a run its identity: an id, and what it ran on."""

import secrets
from collections.abc import Mapping, Sequence
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
    return identity_of({suite.path: config_hash(suite) for suite in suites}, suites[0].base_dir, started_s)


def identity_of(hashes: Mapping[str, str], folder: str, started_s: float) -> RunIdentity:
    """Return the identity of a run whose suites have these hashes, by path; each call returns a new id.

    Args:
        hashes: of at least one suite, in the run's order.
        folder: names the checkout.
        started_s: the start in seconds since the epoch.
    """
    stamp = datetime.fromtimestamp(started_s, UTC)
    return RunIdentity(
        id=f"{stamp:%Y%m%d-%H%M%S}-{secrets.token_hex(3)}",
        started_s=started_s,
        config_hash=combined_hash(list(hashes.values())),
        suite_hashes=dict(hashes),
        commit=git_commit(folder),
    )
