"""What the adapters of hosted models share: a key, an address, and a conversation of one JSON for another.

An API's own part is its dialect: what is sent for a request, and what a reply means. Those are functions of values;
time-outs, retries and faults are the HTTP client's.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, TypeVar

from evolve.core.model.answers import Answer, Request
from evolve.core.model.errors import CannotEvaluate, HttpFault, InputError, MissingKeyFault, Problem
from evolve.core.model.json_value import JsonValue
from evolve.core.model.ports import Embedding
from evolve.core.model.suite import ProviderSpec
from evolve.core.text.secret_names import is_secret_name
from evolve.providers.config import (
    check_keys,
    has_templates,
    load_references,
    number_of,
    place_of,
    render_text,
    text_of,
    texts_of,
)
from evolve.providers.context import ProviderContext
from evolve.providers.replies import MalformedReply, texts
from evolve.system.credentials import safe_url
from evolve.system.http_client import HttpCall, HttpClient, HttpReply, accept_json, error_message

T = TypeVar("T")
_SECRETS = frozenset({"apiKey", "accessKeyId", "secretAccessKey", "sessionToken", "azureClientSecret", "credentials"})
"""Settings that only the endpoint sees; they are kept out of what is compared, stored or printed."""
_COMPACT = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_TOO_LONG = re.compile(
    r"prompt is too long|input token count .*exceeds|context.{0,20}(length|window)|too many (input )?tokens",
    re.IGNORECASE,
)
COMMON_KEYS = frozenset(
    {"apiKey", "apiKeyEnvar", "apiBaseUrl", "apiHost", "headers", "cost", "inputCost", "outputCost"}
)
"""What most hosted providers take beside their protocol's settings."""
ELSEWHERE = frozenset(
    {
        "temperature", "max_tokens", "max_completion_tokens", "max_output_tokens", "maxOutputTokens", "max_new_tokens",
        "num_predict", "top_p", "topP", "top_k", "topK", "seed", "stop", "stopSequences", "stop_sequences", "n",
        "frequency_penalty", "presence_penalty", "response_format", "reasoning_effort", "showThinking", "stream",
    }
)  # fmt: skip
"""Settings of one provider's sampling that suites leave on another's, where they do nothing; promptfoo takes them."""


class ApiKey(NamedTuple):
    """A key and where it comes from, or should."""

    value: str | None
    origin: str


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where calls go and what they carry."""

    url: str
    headers: Mapping[str, str]
    secrets: tuple[str, ...]
    hints: Mapping[int, str] = field(default_factory=dict)

    def call(self, body: JsonValue, headers: Mapping[str, str] | None = None) -> HttpCall:
        """Return a POST of the body, with further headers over the endpoint's own."""
        data = _COMPACT(body).encode("utf-8", "replace")
        return HttpCall("POST", self.url, {**self.headers, **(headers or {})}, data, self.secrets, self.hints)

    def __repr__(self) -> str:
        return f"Endpoint({safe_url(self.url)!r})"


class Door(Protocol):
    """How an endpoint is reached; one whose key is fetched or whose requests are signed is asked for each call."""

    @property
    def url(self) -> str:
        """Where calls go."""
        ...

    async def call(self, body: JsonValue, headers: Mapping[str, str]) -> HttpCall:
        """Return the call, with what proves who asks."""
        ...

    async def close(self) -> None:
        """Frees what it holds."""
        ...


@dataclass(frozen=True, slots=True)
class OpenDoor:
    """An endpoint whose headers never change."""

    endpoint: Endpoint

    @property
    def url(self) -> str:
        """See `Door.url`."""
        return self.endpoint.url

    async def call(self, body: JsonValue, headers: Mapping[str, str]) -> HttpCall:
        """See `Door.call`."""
        return self.endpoint.call(body, headers)

    async def close(self) -> None:
        """See `Door.close`."""


