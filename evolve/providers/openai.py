"""OpenAI and every service that speaks its protocol.

`openai:chat:MODEL`, `openai:completion:MODEL`, `openai:embedding:MODEL`, `openai:responses:MODEL` and
`openai:moderation:MODEL`; services with their own names are in `openai_services`. Any server that speaks the protocol
works (llama.cpp, vLLM, gateways): name it by `apiBaseUrl`, or by the environment: EVOLVE_BASE_URL, OPENAI_API_HOST,
OPENAI_API_BASE_URL, OPENAI_BASE_URL.
"""

import json
import re
from collections.abc import Mapping
from typing import Final

from evolve.core.model.answers import Answer, Request, TokenUsage
from evolve.core.model.errors import CannotEvaluate, HttpFault, InputError, Problem
from evolve.core.model.json_value import JsonValue
from evolve.core.model.ports import Embedding, Moderation, ModerationFlag
from evolve.core.model.suite import ProviderSpec
from evolve.providers.chat_messages import plain_text
from evolve.providers.config import check_keys, place_of, text_of, wrong
from evolve.providers.context import ProviderContext
from evolve.providers.hosted import (
    ApiKey,
    Endpoint,
    HostedModel,
    OpenDoor,
    ask_once,
    client_of,
    find_key,
    key_hints,
    missing_key,
    rendered_headers,
)
from evolve.providers.openai_replies import (
    PLAIN,
    Reading,
    chat_answer,
    completion_answer,
    read_embedding,
    token_usage,
)
from evolve.providers.openai_requests import BodyBuilder, prepare_config
from evolve.providers.openai_responses import KEYS as RESPONSES_KEYS
from evolve.providers.openai_responses import Responses
from evolve.providers.openai_services import SERVICES, Service
from evolve.providers.replies import MalformedReply, items, mapping
from evolve.system.credentials import safe_url
from evolve.system.http_client import HttpCall, HttpClient, HttpReply, accept_json
from evolve.system.retry import Transient

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
        "stream",
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
        "model",
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
"""Models that a bare `openai:MODEL` calls by text completions: they have no chat."""
_RESPONSES_MODELS = re.compile(
    r"computer-use|(o1|o3|gpt-5(\.\d)?)-pro\b|gpt-5(\.\d)?-codex|codex-mini|o[34](-mini)?-deep-research|gpt-5\.6-\w"
)
"""Models that a bare `openai:MODEL` calls by the Responses API: they have no other."""
_PATHS = {
    "chat": "chat/completions",
    "completion": "completions",
    "embedding": "embeddings",
    "moderation": "moderations",
    "responses": "responses",
}
_DEFAULT_MODELS: Final = {
    "chat": "gpt-4.1-2025-04-14",
    "completion": "gpt-3.5-turbo-instruct",
    "embedding": "text-embedding-3-large",
    "responses": "gpt-4.1-2025-04-14",
    "moderation": "omni-moderation-latest",
}
"""By kind of model, the one that is asked where neither the id nor the config names one; those of promptfoo."""
_OTHER_KINDS = ("assistant", "image", "realtime", "video", "transcription", "tts", "speech", "agents", "codex-sdk")


