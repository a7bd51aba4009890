"""Idempotence: a second converge reports no change."""

from typing import Final

from evolve.core.model.role_checks import Check
from evolve.infra.checks.own_changes import divide, not_counted
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
    """Report every task of the role that changed something again, with its items."""
    played = verification.second.played
    if not played.is_ok:
        return report_failed(
            [f"the second converge fails: {relative(played.why, verification.scenario)}"], tasks=played.lines
        )
    own, others = divide(played, played.changed, verification.scenario)
    notes = [not_counted(others, verification.scenario)] if others else []
    if not own:
        many = "none changed" if not others else "none of the role's changed"
        return report_passed(notes=[f"{len(played.lines)} results, {many}", *notes], tasks=played.lines)
    reasons = [f"{spot} changed something again" for spot in spots(own, verification.scenario)]
    # A service that was to be started again has often failed meanwhile: only the journal says why.
    journal = verification.journal(verification.converged.hosts) if any(line.units for line in own) else {}
    return report_failed(reasons, evidence={**diffs(own), **journal}, notes=notes, tasks=played.lines)
