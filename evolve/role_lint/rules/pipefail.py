"""`pipefail` in a shell that does not have it."""

import re
from collections.abc import Iterator
from typing import Final

from evolve.role_lint.rule import Match, Rule, in_tasks
from evolve.role_lint.tasks import AnsibleTask

_PIPEFAIL: Final = re.compile(r"^\s*set\s+-\w*o\s+pipefail", re.MULTILINE)
# `set -o pipefail 2>/dev/null || true`, or `if (set -o pipefail); then`: the script knows shells without it.
_GUARDED: Final = re.compile(r"set\s+-\w*o\s+pipefail[^\n;]*\|\||\bif\b[^\n]*set\s+-\w*o\s+pipefail|\bBASH_VERSION\b")
_HAS_IT: Final = re.compile(r"(ba|z|k)sh\b")
_OTHER_FAMILY: Final = re.compile(r"RedHat|Rocky|Alma|CentOS|Fedora|Amazon|Suse|Archlinux", re.IGNORECASE)


def _unknown_option(task: AnsibleTask) -> Iterator[Match]:
    if task.module != "shell" or task.command is None or not (found := _PIPEFAIL.search(task.command.text)):
        return
    if _GUARDED.search(task.command.text):
        return
    around = task.inherit("vars")
    shell = task.text("executable") or (
        node.text if around and (node := around.get("ansible_shell_executable")) else ""
    )
    elsewhere = not task.home.runs_on_debian or any(_OTHER_FAMILY.search(node.text) for node in task.conditions)
    if not _HAS_IT.search(shell) and "{{" not in shell and not elsewhere:
        yield Match(task.command.at(found.start()), "`set -o pipefail` under /bin/sh, which is dash on Debian")


RULE = Rule(
    id="pipefail-without-bash",
    what="`set -o pipefail` without `executable: /bin/bash`",
    why="/bin/sh of Debian before release 13 does not have the option, so the task fails there.",
    fix="add `executable: /bin/bash`",
    find=in_tasks(_unknown_option),
)
