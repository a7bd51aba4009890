"""The variables that a template with blocks certainly prints or loops over, whatever its conditions decide."""

from collections.abc import Iterator, Sequence
from typing import Any

_DEFAULTS = frozenset(("default", "d"))


def needed_names(text: str) -> frozenset[str]:
    """Return the names; none for a text that is not a well-formed template.

    What is inside a condition is left out, and so is what the template sets itself: only rendering shows that.
    """
    from jinja2 import nodes
    from jinja2.exceptions import TemplateSyntaxError

    from evolve.core.model.errors import CannotEvaluate
    from evolve.core.templating.syntax import parse

    try:
        tree = parse(text)
    except (TemplateSyntaxError, CannotEvaluate, RecursionError):
        return frozenset()
    own = {name.name for name in tree.find_all(nodes.Name) if name.ctx != "load"}
    own |= {macro.name for macro in tree.find_all(nodes.Macro)}
    return frozenset(_names_of(tree.body)) - own


def _names_of(statements: Sequence[Any]) -> Iterator[str]:
    from jinja2 import nodes

    for node in statements:
        if isinstance(node, nodes.Output):
            yield from filter(None, map(_root, node.nodes))
        elif isinstance(node, nodes.For):
            yield from filter(None, [_root(node.iter)])
            yield from _names_of(node.body)


def _root(node: Any) -> str | None:
    """Return the variable whose value an expression prints, or a part of which it prints; None for anything else."""
    from jinja2 import nodes

    while isinstance(node, nodes.Getattr | nodes.Getitem | nodes.Filter):
        if isinstance(node, nodes.Filter) and node.name in _DEFAULTS:
            return None
        node = node.node
    return node.name if isinstance(node, nodes.Name) else None
