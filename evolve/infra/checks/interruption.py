"""Interruption: a converge that was killed and run again has the same result as one that was not."""

from fnmatch import fnmatch
from typing import Final

from evolve.core.model.role_checks import Check, TaskLine
from evolve.infra.hosts.host_differences import Stale, differences, stale_units
from evolve.infra.hosts.host_state import HostState
from evolve.infra.verification.host_set import HostSet
from evolve.infra.verification.verification import (
    CheckReport,
    Converged,
    Verification,
    not_checked,
    relative,
    report_failed,
    report_passed,
)

CHECK: Final = Check.INTERRUPTION


def check(verification: Verification) -> CheckReport:
    """Report every difference from the undisturbed hosts, and every unit that runs with an old configuration."""
    good = verification.converged
    assert good.states or not good.hosts.members, "Verification was not asked for this check"
    ran = [line for line in good.played.lines if line.status != "skipped"]
    points = _points(ran, verification)
    if not points:
        return not_checked("the converge has no change after which it could be interrupted")
    if not verification.options.is_every_interruption:
        points = [verification.random.choice(points)]
    notes: list[str] = []
    reasons: list[str] = []
    tasks: list[TaskLine] = []
    for point in points:
        where = f"killed after result {point} of {len(ran)}, {relative(str(ran[point - 1]), verification.scenario)}"
        notes.append(f"{where} (seed {verification.options.seed})")
        found, lines = _interrupt(verification, good, point)
        reasons += [f"{where} and run again:", *found] if found else []
        tasks += lines
    repeat = f"the same interruption again: --infra-seed {verification.options.seed}"
    return (
        report_failed(reasons, evidence={"again": repeat}, notes=notes, tasks=tasks)
        if reasons
        else report_passed(notes=notes)
    )


def _points(ran: list[TaskLine], verification: Verification) -> list[int]:
    """Return the results after which to interrupt: for each task one that changed something, on a host by the seed."""
    by_task: dict[tuple[str, str], list[int]] = {}
    for number, line in enumerate(ran[:-1], start=1):
        if line.status == "changed":
            by_task.setdefault((line.spot, line.task), []).append(number)
    return [verification.random.choice(numbers) for numbers in by_task.values()]


def _interrupt(verification: Verification, good: Converged, point: int) -> tuple[list[str], tuple[TaskLine, ...]]:
    hosts = verification.fresh()
    try:
        killed = hosts.converge(stop_after=point)
        if killed.rc >= 0:
            return [f"the converge ended with exit code {killed.rc} before it could be killed: {killed.why}"], ()
        played = hosts.converge()
        if not played.is_ok:
            why = relative(played.why, verification.scenario)
            return [f"the converge after the interruption fails: {why}"], played.lines
        written = {path for line in good.played.lines if line.notified for path in line.written}
        return _unlike(verification, good, hosts, written), played.lines
    finally:
        hosts.remove()


def _unlike(verification: Verification, good: Converged, hosts: HostSet, written: set[str]) -> list[str]:
    found = hosts.states(also=good.states)
    # A file that was touched on one side only exists on the other too, with an older time.
    expected = good.hosts.states(also=found)
    varying = [one.path for one in verification.scenario.varying]
    reasons = []
    for name, state in good.states.items():
        paths = [path for path in written if not any(fnmatch(path, glob) for glob in varying)]
        lost = {stale.unit: stale for stale in stale_units(state, found[name], paths)}
        reasons += [f"{name}: {_stale_text(stale)}" for stale in lost.values()]
        # What the role's tests made on the undisturbed host since then does not come from the converge.
        older = {path: file for path, file in expected[name].files.items() if path in found[name].files}
        whole = HostState({**older, **state.files}, state.units)
        reasons += [f"{name}: {what}" for what in differences(whole, found[name], varying=varying)]
    return reasons


def _stale_text(stale: Stale) -> str:
    return f"unit {stale.unit} was started before {stale.path} was written: its restart was lost"
