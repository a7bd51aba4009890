"""Hidden changes: the second converge changes no file and starts no unit again, whatever its tasks report."""

import time
from typing import Final

from evolve.core.model.role_checks import Check
from evolve.infra.checks.own_changes import divide
from evolve.infra.verification.verification import (
    BlockedByEarlierCheck,
    CheckReport,
    Verification,
    report_failed,
    report_passed,
)

CHECK: Final = Check.HIDDEN_CHANGES
MAX_WATCH_S: Final = 10.0
"""How long the hosts are watched at most; what changes by itself more rarely belongs into `varies`."""


def check(verification: Verification) -> CheckReport:
    """Report every file and unit that changed, except those that also change when no converge runs."""
    second = verification.second
    if not second.played.is_ok:
        raise BlockedByEarlierCheck("the second converge fails, so hidden changes cannot be detected")
    own, others = divide(second.played, second.played.changed, verification.scenario)
    if own or (others and second.changes):
        raise BlockedByEarlierCheck("the second converge reports changes, so hidden ones cannot be detected")
    assert second.changes is not None, "Verification was not asked for this check"
    hidden = list(second.changes)
    if hidden:
        by_itself = _by_itself(verification, second.played.seconds)
        notes = [f"{what} also when no converge runs: not counted" for what in hidden if what in by_itself]
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
    """Return what changes on the hosts in the time of a converge when none runs."""
    hosts = verification.converged.hosts
    before = hosts.states()
    # There is no event to wait for: what changes by itself can only be observed over time.
    time.sleep(min(seconds, MAX_WATCH_S))
    return set(verification.changes_between(before, hosts.states()))
