"""Which files of tasks every run comes through, which a condition decides on, and which only handlers use."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from evolve.role_lint.nodes import Node


@dataclass(frozen=True, slots=True)
class Reachability:
    """Files by how a run comes to them."""

    always: frozenset[str] = frozenset()
    """Every run comes here."""
    guarded: frozenset[str] = frozenset()
    """A condition, a handler, or another role's wish decides."""
    only_handlers: frozenset[str] = frozenset()
    """Only handlers include them."""
    conditions: Mapping[str, tuple[Node, ...]] = field(default_factory=dict)
    """What the includes on the way to a file ask."""
