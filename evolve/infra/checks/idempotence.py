"""Idempotence: a second converge reports no change."""

from typing import Final

from evolve.core.model.role_checks import Check
from evolve.infra.verification.verification import (
    CheckReport,
    Verification,
    diffs,
    relative,
    report_failed,
    report_passed,
    spots,
)

CHECK: Final = Check.IDEMPOTENCE


def check(verification: Verification) -> CheckReport:
    """Report every task that changed something again, with its items."""
    played = verification.second.played
    if not played.is_ok:
        return report_failed(
            [f"the second converge fails: {relative(played.why, verification.scenario)}"], tasks=played.lines
        )
    if not played.changed:
        return report_passed(notes=[f"{len(played.lines)} results, none changed"], tasks=played.lines)
    reasons = [f"{spot} changed something again" for spot in spots(played.changed, verification.scenario)]
    return report_failed(reasons, evidence=diffs(played.changed), tasks=played.lines)
