"""Changes that happen after the task has ended."""

import re
from collections.abc import Iterator
from typing import Final

from evolve.role_lint.rule import Match, Rule, in_tasks
from evolve.role_lint.rules.commands_that_write import find_write
from evolve.role_lint.shell_text import redirects
from evolve.role_lint.tasks import AnsibleTask
from evolve.role_lint.words import COMMANDS

_LATER: Final = re.compile(r"(?:^|[|;&\s(/])(systemd-run)\s+(?P<rest>.*)|\|\s*(at)\s+(?:now|-t|\+|\d)", re.DOTALL)
_WAITS: Final = re.compile(r"\s(?:--wait|--pty|--pipe|--scope|-P|-t)\b")
_QUOTES: Final = re.compile(r"['\"]|\b(?:ba|da)?sh\s+-\w*c\b")
_OPTION_WORDS: Final = 8
"""Words in which options and their values may come before the program."""


def _finds_later(task: AnsibleTask) -> Iterator[Match]:
    # A command that reports no change is found by `hidden-change`.
    if task.module not in COMMANDS or task.command is None or task.is_guarded or task.never_changes:
        return
    text = task.command.text
    found = _LATER.search(text)
    if found is None or _WAITS.search(text):
        return
    what = _write_in(found["rest"] or text)
    if what:
        name = found[1] or found[3]
        yield Match(task.command.at(found.start(1 if found[1] else 3)), f"`{name}` changes the host later (`{what}`)")


def _write_in(text: str) -> str:
    words = _QUOTES.sub(" ", text).split()
    starts = (" ".join(words[start:]) for start in range(min(len(words), _OPTION_WORDS)))
    write = next(filter(None, map(find_write, starts)), "")
    return write or next((f"> {found.target}" for found in redirects(" ".join(words))), "")


RULE = Rule(
    id="written-later",
    what="`systemd-run` or `at` without a guard, whose command changes the host after the task has ended",
    why="The change is not in this run's result, its failure is never reported, and every run does it again.",
    fix="run the command as a task, wait for it (`systemd-run --wait`), or install a timer with its unit",
    find=in_tasks(_finds_later),
    cannot_see="What a script or program does inside, and what a service started by the role writes later.",
)
