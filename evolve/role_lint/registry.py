"""All rules: every `Rule` in a module of `rules/`."""

import importlib
import pkgutil
from collections.abc import Iterable, Mapping

from evolve.core.model.errors import InputError, Problem
from evolve.core.text.did_you_mean import did_you_mean
from evolve.role_lint import rules
from evolve.role_lint.rule import Rule


def all_rules() -> Mapping[str, Rule]:
    """Return the rules by id, in the ids' order."""
    found: dict[str, Rule] = {}
    for info in pkgutil.iter_modules(rules.__path__):
        module = importlib.import_module(f"{rules.__name__}.{info.name}")
        found |= {value.id: value for value in vars(module).values() if isinstance(value, Rule)}
    return dict(sorted(found.items()))


def choose_rules(names: Iterable[str], known: Mapping[str, Rule]) -> tuple[Rule, ...]:
    """Return the rules of these names; all of them without a name.

    Raises:
        InputError: names are unknown; with a problem for each.
    """
    wanted = tuple(names)
    unknown = [name for name in wanted if name not in known]
    if unknown:
        hint = "`--list-rules` lists all rules"
        raise InputError(Problem(f"unknown rule {name!r}", None, did_you_mean(name, known) or hint) for name in unknown)
    return tuple(known[name] for name in wanted) or tuple(known.values())
