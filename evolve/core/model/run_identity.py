"""The identity of a run of suites: its id, its time, and what it ran on."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class GitCommit:
    """The commit of a checkout."""

    id: str
    """All hexadecimal digits."""
    has_changes: bool | None
    """Files that git knows differ from the commit; None where git did not answer in time."""


@dataclass(frozen=True, slots=True)
class RunIdentity:
    """One run of suites, under a name that no other run has."""

    id: str
    """`YYYYMMDD-HHMMSS-` in UTC and six random hexadecimal digits: ids sort by time."""
    started_s: float
    """Seconds since the epoch."""
    config_hash: str
    """Of all suites; two runs with one hash had the same prompts, providers, tests and assertions."""
    suite_hashes: Mapping[str, str]
    """The hash of each suite alone, by its path."""
    commit: GitCommit | None = None
    """Of the folder of the first suite; None outside of a repository."""
