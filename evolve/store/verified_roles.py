"""The roles that passed, so that a role that has not changed since is not verified again."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from evolve.core.model.role_checks import Check, CheckOutcome, CheckResult
from evolve.store.role_hash import harness_hash, role_hash
from evolve.system.sqlite import SharedFile

__all__ = ["VerifiedRoles", "harness_hash", "role_hash"]

KEPT = 5_000
"""Passed checks that are kept, the newest; a role has ten on each release, so this is 500 of them."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS passed (
  role TEXT NOT NULL, release TEXT NOT NULL, hash TEXT NOT NULL, name TEXT NOT NULL,
  UNIQUE (role, release, hash, name) ON CONFLICT IGNORE
);
"""
_BAD = (CheckOutcome.FAILED, CheckOutcome.ERROR)


class VerifiedRoles:
    """The checks that passed, by role, release and `role_hash`, in one file that may be deleted at any time.

    Several processes may write at once: each record is one statement, written whole or not at all.

    Raises:
        StoreFault: the folder cannot be written, or the file is damaged; all methods raise it too.
    """

    def __init__(self, path: Path) -> None:
        self._file = SharedFile(path, _SCHEMA, version=1, what="the memory of verified roles", durability="NORMAL")

    def passed(self, role: str, release: str, digest: str) -> Sequence[Check] | None:
        """Return the checks that passed for exactly this `role_hash`, in their order; None when none is known."""
        found = self._file.all(
            "SELECT name FROM passed WHERE role = ? AND release = ? AND hash = ?", role, release, digest
        )
        names = {name for (name,) in found}
        return [check for check in Check if check in names] or None

    def record(self, role: str, release: str, digest: str, results: Iterable[CheckResult]) -> bool:
        """Store the checks that passed, unless any failed; return whether they were stored.

        A failure or an error deletes what passed with this hash before: a role that fails now and then must not be
        skipped. What was not checked is not stored as passed.

        Args:
            role: the name of the role.
            release: of the hosts, such as `bookworm`.
            digest: the `role_hash`.
            results: of the verification, all of them.
        """
        found = tuple(results)
        if any(result.outcome in _BAD for result in found):
            self._file.do("DELETE FROM passed WHERE role = ? AND release = ? AND hash = ?", role, release, digest)
            return False
        names = [str(result.check) for result in found if result.outcome is CheckOutcome.PASSED]
        if names:
            values = [word for name in names for word in (role, release, digest, name)]
            self._file.do(f"INSERT INTO passed VALUES {', '.join(['(?, ?, ?, ?)'] * len(names))}", *values)
            self._file.do("DELETE FROM passed WHERE rowid <= (SELECT max(rowid) FROM passed) - ?", KEPT)
        return True

    def close(self) -> None:
        """Close the file."""
        self._file.close()
