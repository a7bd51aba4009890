"""Broken references in a suite (to prompts, providers, variables) and bad templates, found while it is loaded.

Only plain references to variables are checked (`{{ name }}`, `{{ name | filter }}`, `{{ name.part }}`), and what a loop
goes through. What a condition guards is left out: only rendering shows that.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from evolve.core.assertions import find_type
from evolve.core.model.errors import Location, Problem
from evolve.core.model.json_value import JsonValue
from evolve.core.model.suite import Assertion, AssertSet, Place, Prompt, ProviderSpec, Requirement, Test
from evolve.core.templating.needed_names import needed_names
from evolve.core.templating.templates import syntax_problem
from evolve.core.text.did_you_mean import closest_variable, did_you_mean

_HINT = "templates use Nunjucks syntax; {% raw %}...{% endraw %} keeps braces as text"
ALWAYS_DEFINED = frozenset(("env", "_conversation", "__evalId", "__evalStepId", "__repeatIndex", "loop", "range"))
"""Variables that the renderer defines itself, promptfoo's among them."""
_REFERENCE = re.compile(r"\{\{-?\s*([A-Za-z_]\w*)\s*(?:-?\}\}|[.|\[](?:(?!default|\}\}).)*\}\})", re.DOTALL)
"""A plain reference; one with the filter `default` is left out, because its variable may be undefined."""
_TAG = re.compile(r"""\{\{(?:"[^"]*"|'[^']*'|(?!\}\}).)*\}\}""", re.DOTALL)
"""A whole tag: braces inside of a text in quotes do not begin or end one."""
_LITERALS = frozenset(("true", "false", "none", "null", "True", "False", "None"))
_GRADED = re.compile(r"rubric|g-eval|factuality|closedqa|relevance|context|select-best|similar")
"""Types of assertions that define more variables (`output`, `criteria`) when they render their value."""
_NO_NAMES: frozenset[str] = frozenset()


def names_prompt(ref: str, prompt: Prompt) -> bool:
    """Return whether a reference means a prompt: its label or id, `start*`, or the group before a colon."""
    return any(name is not None and _names(ref, name) for name in (prompt.label, prompt.id))


def names_provider(ref: str, provider: ProviderSpec) -> bool:
    """Return whether a reference means a provider: its label or id, `start*`, or the part before a colon."""
    return any(name is not None and _names(ref, name) for name in (provider.label, provider.id))


def _names(ref: str, name: str) -> bool:
    return name == ref or (ref.endswith("*") and name.startswith(ref[:-1])) or name.startswith(f"{ref}:")


def unknown_names(
    prompts: Sequence[Prompt], providers: Sequence[ProviderSpec], tests: Iterable[Test]
) -> Iterator[Problem]:
    """Yield a problem for each reference to a prompt or a provider that does not exist."""
    prompt_names = [name for prompt in prompts for name in (prompt.label, prompt.id) if name]
    provider_names = [name for provider in providers for name in (provider.label, provider.id) if name]
    for place, ref in _prompt_references(providers, tests):
        if not any(names_prompt(ref, prompt) for prompt in prompts):
            yield _unknown_name("prompt", ref, prompt_names, place)
    for test in tests:
        for ref in test.providers or ():
            if not any(names_provider(ref, provider) for provider in providers):
                yield _unknown_name("provider", ref, provider_names, _inside(test.place, "providers"))


def _prompt_references(providers: Sequence[ProviderSpec], tests: Iterable[Test]) -> Iterator[tuple[Place | None, str]]:
    for provider in providers:
        for ref in provider.prompts or ():
            yield _inside(provider.place, "prompts"), ref
    for test in tests:
        for ref in test.prompts or ():
            yield _inside(test.place, "prompts"), ref


def _inside(place: Place | None, key: str) -> Place | None:
    return Place(place.file, (*place.path, key), place.locate) if place else None


def _unknown_name(kind: str, ref: str, known: Sequence[str], place: Place | None) -> Problem:
    # At most eight names of 40 characters: a prompt's label may be its whole text.
    hint = did_you_mean(ref, known) or f"known: {', '.join(repr(name[:40]) for name in known[:8])}"
    return Problem(f"unknown {kind} {ref!r}", place.location() if place else None, hint)


def template_problems(
    prompts: Sequence[Prompt], tests: Iterable[Test], place_of_prompt: Mapping[int, Place]
) -> Iterator[Problem]:
    """Yield a problem for each prompt and each assertion value that is not a well-formed template."""
    for index, prompt in enumerate(prompts):
        message = None if prompt.function else syntax_problem(prompt.raw, is_prompt=True)
        if message:
            yield _template_problem(message, place_of_prompt.get(index))
    seen: set[str] = set()
    for test in tests:
        for assertion in assertions_of(test.requirements):
            for text in _templates_of(assertion):
                message = None if text in seen else syntax_problem(text)
                seen.add(text)
                if message:
                    yield _template_problem(f"{assertion.type}: {message}", assertion.place)


