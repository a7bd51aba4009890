"""Evaluations that must be judged together: those that are compared with each other, and repeats with a pass rate."""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass

from evolve.core.assertions import find_type
from evolve.core.model.errors import InputError, Problem
from evolve.core.model.suite import Assertion, Evaluation, Test


@dataclass(frozen=True, slots=True)
class Unit:
    """Evaluations that are judged together; almost always just one."""

    evaluations: tuple[Evaluation, ...]
    comparisons: tuple[Assertion, ...] = ()
    """The test's comparing assertions, applied to the evaluations of one test index."""
    pass_rate: float | None = None
    """Evaluations that differ only in their repeat become one result; it passes when at least this share passes."""

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of the results: each evaluation's, or with a pass rate the first repeat's."""
        if self.pass_rate is None:
            return tuple(evaluation.id for evaluation in self.evaluations)
        return tuple(group[0].id for group in repeats(self.evaluations))


def units(evaluations: Iterable[Evaluation]) -> tuple[Unit, ...]:
    """Return the evaluations grouped into units, in the order of their first members.

    Raises:
        InputError: a `metadata.pass_rate` is not a number in 0..1.
    """
    traits: dict[int, _Traits] = {}
    groups: dict[Hashable, list[Evaluation]] = {}
    ordinals: dict[Hashable, int] = {}
    for evaluation in evaluations:
        test = evaluation.test
        trait = traits.get(id(test))
        if trait is None:
            trait = traits[id(test)] = _Traits(comparisons_of(test), pass_rate_of(test))
        key: Hashable = evaluation.id
        if trait.pass_rate is not None:
            key = _repeat_key(evaluation, ordinals, together=bool(trait.comparisons))
        elif trait.comparisons:
            key = evaluation.test_index
        groups.setdefault(key, []).append(evaluation)
    return tuple(_unit(members, traits[id(members[0].test)]) for members in groups.values())


@dataclass(frozen=True, slots=True)
class _Traits:
    comparisons: tuple[Assertion, ...]
    pass_rate: float | None


def _unit(members: list[Evaluation], trait: _Traits) -> Unit:
    return Unit(tuple(members), trait.comparisons, trait.pass_rate)


def _repeat_key(evaluation: Evaluation, ordinals: dict[Hashable, int], *, together: bool) -> Hashable:
    """Return one key for all repeats of a test's vars; one per column, unless the columns are compared."""
    spot = (id(evaluation.test), evaluation.repeat, evaluation.prompt_index)
    ordinal = ordinals[spot] = ordinals.get(spot, -1) + 1
    return (id(evaluation.test), ordinal, None if together else evaluation.prompt_index)


def repeats(evaluations: Iterable[Evaluation]) -> tuple[tuple[Evaluation, ...], ...]:
    """Return the members of one unit by column: each group holds the repeats of one evaluation."""
    columns: dict[int, list[Evaluation]] = {}
    for evaluation in evaluations:
        columns.setdefault(evaluation.prompt_index, []).append(evaluation)
    return tuple(tuple(group) for group in columns.values())


def comparisons_of(test: Test) -> tuple[Assertion, ...]:
    """Return the test's assertions that compare outputs (select-best, max-score)."""
    found = [item for item in test.requirements if isinstance(item, Assertion) and _compares(item)]
    # promptfoo picks by score last, whatever the file's order
    return tuple(sorted(found, key=lambda item: item.type == "max-score"))


def _compares(assertion: Assertion) -> bool:
    kind = find_type(assertion.type)
    return kind is not None and kind.compares


def pass_rate_of(test: Test) -> float | None:
    """Return `metadata.pass_rate`, the share of repeats that must pass; None without one."""
    value = test.metadata.get("pass_rate")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        where = test.place.location() if test.place else None
        raise InputError(Problem(f"metadata.pass_rate: expected a number from 0 to 1, got {value!r}", where))
    return float(value)
