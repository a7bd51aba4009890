"""Preflight: each broken requirement stops the role with its own message, before any change."""

from pathlib import Path
from typing import Any, Final

import yaml

from evolve.core.model.role_checks import Check, TaskLine
from evolve.infra.checks.own_changes import own_changes, see_that_the_role_ran
from evolve.infra.verification.plays import Played
from evolve.infra.verification.scenario import Scenario, ScenarioFault
from evolve.infra.verification.verification import (
    CheckReport,
    Verification,
    not_checked,
    relative,
    report_failed,
    report_passed,
)

CHECK: Final = Check.PREFLIGHT
_ASSERTS: Final = ("assert", "ansible.builtin.assert", "fail", "ansible.builtin.fail")


def check(verification: Verification) -> CheckReport:
    """Report when the role continues, fails with another message, or changes something before it stops."""
    scenario = verification.scenario
    if not scenario.faults:
        return not_checked(
            f"{scenario.role}/molecule/default/preflight_faults.yaml declares no way to break a requirement"
        )
    reasons: list[str] = []
    evidence: dict[str, str] = {}
    lines: list[TaskLine] = []
    not_counted: list[str] = []
    for fault in scenario.faults:
        played, why, notes = _broken(verification, fault)
        lines += played.lines
        not_counted += [f"{note} ({fault.name})" for note in notes]
        reasons += [f"{fault.name}: {reason}" for reason in why]
        if why:
            evidence[f"the role's message: {fault.name}"] = played.why or "it converged"
    stopped = {(line.path, line.line) for line in lines if line.status == "failed"}
    notes = [f"{len(scenario.faults)} requirements were broken", *_never_broken(scenario, stopped), *not_counted]
    if reasons:
        return report_failed(reasons, evidence=evidence, notes=notes, tasks=lines)
    return report_passed(notes=notes, tasks=lines)


def _broken(verification: Verification, fault: ScenarioFault) -> tuple[Played, list[str], list[str]]:
    """Return what the role did with one broken requirement, what is wrong with that, and notes."""
    hosts = verification.fresh() if fault.tasks else verification.untouched()
    try:
        if fault.tasks:
            made = hosts.play_tasks(fault.name, fault.tasks)
            if not made.is_ok:
                return made, [f"the fault could not be made: {made.why}"], []
        before = hosts.states()
        played = hosts.converge(extra_vars=fault.vars)
        verification.see_that_it_began(played)
        see_that_the_role_ran(played, verification.scenario)
        changed = verification.changes_between(before, hosts.states())
    finally:
        if fault.tasks:
            hosts.remove()
    if changed and not fault.tasks:
        verification.spoil(hosts)
    found = own_changes(played, changed, verification.scenario)
    reasons = [
        *_wrong_end(played, fault, verification.scenario),
        *(f"{spot} reports a change before the role stopped" for spot in found.tasks),
        *(f"{what} before the role stopped" for what in found.hidden),
    ]
    return played, reasons, found.notes


def _wrong_end(played: Played, fault: ScenarioFault, scenario: Scenario) -> list[str]:
    if played.is_ok:
        return [f"expected the role to stop with a message that contains {fault.message!r}; it continued"]
    text = "\n".join(line.message for line in played.failed) or played.log
    if fault.message in text:
        return []
    return [f"expected a message that contains {fault.message!r}, got: {relative(played.why, scenario)}"]


def _never_broken(scenario: Scenario, stopped: set[tuple[str, int]]) -> list[str]:
    """Return the asserts of the preflight that no fault made fail."""
    path = scenario.role_dir / "tasks" / "preflight.yml"
    return [
        f"not broken by any fault: {name} ({relative(path, scenario)}:{line})"
        for name, line in _asserts(path)
        if not any(line == at and Path(where).name == path.name for where, at in stopped)
    ]


def _asserts(path: Path) -> list[tuple[str, int]]:
    """Return name and line of each assert in a file of tasks; none if it is not valid YAML, which its play reports."""
    if not path.exists():
        return []
    try:
        tree = yaml.compose(path.read_text("utf-8"), Loader=yaml.SafeLoader)
    except (yaml.YAMLError, UnicodeDecodeError):
        return []
    return _asserts_below(tree)


def _asserts_below(node: Any) -> list[tuple[str, int]]:
    if isinstance(node, yaml.SequenceNode):
        return [found for part in node.value for found in _asserts_below(part)]
    if not isinstance(node, yaml.MappingNode):
        return []
    keys = {key.value: value for key, value in node.value if isinstance(key, yaml.ScalarNode)}
    if any(name in keys for name in _ASSERTS):
        name = keys["name"].value if "name" in keys else "an assert without a name"
        return [(name, node.start_mark.line + 1)]
    return [found for key in ("block", "rescue", "always") if key in keys for found in _asserts_below(keys[key])]
