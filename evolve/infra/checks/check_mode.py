"""Check mode: it changes nothing on a fresh host, and reports nothing on a converged one."""

from typing import Final, NamedTuple

from evolve.core.model.role_checks import Check, TaskLine
from evolve.infra.checks.own_changes import divide, not_counted
from evolve.infra.verification.plays import Played
from evolve.infra.verification.scenario import Scenario
from evolve.infra.verification.verification import (
    CONVERGED_SEED,
    BlockedByEarlierCheck,
    CheckReport,
    DoesNotConverge,
    Verification,
    diffs,
    not_checked,
    relative,
    report_failed,
    report_passed,
    spots,
)

CHECK: Final = Check.CHECK_MODE


class _Found(NamedTuple):
    reasons: list[str]
    lines: tuple[TaskLine, ...]
    not_run: str = ""
    """Why the role itself did not run; empty when it did."""
    notes: tuple[str, ...] = ()
    failed: frozenset[tuple[str, str]] = frozenset()
    """Place and message of each task that failed."""


def check(verification: Verification) -> CheckReport:
    """Report when check mode fails, changes something, or announces changes that a converge would not make."""
    fresh = _on_fresh_hosts(verification)
    try:
        verification.converged  # noqa: B018 - made now, if not before
    except (BlockedByEarlierCheck, DoesNotConverge) as error:
        if fresh.failed and fresh.failed == _failures(verification.first.played):
            raise  # one cause, which the converge reports
        return _report(fresh, [f"not checked on a converged host: {error}"])
    hosts = verification.converged.hosts
    played = hosts.converge(is_check=True, hash_seed=CONVERGED_SEED)
    after = _on_converged_hosts(played, verification.scenario)
    both = _Found(
        [*fresh.reasons, *after.reasons],
        (*fresh.lines, *after.lines),
        fresh.not_run if after.not_run else "",
        (*fresh.notes, *([fresh.not_run] if fresh.not_run and not after.not_run else []), *after.notes),
    )
    return _report(both, [], changed=divide(played, played.changed, verification.scenario).own)


def _report(found: _Found, notes: list[str], *, changed: list[TaskLine] | None = None) -> CheckReport:
    notes = [*found.notes, *notes]
    if found.reasons:
        return report_failed(found.reasons, evidence=diffs(changed or ()), notes=notes, tasks=found.lines)
    if found.not_run:
        return not_checked(found.not_run, notes=notes)
    return report_passed(notes=notes, tasks=found.lines)


def _on_fresh_hosts(verification: Verification) -> _Found:
    hosts = verification.untouched()
    before = hosts.states()
    played = hosts.converge(is_check=True)
    verification.see_that_it_began(played)
    changed = verification.changes_between(before, hosts.states())
    if changed:
        verification.spoil(hosts)
    scenario = verification.scenario
    if _not_run(played, scenario):
        return _Found([], played.lines, _not_run(played, scenario))
    reasons = [f"on a fresh host, check mode changes something: {what}" for what in changed]
    if not played.is_ok:
        reasons.insert(0, f"on a fresh host, check mode fails: {relative(played.why, scenario)}")
    return _Found(reasons, played.lines, failed=_failures(played))


def _failures(played: Played) -> frozenset[tuple[str, str]]:
    return frozenset((line.spot, line.message) for line in played.failed)


def _on_converged_hosts(played: Played, scenario: Scenario) -> _Found:
    if _not_run(played, scenario):
        return _Found([], played.lines, _not_run(played, scenario))
    reasons = []
    if not played.is_ok:
        reasons.append(f"on a converged host, check mode fails: {relative(played.why, scenario)}")
    own, others = divide(played, played.changed, scenario)
    reasons += [f"on a converged host, check mode announces a change: {spot}" for spot in spots(own, scenario)]
    return _Found(reasons, played.lines, notes=(not_counted(others, scenario),) if others else ())


def _not_run(played: Played, scenario: Scenario) -> str:
    """Return why check mode says nothing about the role: a task of the scenario fails in it, such as a `pre_task`."""
    others = [] if played.is_ok else divide(played, played.failed, scenario).others
    if not others or divide(played, played.failed, scenario).own:
        return ""
    line = others[-1]
    return f"a task that is not the role's fails in check mode: {relative(str(line), scenario)}: {line.message}"
