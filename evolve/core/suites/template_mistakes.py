"""Finds templates that cannot be read, while a suite is loaded: before any answer is bought."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from evolve.core.assertions import find_type
from evolve.core.model.errors import Problem
from evolve.core.model.json_value import JsonValue
from evolve.core.model.suite import Assertion, AssertSet, Place, Prompt, Requirement, Test
from evolve.core.templating.templates import syntax_problem

_HINT = "templates are Nunjucks'; {% raw %}...{% endraw %} keeps braces as text"


def template_problems(
    prompts: Sequence[Prompt], tests: Iterable[Test], place_of_prompt: Mapping[int, Place]
) -> Iterator[Problem]:
    """A problem for each prompt and each assertion's value that is no well-formed template."""
    for index, prompt in enumerate(prompts):
        message = None if prompt.function else syntax_problem(prompt.raw, is_prompt=True)
        if message:
            yield _problem(message, place_of_prompt.get(index))
    seen: set[str] = set()
    for test in tests:
        for assertion in _assertions(test.requirements):
            for text in _templates_of(assertion):
                message = None if text in seen else syntax_problem(text)
                seen.add(text)
                if message:
                    yield _problem(f"{assertion.type}: {message}", assertion.place)


def _problem(message: str, place: Place | None) -> Problem:
    return Problem(message, place.location() if place else None, _HINT)


def _assertions(requirements: Iterable[Requirement]) -> Iterator[Assertion]:
    for requirement in requirements:
        if isinstance(requirement, AssertSet):
            yield from requirement.assertions
        else:
            yield requirement


def _templates_of(assertion: Assertion) -> Iterator[str]:
    kind = find_type(assertion.type)
    if kind is None or kind.raw_value:
        return
    value: JsonValue = assertion.value
    for text in value if isinstance(value, list) else [value]:
        if isinstance(text, str) and "{" in text and not text.startswith("file://"):
            yield text
