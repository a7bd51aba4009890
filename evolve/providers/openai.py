"""OpenAI-compatible endpoints: `openai:chat:MODEL`, `openai:completion:MODEL`, `openai:embedding:MODEL`.

Any server that speaks the protocol will do (llama.cpp, vLLM, gateways): name it by `apiBaseUrl`, or by the
environment: EVOLVE_BASE_URL, OPENAI_API_HOST, OPENAI_API_BASE_URL, OPENAI_BASE_URL.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from evolve.core.model.answers import Answer, Request
from evolve.core.model.errors import CannotEvaluate, EnvironmentFault, HttpFault, InputError, Problem
from evolve.core.model.json_value import JsonValue
from evolve.core.model.ports import Embedding
from evolve.core.model.suite import ProviderSpec
from evolve.providers.chat_messages import plain_text
from evolve.providers.config import check_keys, number_of, place_of, render_text, text_of, texts_of
from evolve.providers.context import ProviderContext
from evolve.providers.openai_replies import MalformedReply, chat_answer, completion_answer, embedding_of, token_usage
from evolve.providers.openai_requests import BodyBuilder, prepared_config
from evolve.system.credentials import safe_url
from evolve.system.http_client import HttpCall, HttpClient, HttpReply, accept_json
from evolve.system.retry import Transient

_COMPACT = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_OFFICIAL = "https://api.openai.com/v1"
SAMPLING_KEYS = frozenset(
    {
        "temperature",
        "max_tokens",
        "max_completion_tokens",
        "top_p",
        "frequency_penalty",
        "presence_penalty",
        "best_of",
        "seed",
        "stop",
        "response_format",
        "tools",
        "tool_choice",
        "tool_resources",
        "functions",
        "function_call",
        "passthrough",
        "reasoning",
        "reasoning_effort",
        "verbosity",
        "service_tier",
        "user",
        "metadata",
        "store",
        "showThinking",
        "omitDefaults",
        "logprobs",
        "top_logprobs",
        "cost",
        "inputCost",
        "outputCost",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
    }
)
_KEYS = SAMPLING_KEYS | frozenset(
    {
        "apiBaseUrl",
        "apiHost",
        "apiKey",
        "apiKeyEnvar",
        "apiKeyRequired",
        "organization",
        "headers",
    }
)
REFUSED = {
    "mcp": "Anneal starts no MCP servers",
    "functionToolCallbacks": "tool calls are the answer; nothing executes them",
    "audio": "only text is supported",
    "modalities": "only text is supported",
}
_COMPLETION_MODELS = ("gpt-3.5-turbo-instruct", "davinci-002", "babbage-002")
_PATHS = {"chat": "chat/completions", "completion": "completions", "embedding": "embeddings"}
_OTHER_KINDS = (
    "responses",
    "assistant",
    "image",
    "moderation",
    "realtime",
    "video",
    "transcription",
    "agents",
    "codex-sdk",
)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where calls go and what they carry."""

    url: str
    headers: Mapping[str, str]
    secrets: tuple[str, ...]
    hints: Mapping[int, str]

    def call(self, body: JsonValue) -> HttpCall:
        """A POST of the body."""
        data = _COMPACT(body).encode("utf-8", "replace")
        return HttpCall("POST", self.url, self.headers, data, self.secrets, self.hints)


class OpenAi:
    """A model behind an OpenAI-compatible endpoint that writes text."""

    def __init__(
        self, spec: ProviderSpec, kind: str, builder: BodyBuilder, endpoint: Endpoint, client: HttpClient
    ) -> None:
        self.id = spec.id
        self._is_chat = kind == "chat"
        self._builder = builder
        self._config = prepared_config(spec, builder.context)
        self._endpoint = endpoint
        self._client = client

    def identity(self, request: Request) -> JsonValue:
        """See `Provider.identity`."""
        return {
            "provider": "openai",
            "url": safe_url(self._endpoint.url),
            "body": self._body(request),
            "read": reading(merged(self._config, request)),
            "repeat": request.repeat,
        }

    async def answer(self, request: Request) -> Answer:
        """See `Provider.answer`."""
        config = merged(self._config, request)

        def accept(call: HttpCall, reply: HttpReply) -> Answer:
            return read_answer(call, reply, config, is_chat=self._is_chat)

        return await self._client.call(self._endpoint.call(self._body(request)), accept)

    def _body(self, request: Request) -> dict[str, JsonValue]:
        config = merged(self._config, request)
        if self._is_chat:
            return self._builder.chat(request.prompt, config, request)
        return self._builder.completion(plain_text(request.prompt), config)

    async def close(self) -> None:
        """See `Provider.close`."""
        await self._client.close()


