"""Restart: after a restart of the host its services run again, they work, and a converge changes nothing."""

import time
from collections.abc import Collection, Mapping
from typing import Final

from evolve.core.model.role_checks import Check, CheckOutcome
from evolve.infra.checks import function
from evolve.infra.hosts.host_differences import differences
from evolve.infra.hosts.host_state import HostState, UnitState
from evolve.infra.hosts.labs import Host
from evolve.infra.verification.host_set import HostSet
from evolve.infra.verification.role_tests import run_tests
from evolve.infra.verification.verification import (
    RESTART_SEED,
    CheckReport,
    Verification,
    diffs,
    relative,
    report_failed,
    report_passed,
    spots,
)

CHECK: Final = Check.RESTART
BACK_WITHIN_S: Final = 60.0
"""How long services may take after the boot: systemd restarts one that failed during it only after a pause."""
_PASSIVE: Final = frozenset(
    f"{name}.target"
    for name in (
        *("cryptsetup-pre", "first-boot-complete", "getty-pre", "local-fs-pre", "network", "network-pre"),
        *("nss-lookup", "nss-user-lookup", "remote-fs-pre", "rpcbind", "time-set", "time-sync"),
    )
)
"""Targets that are reached only where another unit pulls them in (systemd.special(7)), such as a network manager."""


def check(verification: Verification) -> CheckReport:
    """Report a unit that is not back or outdated, a failing test of the role, and a converge that changes something."""
    hosts = verification.converged.hosts
    verification.second  # noqa: B018 - its own check reports it; it must not happen after the restart
    function.check(verification)  # a test that fails before the restart says nothing about the restart
    if _tests_change(verification):
        hosts.converge()  # what the tests have changed is put in order before, so that it does not count
    before = hosts.states()
    outdated = _outdated_units(before)
    if outdated:
        return report_failed(outdated, evidence=verification.journal(hosts))
    hosts.restart()
    missing = _missing_units(hosts, before)
    if missing:
        return report_failed(
            [f"{what} {BACK_WITHIN_S:g} s after the restart" for what in missing],
            evidence=verification.journal(hosts),
        )
    reasons, evidence, notes = _tests(verification, hosts)
    if reasons:
        return report_failed(reasons, evidence=evidence)
    played = hosts.converge(hash_seed=RESTART_SEED)
    if not played.is_ok:
        return report_failed([f"the converge after the restart fails: {relative(played.why, verification.scenario)}"])
    changed = spots(played.changed, verification.scenario)
    known = {line.spot for line in verification.second.played.changed}
    new = [spot for spot, line in zip(changed, played.changed, strict=True) if line.spot not in known]
    if new:
        reasons = [f"{spot} changed something after the restart" for spot in new]
        return report_failed(reasons, evidence=diffs(played.changed), tasks=played.lines)
    return report_passed(notes=notes, tasks=played.lines)


def _tests_change(verification: Verification) -> bool:
    """Return whether the role's tests are a playbook that changes the hosts."""
    return any(line.status == "changed" for line in function.check(verification).tasks)


def _tests(verification: Verification, hosts: HostSet) -> tuple[list[str], Mapping[str, str], tuple[str, ...]]:
    """Return why the role's tests fail after the restart, with evidence; and notes about tests that did not run."""
    before = function.check(verification)
    if _tests_change(verification):
        return [], {}, ("not run after the restart: the role's tests, which change the host themselves",)
    if before.outcome is CheckOutcome.FAILED:
        return [], {}, ("not run after the restart: the role's tests, which failed before it",)
    tests = run_tests(verification.scenario, hosts)
    if tests.outcome is CheckOutcome.FAILED:
        return [f"after the restart: {why}" for why in tests.reasons], tests.evidence, tests.notes
    if tests.outcome is CheckOutcome.PASSED:
        return [], {}, ()
    return [], {}, tuple(f"not run after the restart: {why}" for why in tests.reasons)


def _outdated_units(states: Mapping[str, HostState]) -> list[str]:
    """Return the units that a restart of the host would change, because systemd has not read their files."""
    return [
        f"{host}: {name} runs with old unit files: they changed, and no daemon-reload followed before the restart"
        for host, state in states.items()
        for name, unit in state.units.items()
        if unit.is_outdated and unit.active == "active" and not name.endswith(".mount")
    ]


def _lasting_units(state: HostState) -> Mapping[str, UnitState]:
    """Return the units that must run again by themselves."""
    return {name: unit for name, unit in state.units.items() if not unit.varies}


def _wanted_units(hosts: HostSet, before: Mapping[str, HostState]) -> dict[str, HostState]:
    """Return the units that must run again, by host.

    Not those that only stopped units want, or targets that no unit of this host may pull in: a package starts such a
    unit when it is installed, whatever the role does.
    """
    found = {}
    for host in (member.host for member in hosts.members):
        lasting = _lasting_units(before[host.name])
        active = {name for name, unit in before[host.name].units.items() if unit.active == "active"}
        active |= _reached_targets(host)
        wanted = {name: unit for name, unit in lasting.items() if is_wanted(unit, active)}
        found[host.name] = HostState({}, wanted)
    return found


def is_wanted(unit: UnitState, active: Collection[str]) -> bool:
    """Return whether a unit must run again after a restart: nothing is said to want it, or what wants it comes back.

    Args:
        unit: as it was before the restart.
        active: the units and targets that were active then.
    """
    names = unit.wanted_by
    return not names or any(name in active or (name.endswith(".target") and name not in _PASSIVE) for name in names)


def _reached_targets(host: Host) -> set[str]:
    shown = host.run("systemctl", "list-units", "--type=target", "--state=active", "--plain", "--no-legend").stdout
    return {line.split()[0] for line in shown.splitlines() if line.strip()}


def _missing_units(hosts: HostSet, before: Mapping[str, HostState]) -> list[str]:
    """Return the units that do not run again within BACK_WITHIN_S."""
    wanted = _wanted_units(hosts, before)
    deadline = time.monotonic() + BACK_WITHIN_S
    while True:
        now = hosts.states()
        missing = [
            f"{host}: {what}"
            for host, state in wanted.items()
            for what in differences(state, HostState({}, now[host].units))
        ]
        if not missing or time.monotonic() > deadline:
            return missing
        time.sleep(0.5)  # a look at the hosts takes as long