class OpenAi:
    """A model behind an OpenAI-compatible endpoint that writes text."""

    def __init__(
        self,
        spec: ProviderSpec,
        kind: str,
        builder: BodyBuilder,
        endpoint: Endpoint,
        client: HttpClient,
        reading: Reading = PLAIN,
    ) -> None:
        self.id = spec.id
        self._is_chat = kind == "chat"
        self._builder = builder
        defaults = builder.service.defaults if builder.service and builder.service.defaults else {}
        self._config = {**defaults, **prepare_config(spec, builder.context)}
        self._endpoint = endpoint
        self._client = client
        self._reading = reading

    def identity(self, request: Request) -> JsonValue:
        """See `Provider.identity`."""
        return {
            "provider": "openai",
            "url": safe_url(self._endpoint.url),
            "body": self._body(request),
            "read": reply_settings(merge_config(self._config, request)),
            "repeat": request.repeat,
            **({"service": self._reading.vendor} if self._reading.vendor not in ("", "openai") else {}),
        }

    async def answer(self, request: Request) -> Answer:
        """See `Provider.answer`."""
        config = merge_config(self._config, request)

        def accept(call: HttpCall, reply: HttpReply) -> Answer:
            return read_answer(call, reply, config, is_chat=self._is_chat, reading=self._reading)

        return await self._client.call(self._endpoint.call(self._body(request)), accept)

    def _body(self, request: Request) -> dict[str, JsonValue]:
        config = merge_config(self._config, request)
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
        """Return the endpoint, the model and the text."""
        return {"provider": "openai embedding", "url": self._endpoint.url, "body": {"input": text, **self._base}}

    def identity(self, _: Request) -> JsonValue:
        """Return None: it answers no prompts."""
        return None

    async def answer(self, _: Request) -> Answer:
        """Raise CannotEvaluate: it only makes vectors."""
        raise CannotEvaluate(f"provider {self.id!r} makes vectors, it answers no prompts; use openai:chat:MODEL")

    async def close(self) -> None:
        """See `Provider.close`."""
        await self._client.close()


class OpenAiModerator:
    """OpenAI's moderation: which of its categories a text falls into."""

    def __init__(self, spec: ProviderSpec, model: str, endpoint: Endpoint, client: HttpClient) -> None:
        self.id = spec.id
        self._model = model
        self._endpoint = endpoint
        self._client = client

    async def moderate(self, _: str, output: str) -> Moderation:
        """See `Moderator.moderate`; the prompt is not sent, as in promptfoo."""
        return await ask_once(
            self._client, OpenDoor(self._endpoint), self._body(output), "OpenAI's moderation", _read_moderation
        )

    def moderation_identity(self, _: str, output: str) -> JsonValue:
        """See `Moderator.moderation_identity`."""
        return {"provider": "openai moderation", "url": safe_url(self._endpoint.url), "body": self._body(output)}

    def _body(self, text: str) -> dict[str, JsonValue]:
        parts: JsonValue = [{"type": "text", "text": text}] if self._model.startswith("omni-") else text
        return {"model": self._model, "input": parts}

    def identity(self, _: Request) -> JsonValue:
        """Return None: it answers no prompts."""
        return None

    async def answer(self, _: Request) -> Answer:
        """Raise CannotEvaluate: it only moderates."""
        raise CannotEvaluate(f"provider {self.id!r} moderates, it answers no prompts; use openai:chat:MODEL")

    async def close(self) -> None:
        """See `Provider.close`."""
        await self._client.close()


def merge_config(config: Mapping[str, JsonValue], request: Request) -> Mapping[str, JsonValue]:
    """Return the provider's config, overridden by the request's own settings."""
    return {**config, **request.config} if request.config else config


def reply_settings(config: Mapping[str, JsonValue]) -> JsonValue:
    """Return the settings that change how a reply is read; they are part of an answer's identity."""
    return [config.get(key) for key in ("showThinking", "cost", "inputCost", "outputCost")]


def read_answer(
    call: HttpCall, reply: HttpReply, config: Mapping[str, JsonValue], *, is_chat: bool, reading: Reading = PLAIN
) -> Answer:
    """Return the answer in a reply; raises as `accept_json` does, and CannotEvaluate for a prompt over the context.

    Args:
        call: the call; its secrets are removed from messages.
        reply: the reply to it.
        config: the provider's config, overridden by the request's.
        is_chat: a chat completion, else a text completion.
        reading: the prices and exceptions of the service.
    """
    check_context(reply)
    data = accept_json(call, reply)
    if isinstance(data, dict) and data.get("error") and not data.get("choices"):
        raise Transient(f"status {reply.status} with the error {call.scrub(json.dumps(data['error']))[:400]}")
    try:
        return (chat_answer if is_chat else completion_answer)(data, config, reply.latency_ms, reading)
    except MalformedReply as exc:
        raise _not_openai(call, reply, exc) from exc


