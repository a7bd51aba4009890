"""Builds the body of a request to an OpenAI-compatible endpoint from a provider's config."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from evolve.core.model.answers import Request
from evolve.core.model.errors import InputError, Problem
from evolve.core.model.json_value import JsonValue
from evolve.core.model.suite import ProviderSpec
from evolve.providers.chat_messages import chat_messages
from evolve.providers.config import has_templates, load_references, place_of
from evolve.providers.context import ProviderContext
from evolve.providers.hosted import COMMON_KEYS, env_number
from evolve.providers.openai_services import Service
from evolve.providers.replies import first

_ALWAYS = ("seed", "top_p", "presence_penalty", "frequency_penalty", "stop", "logprobs", "top_logprobs")
_IF_SET = (
    "function_call",
    "tool_choice",
    "tool_resources",
    "service_tier",
    "user",
    "metadata",
    "store",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
)
_RENDERED = ("functions", "tools", "response_format", "reasoning_effort")
"""Strings inside these are templates, and `file://` references in them are read."""
_ENVIRONMENT = {
    "top_p": "OPENAI_TOP_P",
    "presence_penalty": "OPENAI_PRESENCE_PENALTY",
    "frequency_penalty": "OPENAI_FREQUENCY_PENALTY",
}
NOT_IN_BODIES = COMMON_KEYS | {
    "apiKeyRequired", "organization", "showThinking", "omitDefaults", "passthrough", "timeoutMs", "maxRetries",
    "basePath", "stream", "streaming",
}  # fmt: skip
"""Settings for Anneal, which are never sent."""
DEFAULT_MAX_TOKENS = 1024
"""promptfoo's default."""


