"""Arguments: they are specified, `defaults/` agrees, and a wrong one is refused before any change."""

import re
from collections.abc import Mapping
from typing import Any, Final

import yaml

from evolve.core.model.role_checks import Check
from evolve.core.text.counts import count
from evolve.infra.checks.own_changes import own_changes, see_that_the_role_ran
from evolve.infra.verification.plays import Played
from evolve.infra.verification.role_arguments import disagreements, read_arguments, wrong_values
from evolve.infra.verification.verification import (
    CheckReport,
    Verification,
    not_checked,
    relative,
    report_failed,
    report_passed,
)

CHECK: Final = Check.ARGUMENTS
_MAX_MESSAGE: Final = 600
"""How many characters of the role's message are quoted; each argument that was not refused quotes it again."""
_PARAMETERS: Final = (
    "(a value that converge.yml passes as a parameter of the role overrides the wrong one: "
    "set it in the vars of the play instead)"
)


def check(verification: Verification) -> CheckReport:
    """Report every argument that is not documented, does not agree with its default, or is not refused when wrong."""
    role_dir = verification.scenario.role_dir
    try:
        arguments = read_arguments(role_dir)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        return report_failed([f"{role_dir.name}: defaults/ or meta/ is not valid YAML: {error}"])
    if arguments.options is None:
        where = relative(arguments.specs, verification.scenario)
        why = f"{where} does not exist: no argument of the role is documented, and a wrong one is not refused"
        return report_failed([why]) if verification.options.is_strict else not_checked(why)
    problems, notes = disagreements(arguments)
    reasons = [f"{role_dir.name}: {problem}" for problem in problems]
    if reasons and not verification.options.is_strict:
        # Ansible itself takes a specification's defaults for prose.
        notes.append(f"without --infra-strict only a note: {count(len(reasons), 'disagreement')}, {reasons[0]}")
        reasons = [f"{role_dir.name}: {problem}" for problem in arguments.problems]
    wrong = wrong_values(arguments)
    if wrong:
        not_refused, not_counted = _not_refused(verification, wrong)
        reasons += not_refused
        notes += [f"{len(wrong)} wrong arguments were tried", *not_counted]
    else:
        notes.append("no argument can be refused: all take any text")
    return report_failed(reasons, notes=notes) if reasons else report_passed(notes=notes)


def _not_refused(verification: Verification, wrong: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Return what is wrong with the role's answer to wrong arguments, all given at once; and notes."""
    hosts = verification.untouched()
    before = hosts.states()
    played = hosts.converge(extra_vars=wrong)
    verification.see_that_it_began(played)
    see_that_the_role_ran(played, verification.scenario)
    changed = verification.changes_between(before, hosts.states())
    if changed:
        verification.spoil(hosts)
    found = own_changes(played, changed, verification.scenario)
    reasons = [f"with wrong arguments, {spot} changed something" for spot in found.tasks]
    reasons += [f"with wrong arguments, {what}" for what in found.hidden]
    return [*reasons, *_not_named(played, wrong)], found.notes


def _not_named(played: Played, wrong: Mapping[str, Any]) -> list[str]:
    if played.is_ok:
        return [f"wrong arguments were not refused: {dict(wrong)}"]
    text = "\n".join(line.message for line in played.failed) or played.log
    unnamed = [f"{name}={wrong[name]!r}" for name in wrong if not re.search(rf"\b{re.escape(name)}\b", text)]
    if not unnamed:
        return []
    which = f"{', '.join(unnamed)} {'was' if len(unnamed) == 1 else 'were'} not refused"
    return [f"{which}; the role's message: {text[:_MAX_MESSAGE]}\n{_PARAMETERS}"]
