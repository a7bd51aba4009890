"""Fixed pauses instead of waits for a condition."""

import re
from collections.abc import Iterator
from typing import Final

from evolve.role_lint.rule import Match, Rule, in_tasks
from evolve.role_lint.shell_text import ends_connection
from evolve.role_lint.tasks import AnsibleTask
from evolve.role_lint.words import COMMANDS

_CONDITIONS: Final = ("port", "path", "search_regex", "host", "state", "msg")
_SLEEP: Final = re.compile(r"(?:^|[;&\n])\s*sleep\s+[\d.]+")
_REPEATS: Final = re.compile(r"\b(?:while|until|for|timeout|trap)\b")


def _sleeps(task: AnsibleTask) -> Iterator[Match]:
    length = task.arg("seconds", "minutes")
    # A length in a variable is a deliberate choice of pace.
    if task.module == "pause" and length is not None and "{{" not in length.text and not task.arg("prompt"):
        yield Match(task.module_spot, "waits for a time, not for a condition")
    elif task.module == "wait_for" and task.arg("timeout") and not task.arg(*_CONDITIONS):
        yield Match(task.module_spot, "`wait_for` with only a `timeout` is a sleep")
    elif task.module in COMMANDS and task.command is not None:
        text = task.command.text
        # Before a restart the pause lets Ansible close its connection.
        found = _SLEEP.search(text)
        if found and not _REPEATS.search(text) and not ends_connection(text):
            yield Match(
                task.command.at(found.end()), f"`{found[0].strip(' ;&')}` waits for a time, not for a condition"
            )


RULE = Rule(
    id="sleep-instead-of-wait",
    what="a fixed pause instead of a wait for a condition",
    why="The pause is too short on a slow host and too long on all others.",
    fix="wait for the condition itself: `wait_for: port`, or `uri` with `until`, `retries` and `delay`",
    find=in_tasks(_sleeps),
)