@dataclass(frozen=True, slots=True)
class BodyBuilder:
    """Builds request bodies for one model; the parts that do not depend on the request are built once."""

    spec: ProviderSpec
    context: ProviderContext
    model: str
    extra: tuple[str, ...] = ()
    """Further config keys that go into the body unchanged (llama.cpp's samplers)."""
    fixed: Mapping[str, JsonValue] = field(default_factory=dict)
    """Fields of every body."""
    service: Service | None = None
    """The service whose own fields and omissions apply."""
    _last: list[tuple[Mapping[str, JsonValue], dict[str, JsonValue]]] = field(
        default_factory=list, repr=False, compare=False
    )
    """The last config and its fields: most prompts have no settings of their own, so the config is usually the same."""

    def chat(self, prompt: str, config: Mapping[str, JsonValue], request: Request) -> dict[str, JsonValue]:
        """Return the body for /chat/completions."""
        return self._with_vars({**self.base(config), "messages": chat_messages(prompt)}, config, request)

    def completion(self, prompt: str, config: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
        """Return the body for /completions."""
        body = {key: value for key, value in self.base(config).items() if key not in _RENDERED}
        if config.get("best_of") is not None:
            body["best_of"] = config["best_of"]
        if body.get("logprobs") is True:
            body["logprobs"] = 1  # for text completions it is the number of alternatives
        return {**body, "prompt": prompt}

    def base(self, config: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
        """Return all fields except the messages; the mapping is shared and must not be changed."""
        for known, body in self._last:
            if known is config:
                return body
        body = self._base(config)
        self._last[:] = [(config, body)]
        return body

    def _base(self, config: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
        body: dict[str, JsonValue] = {"model": self.model} if self.model else {}
        body.update(self.fixed)
        body.update(self._sampling_settings(config))
        body.update({key: config[key] for key in (*_ALWAYS, *self.extra) if config.get(key) is not None})
        body.update({key: config[key] for key in _IF_SET if config.get(key) not in (None, "", [], {})})
        body.update({key: config[key] for key in _RENDERED if config.get(key) and key != "reasoning_effort"})
        if (self._thinks() or "gpt-oss" in self.model) and config.get("reasoning_effort"):
            body["reasoning_effort"] = config["reasoning_effort"]
        for key in ("reasoning", "verbosity"):
            if thinks(self.model) and config.get(key):
                body[key] = config[key]
        passthrough = config.get("passthrough")
        body.update(passthrough if isinstance(passthrough, dict) else {})
        return self._of_service(body, config)

    def _of_service(self, body: dict[str, JsonValue], config: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
        if self.service is None:
            return body
        if self.service.passes_all:
            body = {**body, **{key: value for key, value in config.items() if key not in NOT_IN_BODIES}}
        return self.service.adjust(body, config, self.context.env) if self.service.adjust else body

    def _thinks(self) -> bool:
        pattern = self.service.thinks if self.service else None
        return thinks(self.model) or (pattern is not None and pattern.match(self.model) is not None)

    def _sampling_settings(self, config: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
        found = {key: self._env_number(name) for key, name in _ENVIRONMENT.items() if self.context.env.get(name)}
        plain = config.get("omitDefaults") is True
        if self._thinks():
            tokens = config.get("max_completion_tokens", self._env_number("OPENAI_MAX_COMPLETION_TOKENS"))
            if tokens is not None:
                found["max_completion_tokens"] = tokens
            return found if thinks(self.model) else {**found, **self._heat(config, plain)}
        tokens = first(
            config.get("max_tokens"), self._env_number("OPENAI_MAX_TOKENS"), None if plain else DEFAULT_MAX_TOKENS
        )
        found.update({} if tokens is None else {"max_tokens": tokens}, **self._heat(config, plain))
        if config.get("max_completion_tokens") is not None:
            found.pop("max_tokens", None)
            found["max_completion_tokens"] = config["max_completion_tokens"]
        return found

    def _heat(self, config: Mapping[str, JsonValue], plain: bool) -> dict[str, JsonValue]:
        heat = first(config.get("temperature"), self._env_number("OPENAI_TEMPERATURE"), None if plain else 0)
        return {} if heat is None else {"temperature": heat}

    def _env_number(self, name: str) -> JsonValue:
        return env_number(self.context, name)

    def _with_vars(
        self, body: dict[str, JsonValue], config: Mapping[str, JsonValue], request: Request
    ) -> dict[str, JsonValue]:
        for key in _RENDERED:
            if key in config and has_templates(body.get(key)):
                body[key] = self.context.templates.render_value(body[key], request.vars)
        return body


def prepare_config(spec: ProviderSpec, context: ProviderContext) -> dict[str, JsonValue]:
    """Return the spec's config with `file://` read in response_format, tools and functions, and their types checked."""
    config = dict(spec.config)
    for key in ("response_format", "tools", "functions"):
        if key in config:
            config[key] = _unwrap(key, load_references(config[key], spec, context))
    for key, kinds, expected in _KINDS:
        if config.get(key) is not None and not isinstance(config[key], kinds):
            message = f"provider {spec.id!r}: {key}={config[key]!r}: expected {expected}"
            raise InputError(Problem(message, place_of(spec, key)))
    return config


_KINDS: tuple[tuple[str, type | tuple[type, ...], str], ...] = (
    ("response_format", dict, "a mapping with `type`, or file://... of one"),
    ("tools", list, "a list of tools, or file://... of one"),
    ("functions", list, "a list of functions, or file://... of one"),
    ("passthrough", dict, "a mapping of further request fields"),
    ("temperature", (int, float, str), "a number"),
    ("max_tokens", (int, str), "a whole number"),
)


def _unwrap(key: str, value: JsonValue) -> JsonValue:
    """Return one list for a list of lists, which comes from `file://` references that each hold a list."""
    if key == "response_format" or not isinstance(value, list):
        return value
    return [inner for item in value for inner in (item if isinstance(item, list) else [item])]


def thinks(model: str) -> bool:
    """Return whether the model is one of OpenAI's reasoning models, which refuse temperature and max_tokens."""
    name = model.rsplit("/", 1)[-1].removeprefix("ft:")
    return name.startswith(("o1", "o3", "o4", "gpt-5"))
