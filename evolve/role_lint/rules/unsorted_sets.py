"""Lists in files whose order or length is not fixed."""

import re
from collections.abc import Iterator
from typing import Final

from evolve.role_lint.homes import Tree
from evolve.role_lint.jinja_text import without_strings
from evolve.role_lint.lasting import lasting_expressions
from evolve.role_lint.rule import Match, Rule

_UNORDERED: Final = re.compile(
    r"\|\s*(?:ansible\.builtin\.)?(union|intersect|difference|symmetric_difference)\s*\("
    r"|\b(?:lookup|query|q)\(\s*['\"](?:ansible\.builtin\.)?(fileglob)['\"]"
)
_ORDERLESS: Final = re.compile(
    r"\|\s*(?:sort|dictsort|length|count|min|max|sum|bool)\b|\s(?:not\s+)?in\s*\(|^-?\s*set\b"
)
"""Uses that do not depend on the order; a variable from `set` may be sorted later."""
_CONDITION: Final = re.compile(r"-?\s*(?:el)?if\b")
_PLAY_ONLY: Final = re.compile(r"\b(ansible_play_hosts|ansible_play_hosts_all|ansible_play_batch|play_hosts)\b")


def _orders(tree: Tree) -> Iterator[Match]:
    for found in lasting_expressions(tree):
        kind = _UNORDERED.search(found.inside)
        if kind and not _ORDERLESS.search(found.inside) and not _CONDITION.match(found.inside):
            yield Match(found.spot, f"`{kind[1] or kind[2]}` gives its items in no fixed order")


ORDERS = Rule(
    id="unsorted-set",
    what="the unsorted result of a set operation or a file search in a file",
    why="Ansible computes it with sets, whose order differs from run to run, so the file changes without need.",
    fix="add `| sort`",
    find=_orders,
    cannot_see="Whether the items are dictionaries, whose order Ansible keeps.",
)


def _limits(tree: Tree) -> Iterator[Match]:
    for found in lasting_expressions(tree):
        if name := _PLAY_ONLY.search(without_strings(found.inside)):
            yield Match(found.spot, f"`{name[0]}` contains only the hosts of this run")


LIMITS = Rule(
    id="file-depends-on-limit",
    what="`ansible_play_hosts` or a similar variable in a file",
    why="With `--limit`, `serial` or a failed host the file gets a different content.",
    fix="use a group: `groups['name']`",
    find=_limits,
)
