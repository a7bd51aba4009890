"""Scripts from the network that a shell runs unchecked."""

import re
from collections.abc import Iterator
from typing import Final

from evolve.role_lint.rule import Match, Rule, in_tasks
from evolve.role_lint.tasks import AnsibleTask
from evolve.role_lint.words import COMMANDS

_PIPED: Final = re.compile(
    r"\b(curl|wget)\b[^|;&\n]*(?:\\\n[^|;&\n]*)*\|\s*(?:sudo\s+(?:-\S+\s+)*)?(?:/\S*/)?(ba|da|z|k)?sh\b"
    r"|\b(?:ba|da|z)?sh\s+(?:-c\s+[\"']?\$\(|<\()\s*(?:curl|wget)\b"
)


def _pipes(task: AnsibleTask) -> Iterator[Match]:
    if task.module in COMMANDS and task.command is not None:
        for found in _PIPED.finditer(task.command.text):
            yield Match(task.command.at(found.start()), "a downloaded script goes straight into a shell")


RULE = Rule(
    id="download-into-shell",
    what="`curl ... | sh`",
    why="The script can change any day, a truncated download runs in part, and nobody can read later what ran.",
    fix="download with `get_url` and a checksum, then run the file with `creates:`",
    find=in_tasks(_pipes),
)
