"""Which files of tasks every run executes, which depend on a condition, and which only handlers use."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from evolve.role_lint.nodes import Node


@dataclass(frozen=True, slots=True)
class Reachability:
    """Files by how a run reaches them."""

    always: frozenset[str] = frozenset()
    """Every run executes them."""
    guarded: frozenset[str] = frozenset()
    """They run under a condition, for a handler, or when another role includes them."""
    only_handlers: frozenset[str] = frozenset()
    """Only handlers include them."""
    conditions: Mapping[str, tuple[Node, ...]] = field(default_factory=dict)
    """The conditions of the includes on the way to a file."""