class OpenAiEmbedder:
    """A model behind an OpenAI-compatible endpoint that makes vectors."""

    def __init__(self, spec: ProviderSpec, model: str, endpoint: Endpoint, client: HttpClient) -> None:
        self.id = spec.id
        passthrough = spec.config.get("passthrough")
        self._base: dict[str, JsonValue] = {"model": model, **(passthrough if isinstance(passthrough, dict) else {})}
        self._endpoint = endpoint
        self._client = client

    async def embed(self, text: str) -> Embedding:
        """See `Embedder.embed`."""
        return await self._client.call(self._endpoint.call({"input": text, **self._base}), _read_embedding)

    def embedding_identity(self, text: str) -> JsonValue:
        """The endpoint, the model and the text."""
        return {"provider": "openai embedding", "url": self._endpoint.url, "body": {"input": text, **self._base}}

    def identity(self, _: Request) -> JsonValue:
        """None: it answers no prompts."""
        return None

    async def answer(self, _: Request) -> Answer:
        """Raises CannotEvaluate: it makes vectors only."""
        raise CannotEvaluate(f"provider {self.id!r} makes vectors, it answers no prompts; use openai:chat:MODEL")

    async def close(self) -> None:
        """See `Provider.close`."""
        await self._client.close()


def merged(config: Mapping[str, JsonValue], request: Request) -> Mapping[str, JsonValue]:
    """The provider's config with the request's own settings over it."""
    return {**config, **request.config} if request.config else config


def reading(config: Mapping[str, JsonValue]) -> JsonValue:
    """The settings that decide what is made of a reply; part of an answer's identity."""
    return [config.get(key) for key in ("showThinking", "cost", "inputCost", "outputCost")]


def read_answer(call: HttpCall, reply: HttpReply, config: Mapping[str, JsonValue], *, is_chat: bool) -> Answer:
    """The answer in a reply; raises as `accept_json` does, and CannotEvaluate for a prompt over the context."""
    check_context(reply)
    data = accept_json(call, reply)
    if isinstance(data, dict) and data.get("error") and not data.get("choices"):
        raise Transient(f"status {reply.status} with the error {call.scrub(json.dumps(data['error']))[:400]}")
    try:
        return (chat_answer if is_chat else completion_answer)(data, config, reply.latency_ms)
    except MalformedReply as exc:
        raise _not_the_protocol(call, reply, exc) from exc


def check_context(reply: HttpReply) -> None:
    """Returns unless the endpoint says that the prompt does not fit; then raises CannotEvaluate with the numbers."""
    if reply.status not in (400, 413, 500) or b"context" not in reply.body:
        return
    try:
        error = json.loads(reply.body).get("error", {})
    except (ValueError, AttributeError):
        return
    if not isinstance(error, dict):
        return
    if error.get("type") == "exceed_context_size_error":
        raise CannotEvaluate(
            f"the prompt is too long for the model: {error.get('n_prompt_tokens', '?')} tokens, "
            f"its context holds {error.get('n_ctx', '?')}; shorten the prompt or raise n_ctx"
        )
    if error.get("code") == "context_length_exceeded":
        raise CannotEvaluate(f"the prompt is too long for the model: {error.get('message', '')}")


def _read_embedding(call: HttpCall, reply: HttpReply) -> Embedding:
    check_context(reply)
    data = accept_json(call, reply)
    try:
        return Embedding(embedding_of(data), token_usage(data).total)
    except MalformedReply as exc:
        raise _not_the_protocol(call, reply, exc) from exc


def _not_the_protocol(call: HttpCall, reply: HttpReply, exc: MalformedReply) -> HttpFault:
    begins = call.scrub(reply.text[:120])
    return HttpFault(
        f"{call.name}: the reply is not an OpenAI-compatible one: {exc} (begins {begins!r})",
        call=call.name,
        status=reply.status,
        hint="check apiBaseUrl: it usually ends in /v1",
    )


