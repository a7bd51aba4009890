"""Hidden changes: the second converge changes no file and starts no unit again, whatever its tasks report."""

import time
from typing import Final

from evolve.core.model.role_checks import Check
from evolve.infra.verification.verification import (
    BlockedByEarlierCheck,
    CheckReport,
    Verification,
    report_failed,
    report_passed,
)

CHECK: Final = Check.HIDDEN_CHANGES
MAX_WATCH_S: Final = 10.0


def check(verification: Verification) -> CheckReport:
    """Fails with every file and unit that changed, unless it does so while nobody converges."""
    second = verification.second
    if not second.played.is_ok:
        raise BlockedByEarlierCheck("the second converge fails, so that hidden changes cannot be told")
    if second.played.changed:
        raise BlockedByEarlierCheck("the second converge reports changes, from which hidden ones cannot be told")
    assert second.changes is not None, "nobody said that this check is wanted"
    hidden = list(second.changes)
    if hidden:
        by_itself = _by_itself(verification, second.played.seconds)
        notes = [f"{what} also while nobody converges: not counted" for what in hidden if what in by_itself]
        hidden = [what for what in hidden if what not in by_itself]
    else:
        notes = []
    if not hidden:
        return report_passed(notes=notes)
    return report_failed(
        [f"{what}, and no task reports it" for what in hidden],
        notes=notes,
        evidence={
            "what the second converge did": "\n".join(
                f"{line.status:8} {line}" for line in second.played.lines if line.status != "skipped"
            )
        },
        tasks=second.played.lines,
    )


def _by_itself(verification: Verification, seconds: float) -> set[str]:
    """What changes on the hosts in about the time of a converge without one."""
    hosts = verification.converged.hosts
    before = hosts.states()
    # The only wait for mere time in the engine: what happens by itself can only be watched.
    time.sleep(min(seconds, MAX_WATCH_S))
    return set(verification.changes_between(before, hosts.states()))
