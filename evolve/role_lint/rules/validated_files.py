"""Files that lock people out of the host when they are wrong."""

import re
from collections.abc import Iterator
from typing import Final

from evolve.role_lint.rule import Match, Rule, in_tasks
from evolve.role_lint.rules.fought_files import paths_of
from evolve.role_lint.tasks import AnsibleTask
from evolve.role_lint.words import FILE_WRITERS

_CHECKERS: Final = (
    (re.compile(r"^/etc/sudoers(?:\.d/[^/]+)?$"), "visudo -cf %s"),
    (re.compile(r"^/etc/ssh/sshd_config$"), "sshd -t -f %s"),
)


def _find_unchecked(task: AnsibleTask) -> Iterator[Match]:
    if task.module not in FILE_WRITERS or task.arg("validate") or task.text("state") == "absent":
        return
    for path in (*paths_of(task, "dest"), *paths_of(task, "path"), task.text("dest", "path", "name")):
        for pattern, checker in _CHECKERS:
            if pattern.match(path):
                yield Match(task.module_spot, f"{path} is written without `validate: {checker}`")
                return


RULE = Rule(
    id="written-without-validate",
    what="sudoers or sshd_config written without `validate`",
    why="After one wrong value nobody can log in, or become root, to repair it.",
    fix="add `validate: /usr/sbin/visudo -cf %s` (or `/usr/sbin/sshd -t -f %s`)",
    find=in_tasks(_find_unchecked),
)
