"""Check mode: it changes nothing on a fresh host, and reports nothing on a converged one."""

from typing import Final

from evolve.core.model.role_checks import Check, TaskLine
from evolve.infra.verification.verification import (
    BlockedByEarlierCheck,
    CheckReport,
    Verification,
    diffs,
    relative,
    report_failed,
    report_passed,
    spots,
)

CHECK: Final = Check.CHECK_MODE


def check(verification: Verification) -> CheckReport:
    """Report when check mode fails, changes something, or announces changes that a converge would not make."""
    reasons, lines = _on_fresh_hosts(verification)
    try:
        verification.converged  # noqa: B018 - made now, if not before
    except BlockedByEarlierCheck as error:
        notes = [f"not checked on a converged host: {error}"]
        return report_failed(reasons, notes=notes, tasks=lines) if reasons else report_passed(notes=notes, tasks=lines)
    hosts = verification.converged.hosts
    played = hosts.converge(is_check=True)
    lines += played.lines
    if not played.is_ok:
        reasons.append(f"on a converged host, check mode fails: {relative(played.why, verification.scenario)}")
    reasons += [
        f"on a converged host, check mode announces a change: {spot}"
        for spot in spots(played.changed, verification.scenario)
    ]
    return (
        report_failed(reasons, evidence=diffs(played.changed), tasks=lines) if reasons else report_passed(tasks=lines)
    )


def _on_fresh_hosts(verification: Verification) -> tuple[list[str], tuple[TaskLine, ...]]:
    hosts = verification.untouched()
    before = hosts.states()
    played = hosts.converge(is_check=True)
    changed = verification.changes_between(before, hosts.states())
    if changed:
        verification.spoil(hosts)
    reasons = [f"on a fresh host, check mode changes something: {what}" for what in changed]
    if not played.is_ok:
        reasons.insert(0, f"on a fresh host, check mode fails: {relative(played.why, verification.scenario)}")
    return reasons, played.lines
