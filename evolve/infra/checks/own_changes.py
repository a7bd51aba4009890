"""Which changes of a play are the role's own: dependencies and `pre_tasks` run before it can refuse anything."""

from pathlib import Path
from typing import NamedTuple

from evolve.core.model.role_checks import TaskLine
from evolve.core.text.counts import count
from evolve.infra.verification.plays import Played
from evolve.infra.verification.scenario import Scenario
from evolve.infra.verification.verification import spots

_SHOWN = 3
"""How many of the changes that are not counted a note lists."""


class OwnChanges(NamedTuple):
    """What a role changed before it stopped."""

    tasks: list[str]
    """Its tasks that report a change, `file:line: task on host` each."""
    hidden: list[str]
    """What changed although no task at all reported a change."""
    notes: list[str]
    """What is not counted, and why."""


def own_changes(played: Played, changed: list[str], scenario: Scenario) -> OwnChanges:
    """Return those of a play's changes that are the role's own.

    Not its own are the changes of the play's tasks, and those of other roles before the role's first task on the host.
    What another role changes later counts as its own: the role includes that one.

    Args:
        played: the play.
        changed: the differences between the hosts' states before and after it.
        scenario: the role's.
    """
    own, others = _divide(played, scenario)
    tasks = spots(own, scenario)
    if not others:
        return OwnChanges(tasks, [] if own else changed, [])
    note = f"not counted, because the role did not make it: {'; '.join(spots(others[:_SHOWN], scenario))}"
    more = f" and {count(len(others) - _SHOWN, 'more change')}" if len(others) > _SHOWN else ""
    also = f"; nor these differences of the hosts: {'; '.join(changed[:_SHOWN])}" if changed and not own else ""
    return OwnChanges(tasks, [], [f"{note}{more}{also}"])


def _divide(played: Played, scenario: Scenario) -> tuple[list[TaskLine], list[TaskLine]]:
    """Return the changes that are the role's, and the others."""
    own: list[TaskLine] = []
    others: list[TaskLine] = []
    begun: set[str] = set()
    for line in played.lines:
        is_own = _is_of(line, scenario)
        if is_own:
            begun.add(line.host)
        if line.status == "changed":
            (own if is_own or (line.role and line.host in begun) else others).append(line)
    return own, others


def _is_of(line: TaskLine, scenario: Scenario) -> bool:
    """Return whether a task is the role's; Ansible gives its name, its full name, or a path such as `../..`."""
    name = line.role.split(".", 2)[-1] if line.role.count(".") > 1 else line.role
    folder = scenario.role_dir.resolve()
    is_in_it = any(Path(line.path).is_relative_to(folder / part) for part in ("tasks", "handlers"))
    return scenario.role in (line.role, name) or is_in_it
