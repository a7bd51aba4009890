"""Failures that are not reported."""

from collections.abc import Iterator
from typing import Final

from evolve.role_lint.homes import TaskScope
from evolve.role_lint.rule import Match, Rule, in_homes, in_tasks
from evolve.role_lint.shell_text import ends_connection
from evolve.role_lint.tasks import AnsibleTask
from evolve.role_lint.words import CHANGERS, SERVICES

_MAY_BE_ABSENT: Final = ("stopped", "absent")


def _swallows(task: AnsibleTask) -> Iterator[Match]:
    entry = task.keywords.get("failed_when")
    if entry is None or entry.node.text.lower() not in ("false", "no") or task.keyword_text("register"):
        return
    stops = task.module in SERVICES and (task.text("state") in _MAY_BE_ABSENT or task.is_false("enabled"))
    if task.module in CHANGERS and not stops and task.text("state") != "absent":
        yield Match(entry.spot, f"`failed_when: false` hides every failure of `{task.module}`")


SWALLOWS = Rule(
    id="failure-hidden",
    what="`failed_when: false` on a task that changes the host, without `register`",
    why="The role continues as if the task had worked; the fault appears elsewhere, or never.",
    fix="list the acceptable failures: register the result and test it in `failed_when`",
    find=in_tasks(_swallows),
)


def _is_reboot(task: AnsibleTask) -> bool:
    return task.module == "reboot" or (task.command is not None and ends_connection(task.command.text))


def _forgets(home: TaskScope) -> Iterator[Match]:
    asked = " ".join(task.text("jid") for task in home.tasks if task.module == "async_status")
    for task in home.tasks:
        poll = task.keywords.get("poll")
        if poll is None or poll.node.text != "0" or task.keyword("async") is None or _is_reboot(task):
            continue
        name = task.keyword_text("register")
        if not asked or (name and name not in asked and ".results" not in asked and "item" not in asked) or not name:
            yield Match(poll.spot, "nothing waits for this task (`async_status`)")


FORGETS = Rule(
    id="async-forgotten",
    what="`poll: 0` without `async_status`",
    why="The role continues before the task has ended, and its failure is never reported.",
    fix="register the task and wait for it with `async_status` and `until: ... is finished`",
    find=in_homes(_forgets),
)