def open_provider(spec: ProviderSpec, context: ProviderContext) -> OpenAi | OpenAiEmbedder:
    """The provider that an `openai:` id names.

    Raises:
        InputError: an unknown kind of model, or a wrong config.
        EnvironmentFault: OpenAI itself is meant and there is no API key.
    """
    kind, model = _kind_and_model(spec)
    check_keys(spec, context, _KEYS, REFUSED, hint="further fields of the request go under `passthrough`")
    endpoint = _endpoint(spec, context, kind)
    policy = context.settings.retry_policy(
        deadline_s=_seconds(number_of(spec, "timeoutMs")), max_retries=number_of(spec, "maxRetries")
    )
    client = HttpClient(policy, context.env)
    if kind == "embedding":
        return OpenAiEmbedder(spec, model, endpoint, client)
    return OpenAi(spec, kind, BodyBuilder(spec, context, model), endpoint, client)


def _seconds(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000


def _kind_and_model(spec: ProviderSpec) -> tuple[str, str]:
    _, _, rest = spec.id.partition(":")
    kind, _, model = rest.partition(":")
    kind = "embedding" if kind == "embeddings" else kind
    if kind in _PATHS and model:
        return kind, model
    if kind in _OTHER_KINDS or kind in _PATHS or not kind:
        expected = "expected openai:chat:MODEL, openai:completion:MODEL or openai:embedding:MODEL"
        raise InputError(Problem(f"provider {spec.id!r}: {expected}", place_of(spec)))
    return ("completion" if rest in _COMPLETION_MODELS else "chat"), rest


def _endpoint(spec: ProviderSpec, context: ProviderContext, kind: str) -> Endpoint:
    base = _base_url(spec, context)
    key, where = _api_key(spec, context)
    required = spec.config.get("apiKeyRequired", base.startswith(_OFFICIAL))
    if required and not key:
        raise EnvironmentFault(
            f"provider {spec.id!r} has no API key",
            hint=f"set {where}, or apiBaseUrl to a server of your own",
        )
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {key}"} if key else {})}
    organization = text_of(spec, "organization", context) or context.env.get("OPENAI_ORGANIZATION")
    if organization:
        headers["OpenAI-Organization"] = organization
    headers.update(_rendered_headers(spec, context))
    hints = {401: f"the endpoint does not know the API key; it comes from {where}"} if key else {401: f"set {where}"}
    path, _, query = base.partition("?")
    url = f"{path.rstrip('/')}/{_PATHS[kind]}" + (f"?{query}" if query else "")
    return Endpoint(url, headers, (key,) if key else (), hints)


def _rendered_headers(spec: ProviderSpec, context: ProviderContext) -> dict[str, str]:
    return {name: render_text(value, {}, context) for name, value in texts_of(spec, "headers").items()}


def _base_url(spec: ProviderSpec, context: ProviderContext) -> str:
    host = text_of(spec, "apiHost", context)
    base = f"https://{host}/v1" if host else text_of(spec, "apiBaseUrl", context)
    if not base:
        env_host = context.env.get("OPENAI_API_HOST")
        names = ("OPENAI_API_BASE_URL", "OPENAI_BASE_URL")
        base = context.env.get("EVOLVE_BASE_URL") or (f"https://{env_host}/v1" if env_host else None)
        base = base or next((context.env[name] for name in names if context.env.get(name)), _OFFICIAL)
    if not base.startswith(("http://", "https://")):
        message = f"provider {spec.id!r}: apiBaseUrl={base!r}: expected http://HOST:PORT/v1 or https://..."
        raise InputError(Problem(message, place_of(spec, "apiBaseUrl")))
    return base


def _api_key(spec: ProviderSpec, context: ProviderContext) -> tuple[str | None, str]:
    """The key, and where it comes from or should."""
    if key := text_of(spec, "apiKey", context):
        return key, "apiKey in the suite"
    name = text_of(spec, "apiKeyEnvar", context)
    for variable in (name, "EVOLVE_API_KEY", "OPENAI_API_KEY"):
        if variable and context.env.get(variable):
            return context.env[variable], f"environment variable {variable}"
    return None, f"environment variable {name or 'OPENAI_API_KEY'}"
