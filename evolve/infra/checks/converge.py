"""Converge: the role ends well on fresh hosts."""

from typing import Final

from evolve.core.model.role_checks import Check, CheckOutcome
from evolve.infra.checks.own_changes import divide
from evolve.infra.verification.verification import CheckReport, Verification, relative, report_failed, report_passed

CHECK: Final = Check.CONVERGE


def check(verification: Verification) -> CheckReport:
    """Report a task that fails, and a play that matches no host."""
    played = verification.first.played
    if played.is_ok:
        ran = sum(line.status != "skipped" for line in played.lines)
        return report_passed(notes=[f"{ran} results, {len(played.changed)} changes"], tasks=played.lines)
    evidence = verification.journal(verification.first.hosts)
    if played.log.strip():
        evidence["Ansible's output"] = played.log
    why = relative(played.why, verification.scenario)
    own, others = divide(played, played.failed, verification.scenario)
    if others and not own:
        text = f"a task that is not the role's fails: {why}\nfix the scenario or that role"
        return CheckReport(CheckOutcome.ERROR, (text,), evidence=evidence, tasks=played.lines)
    return report_failed([why], evidence=evidence, tasks=played.lines)
