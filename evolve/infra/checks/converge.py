"""Converge: the role ends well on fresh hosts."""

from typing import Final

from evolve.core.model.role_checks import Check
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
    return report_failed([relative(played.why, verification.scenario)], evidence=evidence, tasks=played.lines)
