"""What a rule is: a name, why it matters, how to mend it, and where it finds its smell."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from evolve.role_lint.homes import TaskScope, Tree
from evolve.role_lint.nodes import Spot
from evolve.role_lint.tasks import AnsibleTask


class Match(NamedTuple):
    """One place that smells."""

    spot: Spot
    message: str
    """What is wrong here, with the names of this place."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One smell. A module in `rules/` that holds a `Rule` is all that a new one needs."""

    id: str
    what: str
    """The smell in one line."""
    why: str
    """What goes wrong because of it."""
    mend: str
    """What to write instead."""
    find: Callable[[Tree], Iterable[Match]]


@dataclass(frozen=True, slots=True, order=True)
class LintFinding:
    """One smell in one place, for people and machines."""

    spot: Spot
    rule: str
    message: str
    mend: str

    def __str__(self) -> str:
        return f"{self.spot.path}:{self.spot.line}:{self.spot.column}: {self.rule}: {self.message}"


def in_tasks(find: Callable[[AnsibleTask], Iterator[Match]]) -> Callable[[Tree], Iterator[Match]]:
    """Looks at each task and handler by itself."""

    def find_in(tree: Tree) -> Iterator[Match]:
        for task in tree.tasks:
            yield from find(task)

    return find_in


def in_homes(find: Callable[[TaskScope], Iterator[Match]]) -> Callable[[Tree], Iterator[Match]]:
    """Looks at each role and playbook as a whole."""

    def find_in(tree: Tree) -> Iterator[Match]:
        for home in tree.homes:
            yield from find(home)

    return find_in
