"""Finds template variables that nothing defines, while a suite is loaded.

Only plain references are judged (`{{ name }}`, `{{ name | filter }}`, `{{ name.part }}`) and only in templates without
`{% %}` blocks: what a block defines or guards is known when it is rendered, and the templates are strict then.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache

from evolve.core.assertions import find_type
from evolve.core.model.errors import Problem
from evolve.core.model.suite import Assertion, AssertSet, Place, Prompt, Requirement, Test
from evolve.core.suites.named_parts import names_prompt
from evolve.core.text.did_you_mean import did_you_mean

ALWAYS_DEFINED = frozenset(("env", "_conversation", "__evalId", "__evalStepId", "__repeatIndex", "loop", "range"))
_REFERENCE = re.compile(r"\{\{-?\s*([A-Za-z_]\w*)\s*(?:-?\}\}|[.|\[](?:(?!default|\}\}).)*\}\})", re.DOTALL)
_LITERALS = frozenset(("true", "false", "none", "null", "True", "False", "None"))
_GRADED = re.compile(r"rubric|g-eval|factuality|closedqa|relevance|context|select-best|similar")


@lru_cache(maxsize=4096)
def needed_names(template: str) -> frozenset[str]:
    """The variables that a template surely needs; none when it holds blocks."""
    if "{{" not in template or "{%" in template or "{#" in template:
        return frozenset()
    return frozenset(_REFERENCE.findall(template)) - ALWAYS_DEFINED - _LITERALS


def undefined_problems(
    prompts: Sequence[Prompt], tests: Iterable[Test], place_of_prompt: Mapping[int, Place]
) -> Iterator[Problem]:
    """A problem for each variable that a prompt or an assertion needs and its test does not give."""
    listed = list(tests)
    needs = [frozenset() if prompt.function else needed_names(prompt.raw) for prompt in prompts]
    stored = frozenset(test.options.store_output_as for test in listed if test.options.store_output_as)
    given_somewhere = stored.union(name for test in listed for name in test.vars)
    lost = [need - given_somewhere for need in needs] if not any(test.options.transform_vars for test in listed) else []
    reported = frozenset(name for names in lost for name in names)
    for index, names in enumerate(lost):
        for name in sorted(names):
            place = place_of_prompt.get(index)
            yield _problem(f"no test gives the variable {name!r}", name, given_somewhere, place)
    for test in listed:
        yield from _problems_of(test, prompts, needs, reported, stored)


def _problems_of(
    test: Test,
    prompts: Sequence[Prompt],
    needs: Sequence[frozenset[str]],
    reported: frozenset[str],
    stored: frozenset[str],
) -> Iterator[Problem]:
    if test.options.transform_vars:
        return
    names = test.vars.keys() | stored if stored else test.vars.keys()
    if not test.has_provider_output:
        wanted = _needs_of(test, prompts, needs) - reported
        reported |= wanted
        for name in sorted(wanted - names):
            yield _problem(
                f"the prompt needs the variable {name!r}, this test does not give it", name, names, test.place
            )
    for requirement in test.requirements:
        for assertion in requirement.assertions if isinstance(requirement, AssertSet) else (requirement,):
            for name in sorted(_needs_of_assertion(assertion) - names - reported):
                yield _problem(
                    f"the assertion needs the variable {name!r}, its test does not give it",
                    name,
                    names,
                    assertion.place,
                )


def _needs_of(test: Test, prompts: Sequence[Prompt], needs: Sequence[frozenset[str]]) -> frozenset[str]:
    own = needed_names(test.options.prefix) | needed_names(test.options.suffix)
    if test.prompts is None:
        return own.union(*needs)
    chosen = [
        need
        for need, prompt in zip(needs, prompts, strict=True)
        if any(names_prompt(ref, prompt) for ref in test.prompts or ())
    ]
    return own.union(*chosen)


_NO_NAMES: frozenset[str] = frozenset()


def _needs_of_assertion(assertion: Requirement) -> frozenset[str]:
    if not isinstance(assertion, Assertion):
        return _NO_NAMES
    value = assertion.value
    texts = [value] if isinstance(value, str) else value if isinstance(value, list) else []
    if not any(isinstance(text, str) and "{{" in text for text in texts):
        return _NO_NAMES
    kind = find_type(assertion.type)
    if kind is None or kind.raw_value or _GRADED.search(assertion.type):
        return _NO_NAMES
    return _NO_NAMES.union(*(needed_names(text) for text in texts if isinstance(text, str)))


def _problem(message: str, name: str, known: Iterable[str], place: Place | None) -> Problem:
    hint = did_you_mean(name, known) or "or give --undefined empty"
    return Problem(message, place.location() if place else None, hint)
