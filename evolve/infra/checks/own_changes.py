"""Which changes of a play are the role's own: dependencies and `pre_tasks` run before it can refuse anything."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from evolve.core.model.role_checks import TaskLine
from evolve.core.text.counts import count
from evolve.infra.verification.plays import Played
from evolve.infra.verification.scenario import Scenario
from evolve.infra.verification.verification import BlockedByEarlierCheck, relative, spots
from evolve.system.role_layout import role_names

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


class Divided(NamedTuple):
    """The results of a play that are of interest, by who made them."""

    own: list[TaskLine]
    """The role's, and those of roles that it includes."""
    others: list[TaskLine]
    """The scenario's own tasks, and roles that ran before the role's first task."""


def own_changes(played: Played, changed: list[str], scenario: Scenario) -> OwnChanges:
    """Return those of a play's changes that are the role's own.

    Not its own are the changes of the play's tasks, and those of other roles before the role's first task on the host.
    What another role changes later counts as its own: the role includes that one.

    Args:
        played: the play.
        changed: the differences between the hosts' states before and after it.
        scenario: the role's.
    """
    own, others = divide(played, played.changed, scenario)
    tasks = spots(own, scenario)
    if not others:
        return OwnChanges(tasks, [] if own else changed, [])
    also = f"; nor these differences of the hosts: {'; '.join(changed[:_SHOWN])}" if changed and not own else ""
    return OwnChanges(tasks, [], [f"{not_counted(others, scenario)}{also}"])


def not_counted(others: list[TaskLine], scenario: Scenario) -> str:
    """Return a note about results of tasks that are not the role's."""
    more = f" and {count(len(others) - _SHOWN, 'more change')}" if len(others) > _SHOWN else ""
    return f"not counted, because the role did not make it: {'; '.join(spots(others[:_SHOWN], scenario))}{more}"


def see_that_the_role_ran(played: Played, scenario: Scenario) -> None:
    """Raise BlockedByEarlierCheck when another task failed before the role: the play says nothing about the role."""
    own, others = divide(played, played.failed if played.rc > 0 else (), scenario)
    if others and not own:
        raise BlockedByEarlierCheck(f"a task that is not the role's fails: {relative(str(others[-1]), scenario)}")


def divide(played: Played, wanted: Iterable[TaskLine], scenario: Scenario) -> Divided:
    """Return the wanted results of a play, those of the role apart from all others."""
    chosen = {id(line) for line in wanted}
    folder, names = scenario.role_dir.resolve(), role_names(scenario.role_dir.resolve())
    found = Divided([], [])
    begun: set[str] = set()
    for line in played.lines:
        is_own = _is_of(line, folder, names)
        if is_own:
            begun.add(line.host)
        if id(line) in chosen:
            (found.own if is_own or (line.role and line.host in begun) else found.others).append(line)
    return found


def _is_of(line: TaskLine, folder: Path, names: list[str]) -> bool:
    """Return whether a task is the role's; Ansible gives its name, its full name, or a path such as `../..`."""
    is_in_it = any(Path(line.path).is_relative_to(folder / part) for part in ("tasks", "handlers"))
    return line.role in names or line.role.rpartition(".")[2] in names or is_in_it
