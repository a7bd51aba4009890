"""The selection of a suite's evaluations to run."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from evolve.core.javascript.values import to_js_string
from evolve.core.model.errors import InputError, Problem
from evolve.core.model.json_value import JsonValue
from evolve.core.model.suite import Evaluation, Test


@dataclass(frozen=True, slots=True)
class Selection:
    """The user's filters; an evaluation must pass all of them."""

    pattern: re.Pattern[str] | None = None
    """Found in the test's description or the evaluation's id."""
    providers: re.Pattern[str] | None = None
    """Found in the provider's id or label."""
    metadata: tuple[tuple[str, str], ...] = ()
    first_n: int | None = None
    """Tests of each suite, counted after the other filters."""
    ids: Mapping[str, frozenset[str]] | None = None
    """By the suite's absolute path, the only evaluations to run."""

    def choose(self, evaluations: Sequence[Evaluation], path: str) -> list[Evaluation]:
        """Return the selected evaluations, in their order."""
        found = [evaluation for evaluation in evaluations if self._fits(evaluation, path)]
        if self.first_n is None:
            return found
        first: dict[int, Test] = {}
        for evaluation in found:
            if len(first) < self.first_n:
                first.setdefault(id(evaluation.test), evaluation.test)
        return [evaluation for evaluation in found if id(evaluation.test) in first]

    def _fits(self, evaluation: Evaluation, path: str) -> bool:
        if self.ids is not None and evaluation.id not in self.ids.get(path, frozenset()):
            return False
        if self.pattern and not (
            self.pattern.search(evaluation.test.description) or self.pattern.search(evaluation.id)
        ):
            return False
        provider = evaluation.provider
        if self.providers and not (self.providers.search(provider.id) or self.providers.search(provider.label or "")):
            return False
        return all(has_metadata(evaluation.test.metadata.get(key), value) for key, value in self.metadata)


def has_metadata(found: JsonValue, wanted: str) -> bool:
    """Return whether a test's metadata is the value, or a list that holds it."""
    if isinstance(found, list):
        return any(has_metadata(item, wanted) for item in found)
    return found is not None and to_js_string(found) == wanted


def parse_metadata(text: str) -> tuple[str, str]:
    """Return the key and the value of `KEY=VALUE`."""
    key, sign, value = text.partition("=")
    if not sign or not key:
        raise InputError(Problem(f"--filter-metadata: expected KEY=VALUE, got {text!r}", hint="for example split=val"))
    return key, value
