"""All rules there are: every `Rule` that a module of `rules/` holds."""

import importlib
import pkgutil
from collections.abc import Iterable, Mapping

from evolve.core.model.errors import InputError, Problem
from evolve.core.text.did_you_mean import did_you_mean
from evolve.role_lint import rules
from evolve.role_lint.rule import Rule


def all_rules() -> Mapping[str, Rule]:
    """The rules by id, in the ids' order."""
    found: dict[str, Rule] = {}
    for info in pkgutil.iter_modules(rules.__path__):
        module = importlib.import_module(f"{rules.__name__}.{info.name}")
        found |= {value.id: value for value in vars(module).values() if isinstance(value, Rule)}
    return dict(sorted(found.items()))


def choose_rules(names: Iterable[str], known: Mapping[str, Rule]) -> tuple[Rule, ...]:
    """The rules of these names; all of them without a name.

    Raises:
        InputError: a name is no rule's; every such name is told.
    """
    wanted = tuple(names)
    unknown = [name for name in wanted if name not in known]
    if unknown:
        hint = "`--list-rules` tells all"
        raise InputError(Problem(f"no rule {name!r}", None, did_you_mean(name, known) or hint) for name in unknown)
    return tuple(known[name] for name in wanted) or tuple(known.values())
