"""Shell commands that append the same line on each run."""

import re
from collections.abc import Iterator
from typing import Final

from evolve.role_lint.rule import Match, Rule, in_tasks
from evolve.role_lint.shell_text import redirects
from evolve.role_lint.tasks import AnsibleTask

# Signs that the command looks before it appends.
_CHECKS: Final = re.compile(r"\bgrep\b|\bmktemp\b|\bif\b|\[ |\btest\b")
_LOGS: Final = re.compile(r"\.log\b|/var/log/")


def _appends(task: AnsibleTask) -> Iterator[Match]:
    if task.module != "shell" or task.command is None or task.is_guarded or _CHECKS.search(task.command.text):
        return
    text = task.command.text
    fresh = {found.target for found in redirects(text) if not found.appends}
    for found in redirects(text):
        if found.appends and found.target not in fresh and not _LOGS.search(found.target):
            yield Match(task.command.at(found.at), f"appends to {found.target} on every run")


RULE = Rule(
    id="append-every-run",
    what="`>>` in a shell task without a guard",
    why="Each run adds the same line to the file again.",
    fix="use `lineinfile` or `blockinfile`, or guard the task",
    find=in_tasks(_appends),
)
