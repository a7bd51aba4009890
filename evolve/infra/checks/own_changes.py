"""Which changes of a play are the role's: its dependencies and `pre_tasks` come before it can refuse anything."""

from pathlib import Path
from typing import NamedTuple

from evolve.core.model.role_checks import TaskLine
from evolve.infra.verification.plays import Played
from evolve.infra.verification.scenario import Scenario
from evolve.infra.verification.verification import spots


class OwnChanges(NamedTuple):
    """What a role changed before it stopped."""

    tasks: list[str]
    """Its tasks that report a change, `file:line: task on host` each."""
    hidden: list[str]
    """What changed although no task at all reported a change."""
    notes: list[str]
    """What is not counted, and why."""


def own_changes(played: Played, changed: list[str], scenario: Scenario) -> OwnChanges:
    """What of a play's changes is the role's.

    A task of the play is not, nor is another role's that ran before the role's first task on that host. What another
    role does later is: the role includes it.

    Args:
        played: the play.
        changed: what the hosts' states before and after it differ in.
        scenario: that of the role.
    """
    own, others = _divide(played, scenario)
    tasks = spots(own, scenario)
    if not others:
        return OwnChanges(tasks, [] if own else changed, [])
    note = f"not counted, for it is not the role's: {'; '.join(spots(others[:3], scenario))}"
    more = f" and {len(others) - 3} more changes" if len(others) > 3 else ""
    also = f"; nor what the hosts differ in: {'; '.join(changed[:3])}" if changed and not own else ""
    return OwnChanges(tasks, [], [f"{note}{more}{also}"])


def _divide(played: Played, scenario: Scenario) -> tuple[list[TaskLine], list[TaskLine]]:
    """The changes that are the role's, and the others."""
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
    """Whether a task is the role's: Ansible names it plainly or in full, or by a path such as `../..`."""
    name = line.role.split(".", 2)[-1] if line.role.count(".") > 1 else line.role
    folder = scenario.role_dir.resolve()
    is_in_it = any(Path(line.path).is_relative_to(folder / part) for part in ("tasks", "handlers"))
    return scenario.role in (line.role, name) or is_in_it
