"""Files in folders that a restart empties."""

import re
from collections.abc import Iterator
from typing import Final

from evolve.role_lint.rule import Match, Rule, in_tasks
from evolve.role_lint.tasks import AnsibleTask

_VANISHING: Final = re.compile(r"/(tmp|run|var/run|dev/shm)/")


def _marks(task: AnsibleTask) -> Iterator[Match]:
    for key in ("creates",):
        node = task.arg(key)
        path = task.text(key)
        if node is not None and _VANISHING.match(path) and not task.conditions and not task.is_handler:
            yield Match(node.spot, f"`creates: {path}` is gone after a restart, so the task runs again")


RULE = Rule(
    id="mark-gone-after-restart",
    what="`creates:` with a path in /tmp, /run or /dev/shm",
    why="A restart empties these folders, so the task runs again on a complete host.",
    fix="name a lasting file that the command creates, or keep a marker under /var/lib",
    find=in_tasks(_marks),
)


def _downloads(task: AnsibleTask) -> Iterator[Match]:
    path = task.text("dest")
    if task.module not in ("get_url", "unarchive", "git") or task.is_guarded or not _VANISHING.match(path):
        return
    if task.inherit("delegate_to") is None:
        yield Match(task.module_spot, f"`{task.module}` into {path}: gone after a restart, so it is fetched again")


DOWNLOADS = Rule(
    id="download-gone-after-restart",
    what="a download into /tmp without a guard",
    why="After a restart the next converge downloads again, reports changes and needs the network.",
    fix="keep it under /var/cache or /opt with its version in the name, or skip it when its product is installed",
    find=in_tasks(_downloads),
)
