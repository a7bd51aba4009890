"""The graders that a suite's assertions name, so that a wrong one is reported before the first question."""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from evolve.core.model.json_value import JsonValue
from evolve.core.model.suite import Assertion, Place, ProviderSpec, Suite, Test
from evolve.core.suites.references import assertions_of
from evolve.providers.graders import specs_of

_GRADED: Final = re.compile(
    r"llm-rubric|factuality|model-graded-|g-eval|context-|answer-relevance|select-best|similar|classifier|moderation"
)
"""Types that ask a grader; others ignore `provider`, as in promptfoo."""


def named_graders(suite: Suite) -> Iterator[ProviderSpec]:
    """Yield the graders that assertions and tests name, with their places; those that templates make are left out.

    Raises:
        InputError: a grader is neither an id nor a mapping with one.
    """
    seen: set[str] = set()
    for test in suite.tests:
        for assertion in assertions_of(test.requirements):
            if _GRADED.match(assertion.type) is None:
                continue
            value = assertion.provider if assertion.provider is not None else test.options.provider
            if value is None or "{{" in str(value) or str(value) in seen:
                continue
            if isinstance(value, dict) and value.keys() <= {"config", "label"}:
                continue  # settings alone name nobody: the rows that ask it are errors, as in promptfoo
            seen.add(str(value))
            yield from _placed(value, _place(assertion, test), suite)


def _placed(value: JsonValue, place: Place | None, suite: Suite) -> Iterator[ProviderSpec]:
    for spec in specs_of(value, suite.providers):
        yield spec if spec.place is not None else replace(spec, place=place)


def _place(assertion: Assertion, test: Test) -> Place | None:
    own = assertion.provider is not None
    base = assertion.place if own else test.place
    return (
        Place(base.file, (*base.path, *(("provider",) if own else ("options", "provider"))), base.locate)
        if base
        else None
    )
