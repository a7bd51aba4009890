"""The parts that all adapters of hosted models share: the key, the address, and the exchange of JSON.

The part that differs between APIs is the dialect: the body of a request, and the meaning of a reply. A dialect is pure;
the HTTP client handles time-outs, retries and faults.
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
"""Settings that only the endpoint may see; they are never compared, stored or printed."""
_COMPACT = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_TOO_LONG = re.compile(
    r"prompt is too long|input token count .*exceeds|context.{0,20}(length|window)|too many (input )?tokens",
    re.IGNORECASE,
)
"""How services say that a prompt exceeds the context. That is the prompt's fault, not the endpoint's."""
COMMON_KEYS = frozenset(
    {"apiKey", "apiKeyEnvar", "apiBaseUrl", "apiHost", "headers", "cost", "inputCost", "outputCost"}
)
"""Keys that most hosted providers accept in addition to their protocol's settings."""
ELSEWHERE = frozenset(
    {
        "temperature", "max_tokens", "max_completion_tokens", "max_output_tokens", "maxOutputTokens", "max_new_tokens",
        "num_predict", "top_p", "topP", "top_k", "topK", "seed", "stop", "stopSequences", "stop_sequences", "n",
        "frequency_penalty", "presence_penalty", "response_format", "reasoning_effort", "showThinking", "stream",
    }
)  # fmt: skip
"""Sampling settings of one provider that suites leave on another, where they have no effect; promptfoo accepts them."""


class ApiKey(NamedTuple):
    """A key and where it comes from; without a value, where it should come from."""

    value: str | None
    origin: str


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The URL and the headers of calls."""

    url: str
    headers: Mapping[str, str]
    secrets: tuple[str, ...]
    hints: Mapping[int, str] = field(default_factory=dict)

    def call(self, body: JsonValue, headers: Mapping[str, str] | None = None) -> HttpCall:
        """Return a POST of the body; `headers` override the endpoint's own."""
        data = _COMPACT(body).encode("utf-8", "replace")
        return HttpCall("POST", self.url, {**self.headers, **(headers or {})}, data, self.secrets, self.hints)

    def __repr__(self) -> str:
        return f"Endpoint({safe_url(self.url)!r})"


class Door(Protocol):
    """Makes the calls to an endpoint; it may fetch a token or sign each request."""

    @property
    def url(self) -> str:
        """The URL of calls."""
        ...

    async def call(self, body: JsonValue, headers: Mapping[str, str]) -> HttpCall:
        """Return the call, with its credentials."""
        ...

    async def close(self) -> None:
        """Free its resources."""
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
    """The form of one API's requests and replies; pure functions."""

    @property
    def name(self) -> str:
        """The API's name in messages and in the identity of answers."""
        ...

    @property
    def reading(self) -> tuple[str, ...]:
        """The settings that change how a reply is read."""
        ...

    def body(self, request: Request, config: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
        """Return the body of the request. Raises CannotEvaluate for a prompt that cannot be sent."""
        ...

    def headers(self, config: Mapping[str, JsonValue]) -> Mapping[str, str]:
        """Return headers that depend on the config."""
        ...

    def answer(self, data: JsonValue, config: Mapping[str, JsonValue], latency_ms: float) -> Answer:
        """Return the answer in a reply. Raises MalformedReply."""
        ...


Parse = Callable[[HttpCall, HttpReply], JsonValue]


class HostedModel:
    """A hosted model that answers prompts.

    Args:
        spec: the provider as the suite describes it.
        dialect: the form of its API.
        door: makes the calls to its endpoint.
        config: the spec's config with its files read.
        context: fills the templates in `tools` and the like.
        client: sends the calls.
        parse: returns the JSON of a reply; raises as `accept_json` does.
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
    """A hosted model that turns texts into vectors.

    Args:
        spec: the provider as the suite describes it.
        name: the API's name in messages and identities.
        body: returns the body for a text.
        read: returns the vector in a reply; raises MalformedReply.
        door: makes the calls to its endpoint.
        client: sends the calls.
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
        """Return the endpoint, the model and the text."""
        return {"provider": self._name, "url": safe_url(self._door.url), "body": self._body(text)}

    def identity(self, _: Request) -> JsonValue:
        """Return None: it answers no prompts."""
        return None

    async def answer(self, _: Request) -> Answer:
        """Raise CannotEvaluate: it only makes vectors."""
        raise CannotEvaluate(f"provider {self.id!r} makes vectors, it answers no prompts")

    async def close(self) -> None:
        """See `Provider.close`."""
        await self._door.close()
        await self._client.close()


async def ask_once(client: HttpClient, door: Door, body: JsonValue, name: str, read: Callable[[JsonValue], T]) -> T:
    """Send one body and return what `read` finds in the reply.

    Args:
        client: sends the call.
        door: makes the call.
        body: the body of the request.
        name: the API's name, for the message about a reply in another protocol.
        read: returns a value from the JSON; raises MalformedReply.

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
"""Strings inside these settings are templates over the test's vars, and `file://` references in them are read."""


def check_length(reply: HttpReply) -> None:
    """Raise CannotEvaluate if the endpoint says that the prompt is too long for the model."""
    if reply.status not in (400, 413, 422):
        return
    message = error_message(reply)
    if _TOO_LONG.search(message):
        raise CannotEvaluate(f"the prompt is too long for the model: {message[:300]}")


def not_the_protocol(name: str, call: HttpCall, reply: HttpReply, exc: MalformedReply) -> HttpFault:
    """Return the fault for a reply in another protocol.

    Args:
        name: the protocol that was expected.
        call: the call; its secrets are removed from the message.
        reply: its first 120 characters are shown, enough to recognise an HTML page or another API.
        exc: what is missing in the reply.
    """
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
        spec: the provider as the suite describes it.
        context: reads files.
        known: the keys that this provider accepts, in addition to those of all hosted ones.
        refused: keys that are recognised but not supported, with the reason.

    Raises:
        InputError: unknown keys, refused ones, or files that cannot be read.
    """
    check_keys(spec, context, {*known, *COMMON_KEYS, *ELSEWHERE}, refused)
    config = {key: value for key, value in spec.config.items() if key not in _SECRETS}
    for key in RENDERED:
        if key in config:
            value = load_references(config[key], spec, context)
            # A list of file references, each to a list, becomes one list.
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
    """Return hints by status for a key that the endpoint refuses."""
    if key.value:
        return {401: f"the endpoint does not know the API key; it comes from {key.origin}"}
    return {401: f"set {key.origin}"}


def base_url(spec: ProviderSpec, context: ProviderContext, variables: Iterable[str], default: str) -> str:
    """Return the base URL without a slash at its end: `apiBaseUrl`, a variable, or the default.

    Args:
        spec: the provider as the suite describes it.
        context: the environment.
        variables: environment variables, the first that is set counts.
        default: used if none is set.

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
    """Return an HTTP client with the spec's own deadline and retries."""
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