def check_context(reply: HttpReply) -> None:
    """Raise CannotEvaluate if the endpoint says that the prompt exceeds the context; the message has the numbers."""
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
        return Embedding(read_embedding(data), token_usage(data).total)
    except MalformedReply as exc:
        raise _not_openai(call, reply, exc) from exc


def _read_moderation(data: JsonValue) -> Moderation:
    results = mapping(data).get("results")
    if not isinstance(results, list):
        raise MalformedReply("it has no results")
    found: dict[str, float] = {}
    for result in map(mapping, items(results)):
        scores = mapping(result.get("category_scores"))
        for category, flagged in mapping(result.get("categories")).items():
            score = scores.get(category)
            if result.get("flagged") and flagged:
                number = float(score) if isinstance(score, int | float) else 0.0
                found[category] = max(number, found.get(category, number))
    return Moderation(tuple(ModerationFlag(name, name, score) for name, score in found.items()), TokenUsage(requests=1))


def _not_openai(call: HttpCall, reply: HttpReply, exc: MalformedReply) -> HttpFault:
    begins = call.scrub(reply.text[:120])
    return HttpFault(
        f"{call.name}: the reply is not an OpenAI-compatible one: {exc} (begins {begins!r})",
        call=call.name,
        status=reply.status,
        hint="check apiBaseUrl: it usually ends in /v1",
    )


Opened = OpenAi | OpenAiEmbedder | OpenAiModerator | HostedModel


def open_provider(spec: ProviderSpec, context: ProviderContext) -> Opened:
    """Return the provider that an `openai:` id names, or that of a service with its own name.

    Raises:
        InputError: an unknown kind of model, or a wrong config.
        MissingKeyFault: the service requires an API key and there is none.
    """
    service = SERVICES.get(spec.id.partition(":")[0])
    kind, model = _kind_and_model(spec) if service is None else _of_service(spec, service)
    _check(spec, context, kind, service)
    endpoint = _endpoint(spec, context, kind) if service is None else _service_endpoint(spec, context, kind, service)
    client = client_of(spec, context)
    if kind == "embedding":
        return OpenAiEmbedder(spec, model, endpoint, client)
    if kind == "moderation":
        return OpenAiModerator(spec, model, endpoint, client)
    # A gateway's name for a model may begin with its vendor's.
    name = model.rsplit("/", 1)[-1]
    own = Reading("openai" if service is None else service.vendor, name, service.output if service else None)
    if kind == "responses":
        config = prepare_config(spec, context)
        return HostedModel(spec, Responses(context, model, own), OpenDoor(endpoint), config, context, client)
    return OpenAi(spec, kind, BodyBuilder(spec, context, model, service=service), endpoint, client, own)


def _check(spec: ProviderSpec, context: ProviderContext, kind: str, service: Service | None) -> None:
    known = _KEYS | RESPONSES_KEYS if kind == "responses" else _KEYS
    if service is not None:
        known = known | service.keys
        if service.passes_all:
            known = known | spec.config.keys()
    check_keys(spec, context, known, REFUSED, hint="further fields of the request go under `passthrough`")


def _kind_and_model(spec: ProviderSpec) -> tuple[str, str]:
    _, _, rest = spec.id.partition(":")
    kind, _, model = rest.partition(":")
    kind = "embedding" if kind == "embeddings" else kind
    if kind in _DEFAULT_MODELS:
        configured = spec.config.get("model")
        if configured is not None and not isinstance(configured, str):
            raise wrong(spec, "model", "the name of a model")
        return kind, model or configured or _DEFAULT_MODELS[kind]
    if kind in _OTHER_KINDS or not kind:
        kinds = ", ".join(f"openai:{name}:MODEL" for name in _DEFAULT_MODELS)
        raise InputError(Problem(f"provider {spec.id!r}: expected {kinds}", place_of(spec)))
    if _RESPONSES_MODELS.match(rest):
        return "responses", rest
    return ("completion" if rest in _COMPLETION_MODELS else "chat"), rest


