"""The time, and facts that change like it, in files on a host."""

import re
from collections.abc import Iterator
from typing import Final

from evolve.role_lint.homes import Tree
from evolve.role_lint.lasting import lasting_expressions
from evolve.role_lint.nodes import Spot
from evolve.role_lint.rule import Match, Rule

_TIME: Final = re.compile(
    r"\bnow\s*\(|\bansible_date_time\b|\bansible_facts\s*(?:\.\s*date_time\b|\[\s*['\"]date_time)"
    r"|\btemplate_(?:run_date|mtime)\b|\blookup\(\s*['\"](?:ansible\.builtin\.)?pipe['\"]\s*,\s*['\"]date\b"
    r"|\|\s*strftime\b(?!\s*\(\s*[^\s)])"
)
_VOLATILE: Final = re.compile(
    r"(?:\bansible_|\bansible_facts\s*(?:\.\s*|\[\s*['\"]))(?:memfree_mb|swapfree_mb|uptime_seconds|loadavg|memory_mb\b(?!.*\btotal\b))"
    r"|\.\s*(?:size_available|block_available|inode_available|inode_used|block_used)\b"
)
_MANAGED: Final = re.compile(r"\s*ansible_managed\s*=.*%[YmdHMSc]")


def _times(tree: Tree) -> Iterator[Match]:
    for found in lasting_expressions(tree):
        if not found.is_guarded and (time := _TIME.search(found.inside)):
            yield Match(found.spot, f"`{time[0].strip(' |(')}` differs on each run")


TIMES = Rule(
    id="time-in-file",
    what="the time of the run in a file or a path",
    why="The content differs on each run, so every run changes the file and restarts the service.",
    fix="leave the time out; `ansible_managed` says who wrote the file, the file system says when",
    find=_times,
)


def _volatile(tree: Tree) -> Iterator[Match]:
    for found in lasting_expressions(tree):
        if not found.is_guarded and (fact := _VOLATILE.search(found.inside)):
            yield Match(found.spot, f"the fact `{fact[0].strip('. ')}` differs from run to run")


VOLATILE = Rule(
    id="volatile-fact",
    what="a fact that changes (free memory, load, uptime) in a file",
    why="Every run changes the file and so restarts the service.",
    fix="use a constant fact (`memtotal_mb`, `processor_vcpus`) or a variable",
    find=_volatile,
)


def _find_managed(tree: Tree) -> Iterator[Match]:
    for settings in tree.settings:
        for number, line in enumerate(settings.lines, 1):
            if _MANAGED.match(line):
                yield Match(Spot(settings.path, number), "`ansible_managed` contains a time")


MANAGED = Rule(
    id="time-in-ansible-managed",
    what="`ansible_managed` with a time in ansible.cfg",
    why="Each file that uses it changes when its template is copied or checked out again.",
    fix="leave the `%` parts out",
    find=_find_managed,
)