def _template_problem(message: str, place: Place | None) -> Problem:
    return Problem(message, place.location() if place else None, _HINT)


def assertions_of(requirements: Iterable[Requirement]) -> Iterator[Assertion]:
    """Yield the single assertions, those inside of assert-sets too."""
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


@lru_cache(maxsize=4096)  # more distinct templates than most suites have, a few MB at most
def names_needed_by(template: str) -> frozenset[str]:
    """Return the variables that a template certainly needs."""
    if "{%" in template or "{#" in template:
        return needed_names(template) - ALWAYS_DEFINED - _LITERALS
    if "{{" not in template:
        return frozenset()
    names = (_REFERENCE.match(tag) for tag in _TAG.findall(template))
    return frozenset(found[1] for found in names if found) - ALWAYS_DEFINED - _LITERALS


class UndefinedUse(NamedTuple):
    """A variable that a prompt or an assertion needs and its test does not define."""

    message: str
    where: Location | None
    meant: str | None
    """The variable that its name resembles; None: it may be left out on purpose."""

    def problem(self) -> Problem:
        """Return it as an error."""
        hint = f"did you mean {self.meant!r}?" if self.meant else "add it to vars, or pass --undefined empty"
        return Problem(self.message, self.where, hint)

    def warning(self) -> Problem:
        """Return it as a warning."""
        return Problem(f"{self.message}: it is empty", self.where, "add it to vars")


def find_undefined(
    prompts: Sequence[Prompt], tests: Iterable[Test], place_of_prompt: Mapping[int, Place]
) -> Iterator[UndefinedUse]:
    """Yield each variable that a prompt or an assertion needs and its test does not define."""
    listed = list(tests)
    needs = [frozenset() if prompt.function else names_needed_by(prompt.raw) for prompt in prompts]
    stored = frozenset(test.options.store_output_as for test in listed if test.options.store_output_as)
    given_somewhere = stored.union(name for test in listed for name in test.vars)
    lost = [need - given_somewhere for need in needs] if not any(test.options.transform_vars for test in listed) else []
    reported = frozenset(name for names in lost for name in names)
    for index, names in enumerate(lost):
        for name in sorted(names):
            place = place_of_prompt.get(index)
            yield _undefined(f"no test defines the variable {name!r}", name, given_somewhere, place)
    for test in listed:
        yield from _undefined_in(test, prompts, needs, reported, stored)


def _undefined_in(
    test: Test,
    prompts: Sequence[Prompt],
    needs: Sequence[frozenset[str]],
    reported: frozenset[str],
    stored: frozenset[str],
) -> Iterator[UndefinedUse]:
    if test.options.transform_vars:
        return
    names = test.vars.keys() | stored if stored else test.vars.keys()
    if not test.has_provider_output:
        wanted = _needs_of(test, prompts, needs) - reported
        reported |= wanted
        for name in sorted(wanted - names):
            yield _undefined(
                f"the prompt needs the variable {name!r}, but this test does not define it", name, names, test.place
            )
    for assertion in assertions_of(test.requirements):
        for name in sorted(_needs_of_assertion(assertion) - names - reported):
            message = f"the assertion needs the variable {name!r}, but its test does not define it"
            yield _undefined(message, name, names, assertion.place)


def _undefined(message: str, name: str, known: Iterable[str], place: Place | None) -> UndefinedUse:
    return UndefinedUse(message, place.location() if place else None, closest_variable(name, known))


def _needs_of(test: Test, prompts: Sequence[Prompt], needs: Sequence[frozenset[str]]) -> frozenset[str]:
    own = names_needed_by(test.options.prefix) | names_needed_by(test.options.suffix)
    if test.prompts is None:
        return own.union(*needs)
    chosen = [
        need
        for need, prompt in zip(needs, prompts, strict=True)
        if any(names_prompt(ref, prompt) for ref in test.prompts or ())
    ]
    return own.union(*chosen)


def _needs_of_assertion(assertion: Assertion) -> frozenset[str]:
    value = assertion.value
    texts = [value] if isinstance(value, str) else value if isinstance(value, list) else []
    if not any(isinstance(text, str) and ("{{" in text or "{%" in text) for text in texts):
        return _NO_NAMES
    kind = find_type(assertion.type)
    if kind is None or kind.raw_value or _GRADED.search(assertion.type):
        return _NO_NAMES
    return _NO_NAMES.union(*(names_needed_by(text) for text in texts if isinstance(text, str)))