def _of_service(spec: ProviderSpec, service: Service) -> tuple[str, str]:
    name, _, rest = spec.id.partition(":")
    kind, colon, model = rest.partition(":")
    kind = "embedding" if kind == "embeddings" else kind
    if not colon or kind not in service.kinds:
        # In `openrouter:org/model:free` the part before the colon is not a kind.
        kind, model = "chat", rest
    model = model or service.default_model
    if not model:
        raise InputError(Problem(f"provider {spec.id!r}: expected {name}:MODEL", place_of(spec)))
    return kind, model


def _endpoint(spec: ProviderSpec, context: ProviderContext, kind: str) -> Endpoint:
    base = _base_url(spec, context)
    key = find_key(spec, context, ("EVOLVE_API_KEY", "OPENAI_API_KEY"))
    if not key.value and not text_of(spec, "apiKeyEnvar", context):
        key = ApiKey(None, "environment variable OPENAI_API_KEY")
    if spec.config.get("apiKeyRequired", base.startswith(_OFFICIAL)) and not key.value:
        raise missing_key(spec, key, f"set {key.origin}, or apiBaseUrl to your own server")
    organization = text_of(spec, "organization", context) or context.env.get("OPENAI_ORGANIZATION")
    further = {"OpenAI-Organization": organization} if organization else {}
    return _reached(spec, context, kind, base, key, further)


def _service_endpoint(spec: ProviderSpec, context: ProviderContext, kind: str, service: Service) -> Endpoint:
    name = spec.id.partition(":")[0]
    default = service.base_url
    if name == "xai" and (region := text_of(spec, "region", context)):
        default = f"https://{region}.api.x.ai/v1"
    host = text_of(spec, "apiHost", context)
    names = (*service.urls, f"{name.upper()}_BASE_URL")
    base = f"https://{host}/v1" if host else text_of(spec, "apiBaseUrl", context)
    base = base or next((context.env[variable] for variable in names if context.env.get(variable)), default)
    key = find_key(spec, context, (service.key,))
    if service.needs_key and spec.config.get("apiKeyRequired") is not False and not key.value:
        raise missing_key(spec, key)
    return _reached(spec, context, kind, _checked_url(spec, base), key, {})


def _reached(
    spec: ProviderSpec, context: ProviderContext, kind: str, base: str, key: ApiKey, further: Mapping[str, str]
) -> Endpoint:
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {key.value}"} if key.value else {})}
    headers |= {**further, **rendered_headers(spec, context)}
    path, _, query = base.partition("?")
    url = f"{path.rstrip('/')}/{_PATHS[kind]}" + (f"?{query}" if query else "")
    return Endpoint(url, headers, (key.value,) if key.value else (), key_hints(key))


def _base_url(spec: ProviderSpec, context: ProviderContext) -> str:
    host = text_of(spec, "apiHost", context)
    base = f"https://{host}/v1" if host else text_of(spec, "apiBaseUrl", context)
    if not base:
        env_host = context.env.get("OPENAI_API_HOST")
        names = ("OPENAI_API_BASE_URL", "OPENAI_BASE_URL")
        base = context.env.get("EVOLVE_BASE_URL") or (f"https://{env_host}/v1" if env_host else None)
        base = base or next((context.env[name] for name in names if context.env.get(name)), _OFFICIAL)
    return _checked_url(spec, base)


def _checked_url(spec: ProviderSpec, base: str) -> str:
    if not base.startswith(("http://", "https://")):
        message = f"provider {spec.id!r}: apiBaseUrl={base!r}: expected http://HOST:PORT/v1 or https://..."
        raise InputError(Problem(message, place_of(spec, "apiBaseUrl")))
    return base
