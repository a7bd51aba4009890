"""One call of the lint: from places to findings."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from evolve.role_lint.exemptions import apply_exemptions
from evolve.role_lint.homes import Tree
from evolve.role_lint.loading import load_tree
from evolve.role_lint.rule import LintFinding, Rule


@dataclass(frozen=True, slots=True)
class LintReport:
    """The result of a lint."""

    findings: tuple[LintFinding, ...]
    """In the order of files and lines."""
    roles: int
    playbooks: int
    tasks: int
    rules: tuple[Rule, ...]
    """The rules that ran."""


def lint_roles(places: Sequence[str], rules: Sequence[Rule]) -> LintReport:
    """Check roles, playbooks, jobs and scripts with the given rules.

    Raises:
        InputError: a place contains no role and no playbook, or files cannot be read.
    """
    tree = load_tree(places)
    found = sorted(set(_find(tree, rules)))
    kept = apply_exemptions(found, _paths(tree), frozenset(rule.id for rule in rules))
    roles = sum(home.is_role for home in tree.homes)
    return LintReport(tuple(sorted(kept)), roles, len(tree.homes) - roles, sum(1 for _ in tree.tasks), tuple(rules))


def _find(tree: Tree, rules: Iterable[Rule]) -> Iterator[LintFinding]:
    for rule in rules:
        for hit in rule.find(tree):
            yield LintFinding(hit.spot, rule.id, hit.message, rule.fix)


def _paths(tree: Tree) -> Iterator[str]:
    """Yield every file that can have a finding."""
    for home in tree.homes:
        yield from (task.path for task in home.tasks)
        yield from home.variables
        if home.specs is not None:
            yield home.specs.spot.path
    yield from (text.path for _, text in tree.all_texts())
    yield from (text.path for text in tree.settings)
