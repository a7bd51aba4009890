"""Services that every converge interrupts."""

import re
from collections.abc import Iterator
from typing import Final

from evolve.role_lint.rule import Match, Rule, in_tasks
from evolve.role_lint.tasks import AnsibleTask
from evolve.role_lint.words import SERVICES

_BOOTS: Final = re.compile("reboot|restart|shutdown")
"""Names of roles whose purpose is a restart."""


def _restarts(task: AnsibleTask) -> Iterator[Match]:
    if task.is_guarded or task.loops_over_unknown:
        return
    state = task.text("state")
    if task.module in SERVICES and state in ("restarted", "reloaded"):
        yield Match(
            task.module_spot,
            f"`state: {state}` in a task: {task.text('name') or 'the service'} is {state} on every run",
        )
    elif task.module == "docker_container" and task.is_true("restart"):
        yield Match(task.args["restart"].spot, "`restart: true` in a task: the container restarts on every run")


RESTARTS = Rule(
    id="restart-every-run",
    what="`state: restarted` or `reloaded` in a task without a guard",
    why="Every converge interrupts the service and reports a change.",
    fix="make it a handler, and notify it from the tasks that change the configuration",
    find=in_tasks(_restarts),
)


def _reboots(task: AnsibleTask) -> Iterator[Match]:
    if task.module == "reboot" and task.home.is_role and not task.is_guarded and not _BOOTS.search(task.home.name):
        yield Match(task.module_spot, "the host restarts on every run")


REBOOTS = Rule(
    id="reboot-every-run",
    what="`reboot` in a task without a guard",
    why="A second converge restarts a host that does not need it.",
    fix="make it a handler, or test first whether a restart is needed (`/var/run/reboot-required`)",
    find=in_tasks(_reboots),
)
