"""Roles with the name of a host in them."""

import re
from collections.abc import Iterator
from typing import Final

from evolve.role_lint.rule import Match, Rule, in_tasks
from evolve.role_lint.tasks import AnsibleTask

_NAMED: Final = re.compile(
    r"\b(?:inventory_hostname(?:_short)?|ansible_hostname|ansible_nodename)\s*[!=]=\s*(['\"])(?!localhost\b)[^'\"]+\1"
)


def _names(task: AnsibleTask) -> Iterator[Match]:
    for node in task.own_conditions:
        if task.home.is_role and (found := _NAMED.search(node.text)):
            yield Match(node.spot, f"the role depends on the name of a host: `{found[0]}`")


RULE = Rule(
    id="host-name-in-role",
    what="a condition on the name of one host in a role",
    why="The role works in one inventory only; a renamed or second host is skipped silently.",
    fix="test for a group (`'name' in group_names`) or a variable",
    find=in_tasks(_names),
)