class Dialect(Protocol):
    """How one API is spoken: pure, from values to values."""

    @property
    def name(self) -> str:
        """The API's name in messages and in the identity of answers."""
        ...

    @property
    def reading(self) -> tuple[str, ...]:
        """The settings that decide what is made of a reply."""
        ...

    def body(self, request: Request, config: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
        """Return what is sent. Raises CannotEvaluate for a prompt that cannot be sent."""
        ...

    def headers(self, config: Mapping[str, JsonValue]) -> Mapping[str, str]:
        """Return headers that depend on the config."""
        ...

    def answer(self, data: JsonValue, config: Mapping[str, JsonValue], latency_ms: float) -> Answer:
        """Return what a reply means. Raises MalformedReply."""
        ...


Parse = Callable[[HttpCall, HttpReply], JsonValue]


class HostedModel:
    """A hosted model that answers prompts.

    Args:
        spec: what the suite says.
        dialect: how its API is spoken.
        door: how its endpoint is reached.
        config: the spec's config with its files read.
        context: fills the templates in `tools` and the like.
        client: sends.
        parse: makes JSON of a reply; raises as `accept_json` does.
    """

    def __init__(
        self,
        spec: ProviderSpec,
        dialect: Dialect,
        door: Door,
        config: Mapping[str, JsonValue],
        context: ProviderContext,
        client: HttpClient,
        parse: Parse = accept_json,
    ) -> None:
        self.id = spec.id
        self._dialect = dialect
        self._door = door
        self._config = config
        self._context = context
        self._client = client
        self._parse = parse

    def identity(self, request: Request) -> JsonValue:
        """See `Provider.identity`."""
        config = self._merged(request)
        headers = {**texts(config, "headers"), **self._dialect.headers(config)}
        return {
            "provider": self._dialect.name,
            "url": safe_url(self._door.url),
            "body": self._dialect.body(request, config),
            "headers": {name: value for name, value in headers.items() if not is_secret_name(name)},
            "read": [config.get(key) for key in (*self._dialect.reading, "cost", "inputCost", "outputCost")],
            "repeat": request.repeat,
        }

    async def answer(self, request: Request) -> Answer:
        """See `Provider.answer`."""
        config = self._merged(request)
        body, headers = self._dialect.body(request, config), self._dialect.headers(config)

        def accept(call: HttpCall, reply: HttpReply) -> Answer:
            check_length(reply)
            data = self._parse(call, reply)
            try:
                return self._dialect.answer(data, config, reply.latency_ms)
            except MalformedReply as exc:
                raise not_the_protocol(self._dialect.name, call, reply, exc) from exc

        async def target() -> HttpCall:
            return await self._door.call(body, headers)

        return await self._client.call_moving(target, f"POST {safe_url(self._door.url)}", accept)

    def _merged(self, request: Request) -> Mapping[str, JsonValue]:
        config = {**self._config, **request.config} if request.config else self._config
        rendered = {key for key in RENDERED if has_templates(config.get(key))}
        if not rendered:
            return config
        render = self._context.templates.render_value
        return {key: render(value, request.vars) if key in rendered else value for key, value in config.items()}

    async def close(self) -> None:
        """See `Provider.close`."""
        await self._door.close()
        await self._client.close()


class HostedEmbedder:
    """A hosted model that makes vectors of texts.

    Args:
        spec: what the suite says.
        name: the API's, in messages and identities.
        body: what is sent for a text.
        read: the vector in a reply; raises MalformedReply.
        door: how its endpoint is reached.
        client: sends.
    """

    def __init__(
        self,
        spec: ProviderSpec,
        name: str,
        body: Callable[[str], JsonValue],
        read: Callable[[JsonValue], Embedding],
        door: Door,
        client: HttpClient,
    ) -> None:
        self.id = spec.id
        self._name = name
        self._body = body
        self._read = read
        self._door = door
        self._client = client

    async def embed(self, text: str) -> Embedding:
        """See `Embedder.embed`."""
        return await ask_once(self._client, self._door, self._body(text), self._name, self._read)

    def embedding_identity(self, text: str) -> JsonValue:
        """The endpoint, the model and the text."""
        return {"provider": self._name, "url": safe_url(self._door.url), "body": self._body(text)}

    def identity(self, _: Request) -> JsonValue:
        """None: it answers no prompts."""
        return None

    async def answer(self, _: Request) -> Answer:
        """Raises CannotEvaluate: it makes vectors only."""
        raise CannotEvaluate(f"provider {self.id!r} makes vectors, it answers no prompts")

    async def close(self) -> None:
        """See `Provider.close`."""
        await self._door.close()
        await self._client.close()


async def ask_once(client: HttpClient, door: Door, body: JsonValue, name: str, read: Callable[[JsonValue], T]) -> T:
    """Return what `read` makes of the reply to one body.

    Args:
        client: sends.
        door: how the endpoint is reached.
        body: what is sent.
        name: the API's, for the message about a reply that is not its protocol's.
        read: makes a value of the JSON; raises MalformedReply.

    Raises:
        EnvironmentFault: as `HttpClient.call`.
    """

    def accept(call: HttpCall, reply: HttpReply) -> T:
        check_length(reply)
        data = accept_json(call, reply)
        try:
            return read(data)
        except MalformedReply as exc:
            raise not_the_protocol(name, call, reply, exc) from exc

    async def target() -> HttpCall:
        return await door.call(body, {})

    return await client.call_moving(target, f"POST {safe_url(door.url)}", accept)


RENDERED = ("tools", "functions", "response_format", "output_format", "responseSchema", "systemInstruction")
"""Strings inside these settings are templates over the test's vars, and `file://` is read."""


def check_length(reply: HttpReply) -> None:
    """Returns unless the endpoint says that the prompt is too long for the model; then raises CannotEvaluate."""
    if reply.status not in (400, 413, 422):
        return
    message = error_message(reply)
    if _TOO_LONG.search(message):
        raise CannotEvaluate(f"the prompt is too long for the model: {message[:300]}")


def not_the_protocol(name: str, call: HttpCall, reply: HttpReply, exc: MalformedReply) -> HttpFault:
    """Return the fault for a reply of another protocol."""
    begins = call.scrub(reply.text[:120])
    return HttpFault(
        f"{call.name}: the reply is not one of {name}: {exc} (begins {begins!r})",
        call=call.name,
        status=reply.status,
        hint="check the base URL and the model's name",
    )


def read_config(
    spec: ProviderSpec, context: ProviderContext, known: Iterable[str], refused: Mapping[str, str] | None = None
) -> dict[str, JsonValue]:
    """Return the spec's config with `file://` read where a provider's settings may be files.

    Args:
        spec: what the suite says.
        context: reads files.
        known: the keys that this provider takes, beside those of all hosted ones.
        refused: keys that are understood and not supported, with the reason.

    Raises:
        InputError: unknown keys, refused ones, or files that cannot be read.
    """
    check_keys(spec, context, {*known, *COMMON_KEYS, *ELSEWHERE}, refused)
    config = {key: value for key, value in spec.config.items() if key not in _SECRETS}
    for key in RENDERED:
        if key in config:
            value = load_references(config[key], spec, context)
            # A list of file references, each with a list in it, is one list.
            nested = isinstance(value, list) and any(isinstance(item, list) for item in value)
            config[key] = _flat(value) if nested and isinstance(value, list) else value
    return config


def _flat(items: list[JsonValue]) -> list[JsonValue]:
    return [inner for item in items for inner in (item if isinstance(item, list) else [item])]


def find_key(spec: ProviderSpec, context: ProviderContext, variables: Iterable[str]) -> ApiKey:
    """Return the key that the config holds or names, else the first of these environment variables that is set."""
    names = [name for name in (text_of(spec, "apiKeyEnvar", context), *variables) if name]
    if key := text_of(spec, "apiKey", context):
        return ApiKey(key, "apiKey in the suite")
    for name in names:
        if context.env.get(name):
            return ApiKey(context.env[name], f"environment variable {name}")
    return ApiKey(None, f"environment variable {names[0]}" if names else "apiKey")


def missing_key(spec: ProviderSpec, key: ApiKey, hint: str = "") -> MissingKeyFault:
    """Return the fault for a provider whose key is not set."""
    place = place_of(spec)
    where = f"{place}: " if place else ""
    return MissingKeyFault(f"{where}provider {spec.id!r} has no API key", hint=hint or f"set {key.origin}")


def key_hints(key: ApiKey) -> dict[int, str]:
    """Return what to do about a key that the endpoint refuses."""
    if key.value:
        return {401: f"the endpoint does not know the API key; it comes from {key.origin}"}
    return {401: f"set {key.origin}"}


def base_url(spec: ProviderSpec, context: ProviderContext, variables: Iterable[str], default: str) -> str:
    """Return the base URL without a slash at its end: `apiBaseUrl`, a variable, or the default.

    Raises:
        InputError: it is not a URL.
    """
    found = text_of(spec, "apiBaseUrl", context)
    found = found or next((context.env[name] for name in variables if context.env.get(name)), default)
    if not found.startswith(("http://", "https://")):
        message = f"provider {spec.id!r}: apiBaseUrl={found!r}: expected http://HOST... or https://HOST..."
        raise InputError(Problem(message, place_of(spec, "apiBaseUrl")))
    return found.rstrip("/")


def rendered_headers(spec: ProviderSpec, context: ProviderContext) -> dict[str, str]:
    """Return the config's `headers` with their templates filled."""
    return {name: render_text(value, {}, context) for name, value in texts_of(spec, "headers").items()}


def client_of(spec: ProviderSpec, context: ProviderContext) -> HttpClient:
    """Return an HTTP client with the spec's own patience."""
    timeout = number_of(spec, "timeoutMs")
    policy = context.settings.retry_policy(
        deadline_s=None if timeout is None else timeout / 1000,
        max_retries=number_of(spec, "maxRetries"),
    )
    return HttpClient(policy, context.env)


def env_number(context: ProviderContext, name: str) -> float | int | None:
    """Return the number in an environment variable, or None; raises InputError for another text."""
    text = context.env.get(name)
    if not text:
        return None
    try:
        number = float(text)
    except ValueError:
        raise InputError(Problem(f"environment variable {name}={text!r}: expected a number")) from None
    return int(number) if number == int(number) else number
