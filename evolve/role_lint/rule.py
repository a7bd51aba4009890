"""What a rule is: its id, the pattern that it finds, why that matters, and how to fix it."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from evolve.role_lint.homes import TaskScope, Tree
from evolve.role_lint.nodes import Spot
from evolve.role_lint.tasks import AnsibleTask


class Match(NamedTuple):
    """One place where a rule applies."""

    spot: Spot
    message: str
    """What is wrong, with the names of this place."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One pattern that breaks a role. To add a rule, put a module with a `Rule` into `rules/`."""

    id: str
    what: str
    """The pattern in one line."""
    why: str
    """What goes wrong because of it."""
    fix: str
    """How to write it instead."""
    find: Callable[[Tree], Iterable[Match]]
    cannot_see: str = ""
    """Cases that the rule misses or judges wrongly, as a sentence; empty if there is nothing to say."""


@dataclass(frozen=True, slots=True, order=True)
class LintFinding:
    """One match of one rule, as it is reported."""

    spot: Spot
    rule: str
    message: str
    fix: str

    def __str__(self) -> str:
        return f"{self.spot.path}:{self.spot.line}:{self.spot.column}: {self.rule}: {self.message}"


def in_tasks(find: Callable[[AnsibleTask], Iterator[Match]]) -> Callable[[Tree], Iterator[Match]]:
    """Return a rule's search that looks at each task and handler alone."""

    def find_in(tree: Tree) -> Iterator[Match]:
        for task in tree.tasks:
            yield from find(task)

    return find_in


def in_homes(find: Callable[[TaskScope], Iterator[Match]]) -> Callable[[Tree], Iterator[Match]]:
    """Return a rule's search that looks at each role and playbook as a whole."""

    def find_in(tree: Tree) -> Iterator[Match]:
        for home in tree.homes:
            yield from find(home)

    return find_in
