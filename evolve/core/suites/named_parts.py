"""References to prompts and providers by name: which there are, and which lead nowhere."""

from collections.abc import Iterable, Iterator, Sequence

from evolve.core.model.errors import Problem
from evolve.core.model.suite import Place, Prompt, ProviderSpec, Test
from evolve.core.text.did_you_mean import did_you_mean


def names_prompt(ref: str, prompt: Prompt) -> bool:
    """Whether a reference means a prompt: its label or id, `start*`, or the group before a colon."""
    return any(name is not None and _names(ref, name) for name in (prompt.label, prompt.id))


def names_provider(ref: str, provider: ProviderSpec) -> bool:
    """Whether a reference means a provider, by its label or id likewise."""
    return any(name is not None and _names(ref, name) for name in (provider.label, provider.id))


def _names(ref: str, name: str) -> bool:
    return name == ref or (ref.endswith("*") and name.startswith(ref[:-1])) or name.startswith(f"{ref}:")


def unknown_names(
    prompts: Sequence[Prompt], providers: Sequence[ProviderSpec], tests: Iterable[Test]
) -> Iterator[Problem]:
    """A problem for each reference that means no prompt or no provider."""
    prompt_names = [name for prompt in prompts for name in (prompt.label, prompt.id) if name]
    provider_names = [name for provider in providers for name in (provider.label, provider.id) if name]
    for place, ref in _prompt_references(providers, tests):
        if not any(names_prompt(ref, prompt) for prompt in prompts):
            yield _problem("prompt", ref, prompt_names, place)
    for test in tests:
        for ref in test.providers or ():
            if not any(names_provider(ref, provider) for provider in providers):
                yield _problem("provider", ref, provider_names, _inside(test.place, "providers"))


def _prompt_references(providers: Sequence[ProviderSpec], tests: Iterable[Test]) -> Iterator[tuple[Place | None, str]]:
    for provider in providers:
        for ref in provider.prompts or ():
            yield _inside(provider.place, "prompts"), ref
    for test in tests:
        for ref in test.prompts or ():
            yield _inside(test.place, "prompts"), ref


def _inside(place: Place | None, key: str) -> Place | None:
    return Place(place.file, (*place.path, key), place.locate) if place else None


def _problem(kind: str, ref: str, known: Sequence[str], place: Place | None) -> Problem:
    hint = did_you_mean(ref, known) or f"there are {', '.join(repr(name[:40]) for name in known[:8])}"
    return Problem(f"there is no {kind} {ref!r}", place.location() if place else None, hint)
