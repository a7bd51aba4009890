"""Providers that grade; each is opened when an assertion first needs it and shared by all assertions that name it."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import cast

from evolve.core.model.errors import EnvironmentFault, InputError, Problem
from evolve.core.model.json_value import JsonValue
from evolve.core.model.ports import Classifier, Embedder, Moderator, Provider, SentenceComparer
from evolve.core.model.suite import ProviderSpec

DEFAULT_TEXT = "openai:chat:gpt-5.5-2026-04-23"
DEFAULT_EMBEDDING = "openai:embedding:text-embedding-3-large"
DEFAULT_MODERATION = "openai:moderation:omni-moderation-latest"
"""promptfoo's defaults, used when OPENAI_API_KEY is set and no grader is named."""
_KINDS = frozenset({"text", "embedding", "classification", "moderation"})
_EXAMPLES = {
    "text": "openai:chat:MODEL with EVOLVE_BASE_URL",
    "embedding": "openai:embedding:MODEL with EVOLVE_BASE_URL",
}
Open = Callable[[ProviderSpec], Provider]


class SuiteGraders:
    """The graders of one suite; implements `evolve.core.model.ports.Graders`.

    Args:
        providers: those of the suite, which a grader may name by id or label.
        open_one: opens a provider.
        env: EVOLVE_GRADER and EVOLVE_EMBEDDER name the default graders.
    """

    def __init__(self, providers: Sequence[ProviderSpec], open_one: Open, env: Mapping[str, str]) -> None:
        self._providers = tuple(providers)
        self._open = open_one
        self._env = env
        self._opened: dict[str, Provider] = {}

    async def text(self, spec: JsonValue | ProviderSpec | None) -> Provider:
        """Return the provider for a model-graded assertion.

        Raises:
            InputError: an unknown id, or a mapping without one.
            EnvironmentFault: no grader is set; the message says how to set one.
        """
        return self._provider(self._spec(spec, "text", "EVOLVE_GRADER", DEFAULT_TEXT))

    async def embedding(self, spec: JsonValue | ProviderSpec | None) -> Embedder | SentenceComparer:
        """Return the provider that makes vectors; raises as `text` does."""
        wanted = self._spec(spec, "embedding", "EVOLVE_EMBEDDER", DEFAULT_EMBEDDING)
        provider = self._provider(wanted)
        if isinstance(provider, SentenceComparer):
            return provider
        if not hasattr(provider, "embed"):
            hint = "use openai:embedding:MODEL, or a Python file with call_embedding_api"
            raise InputError(Problem(f"provider {wanted.id!r} makes no embeddings", None, hint))
        return cast("Embedder", provider)

    async def classification(self, spec: JsonValue | ProviderSpec | None) -> Classifier:
        """Return the provider that classifies.

        Raises:
            InputError: the provider that is named does not classify.
            EnvironmentFault: none is named; there is no default.
        """
        if spec is None or spec == "":
            hint = "set `provider:` on the assertion, for example huggingface:text-classification:MODEL"
            raise EnvironmentFault("no classification grader is set", hint=hint)
        wanted = self._spec(spec, "classification", "", "")
        provider = self._provider(wanted)
        if not isinstance(provider, Classifier):
            hint = "use huggingface:text-classification:MODEL"
            raise InputError(Problem(f"provider {wanted.id!r} does not classify", None, hint))
        return provider

    async def moderation(self, spec: JsonValue | ProviderSpec | None) -> Moderator:
        """Return the provider that moderates; raises as `text` does."""
        wanted = self._spec(spec, "moderation", "", DEFAULT_MODERATION)
        provider = self._provider(wanted)
        if not isinstance(provider, Moderator):
            # promptfoo uses its default if the grader that is named for everything cannot moderate.
            provider = self._provider(ProviderSpec(self._default("moderation", "", DEFAULT_MODERATION)))
        assert isinstance(provider, Moderator)
        return provider

    def _provider(self, spec: ProviderSpec) -> Provider:
        key = json.dumps([spec.id, dict(spec.config), dict(spec.env)], sort_keys=True, default=str)
        if key not in self._opened:
            self._opened[key] = self._open(spec)
        return self._opened[key]

    def _spec(self, spec: JsonValue | ProviderSpec | None, kind: str, variable: str, default: str) -> ProviderSpec:
        if isinstance(spec, ProviderSpec):
            return spec
        if isinstance(spec, dict) and spec.keys() & _KINDS and "id" not in spec:
            spec = spec.get(kind)
        if spec is None or spec == "":
            spec = self._default(kind, variable, default)
        if isinstance(spec, str):
            return self._find_by_name(spec) or ProviderSpec(spec)
        return _from_mapping(spec)

    def _find_by_name(self, name: str) -> ProviderSpec | None:
        return next((spec for spec in self._providers if name in (spec.label, spec.id)), None)

    def _default(self, kind: str, variable: str, default: str) -> str:
        if variable and self._env.get(variable):
            return self._env[variable]
        if self._env.get("OPENAI_API_KEY"):
            return default
        raise EnvironmentFault(
            f"no {kind} grader is set",
            hint="set `provider:` on the assertion, `defaultTest.options.provider` in the suite, or "
            + (f"{variable}, for example {variable}={_EXAMPLES[kind]}" if variable else "OPENAI_API_KEY"),
        )

    async def close(self) -> None:
        """Close all providers that were opened."""
        opened, self._opened = self._opened, {}
        for provider in opened.values():
            await provider.close()


def specs_of(value: JsonValue | ProviderSpec, providers: Sequence[ProviderSpec]) -> Iterator[ProviderSpec]:
    """Yield the providers that a grader's value names: one, or one for each kind.

    Raises:
        InputError: it is neither an id nor a mapping with one.
    """
    if isinstance(value, ProviderSpec):
        yield value
    elif isinstance(value, str):
        named = next((spec for spec in providers if value in (spec.label, spec.id)), None)
        yield named or ProviderSpec(value)
    elif isinstance(value, dict) and value.keys() & _KINDS and "id" not in value:
        for kind in sorted(value.keys() & _KINDS):
            yield from specs_of(value[kind], providers) if value[kind] else ()
    else:
        yield _from_mapping(value)


def _from_mapping(spec: JsonValue) -> ProviderSpec:
    if not isinstance(spec, dict):
        raise InputError(Problem(f"grader {json.dumps(spec)[:80]}: expected an id, or a mapping with id and config"))
    name = spec.get("id")
    if name is None and len(spec) == 1 and not spec.keys() & {"config", "label"}:
        name, inner = next(iter(spec.items()))
        spec = inner if isinstance(inner, dict) else {}
    config = spec.get("config")
    if not isinstance(name, str) or not (config is None or isinstance(config, dict)):
        raise InputError(Problem(f"grader {json.dumps(spec)[:80]}: expected an id, or a mapping with id and config"))
    label = spec.get("label")
    return ProviderSpec(name, label if isinstance(label, str) else None, config or {})
