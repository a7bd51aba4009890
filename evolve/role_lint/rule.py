"""What a rule is: a name, why it matters, how to mend it, and where it finds its smell."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from evolve.role_lint.homes import Home, Tree
from evolve.role_lint.nodes import Spot
from evolve.role_lint.tasks import Task


class Hit(NamedTuple):
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
    find: Callable[[Tree], Iterable[Hit]]


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One smell in one place, for people and machines."""

    spot: Spot
    rule: str
    message: str
    mend: str

    def __str__(self) -> str:
        return f"{self.spot.path}:{self.spot.line}:{self.spot.column}: {self.rule}: {self.message}"


def in_tasks(find: Callable[[Task], Iterator[Hit]]) -> Callable[[Tree], Iterator[Hit]]:
    """Looks at each task and handler by itself."""

    def found(tree: Tree) -> Iterator[Hit]:
        for task in tree.tasks:
            yield from find(task)

    return found


def in_homes(find: Callable[[Home], Iterator[Hit]]) -> Callable[[Tree], Iterator[Hit]]:
    """Looks at each role and playbook as a whole."""

    def found(tree: Tree) -> Iterator[Hit]:
        for home in tree.homes:
            yield from find(home)

    return found
