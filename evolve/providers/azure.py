"""Models of Azure OpenAI and Foundry: `azure:chat:DEPLOYMENT`, also `completion`, `embedding` and `responses`.

Calls need an API key, or the credentials of an application in Entra ID, with which a token is fetched.
"""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from evolve.core.formats.json_text import json_or
from evolve.core.model.answers import Answer, Request
from evolve.core.model.errors import InputError, Problem
from evolve.core.model.json_value import JsonValue
from evolve.core.model.ports import Embedding
from evolve.core.model.suite import ProviderSpec
from evolve.providers.chat_messages import chat_messages
from evolve.providers.config import place_of, text_of
from evolve.providers.context import ProviderContext
from evolve.providers.hosted import (
    Dialect,
    Door,
    Endpoint,
    HostedEmbedder,
    HostedModel,
    OpenDoor,
    base_url,
    client_of,
    env_number,
    find_key,
    key_hints,
    missing_key,
    read_config,
    rendered_headers,
)
from evolve.providers.openai import SAMPLING_KEYS
from evolve.providers.openai_replies import Reading, chat_answer, completion_answer, read_embedding, token_usage
from evolve.providers.openai_responses import KEYS as RESPONSES_KEYS
from evolve.providers.openai_responses import Responses
from evolve.providers.replies import first, given, mapping
from evolve.system.http_client import HttpCall, HttpClient, HttpReply, accept_json

_VERSION, _RESPONSES_VERSION = "2024-12-01-preview", "preview"
"""promptfoo's defaults for `apiVersion`."""
_LOGIN = "https://login.microsoftonline.com"
_SCOPE = "https://cognitiveservices.azure.com/.default"
_EARLY_S = 300.0
"""A token is renewed this long before it expires, so that a call with retries does not outlive it."""
_KEYS = (
    SAMPLING_KEYS
    | RESPONSES_KEYS
    | {
        "apiVersion", "deployment_id", "dataSources", "data_sources", "systemPrompt", "isReasoningModel", "o1",
        "isClaudeOpus47OrLater", "azureClientId", "azureClientSecret", "azureTenantId", "azureAuthorityHost",
        "azureTokenScope", "modelName", "deploymentName", "organization",
    }
)  # fmt: skip
REFUSED = {
    "mcp": "Anneal starts no MCP servers",
    "functionToolCallbacks": "tool calls are the answer; nothing executes them",
}
_KINDS = ("chat", "completion", "embedding", "responses")
_THINKS = re.compile(r"(^|-)(o[134]|gpt-5)|deepseek-r1|deepseek_r1|phi-4-reasoning|phi-4-mini-reasoning", re.IGNORECASE)
"""Names of deployments that reason and take other sampling settings; others are marked in the config, see `thinks`."""
_HOSTS = ("AZURE_API_HOST", "AZURE_OPENAI_API_HOST")
_URLS = ("AZURE_API_BASE_URL", "AZURE_OPENAI_API_BASE_URL", "AZURE_OPENAI_BASE_URL")


@dataclass(frozen=True, slots=True)
class AzureChat:
    """The dialect of a chat deployment."""

    context: ProviderContext
    deployment: str
    cost: Reading

    name = "Azure's chat completions"
    reading = ("response_format",)

    def headers(self, _: Mapping[str, JsonValue]) -> Mapping[str, str]:
        """See `Dialect.headers`."""
        return {}

    def body(self, request: Request, config: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
        """See `Dialect.body`."""
        body: dict[str, JsonValue] = {"model": self.deployment, "messages": _messages(request.prompt, config)}
        plain, env = config.get("omitDefaults") is True, self.context
        # The default numbers here are promptfoo's.
        tokens = first(config.get("max_tokens"), env_number(env, "OPENAI_MAX_TOKENS"), None if plain else 1024)
        heat = first(config.get("temperature"), env_number(env, "OPENAI_TEMPERATURE"), None if plain else 0)
        if thinks(self.deployment, config):
            limit = first(config.get("max_completion_tokens"), env_number(env, "OPENAI_MAX_COMPLETION_TOKENS"), tokens)
            effort = first(config.get("reasoning_effort"), None if plain else "medium")
            sampling = {"reasoning_effort": effort, "max_completion_tokens": limit}
        else:
            sampling = {"max_tokens": tokens, "temperature": heat}
        body |= {key: value for key, value in sampling.items() if value is not None}
        for key, default in (("top_p", 1), ("presence_penalty", 0), ("frequency_penalty", 0)):
            value = first(config.get(key), env_number(env, f"OPENAI_{key.upper()}"), None if plain else default)
            body |= {} if value is None else {key: value}
        body |= given(config, "seed")
        for key in (
            "functions", "function_call", "tools", "tool_choice", "deployment_id", "dataSources", "data_sources",
            "response_format", "logprobs", "stop",
        ):  # fmt: skip
            if config.get(key):
                body[key] = config[key]
        return {**body, **mapping(config.get("passthrough"))}

    def answer(self, data: JsonValue, config: Mapping[str, JsonValue], latency_ms: float) -> Answer:
        """See `Dialect.answer`."""
        blocked = mapping(mapping(data).get("error"))
        if blocked:
            flags: dict[str, JsonValue] = {"flagged": True, "flaggedInput": True, "flaggedOutput": False}
            text = str(blocked.get("message") or "")
            return Answer(text, latency_ms=latency_ms, finish_reason="content_filter", guardrails=flags, raw=data)
        answer = chat_answer(data, config, latency_ms, self.cost)
        flagged = bool((answer.guardrails or {}).get("flagged"))
        kind = mapping(config.get("response_format")).get("type")
        output = answer.output
        if kind == "json_object" and isinstance(output, str):
            output = json_or(output, output)
        guardrails: dict[str, JsonValue] = {"flagged": flagged, "flaggedInput": False, "flaggedOutput": flagged}
        return replace(answer, output=output, guardrails=guardrails)


@dataclass(frozen=True, slots=True)
class AzureCompletion:
    """The dialect of a deployment that continues a text."""

    context: ProviderContext
    deployment: str
    cost: Reading

    name = "Azure's completions"
    reading = ()

    def headers(self, _: Mapping[str, JsonValue]) -> Mapping[str, str]:
        """See `Dialect.headers`."""
        return {}

    def body(self, request: Request, config: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
        """See `Dialect.body`."""
        # promptfoo's defaults.
        defaults = {"max_tokens": 1024, "temperature": 0, "top_p": 1, "presence_penalty": 0, "frequency_penalty": 0}
        defaults["best_of"] = 1
        body: dict[str, JsonValue] = {"model": self.deployment, "prompt": request.prompt}
        for key, default in defaults.items():
            body[key] = first(config.get(key), env_number(self.context, f"OPENAI_{key.upper()}"), default)
        stop = json_or(self.context.env.get("OPENAI_STOP", ""), None) or config.get("stop")
        return {**body, **({"stop": stop} if stop else {}), **mapping(config.get("passthrough"))}

    def answer(self, data: JsonValue, config: Mapping[str, JsonValue], latency_ms: float) -> Answer:
        """See `Dialect.answer`."""
        return completion_answer(data, config, latency_ms, self.cost)


def thinks(deployment: str, config: Mapping[str, JsonValue]) -> bool:
    """Return whether a deployment reasons, by its config or its name."""
    return bool(config.get("isReasoningModel") or config.get("o1")) or _THINKS.search(deployment) is not None


def _messages(prompt: str, config: Mapping[str, JsonValue]) -> list[JsonValue]:
    messages = chat_messages(prompt)
    if not config.get("systemPrompt"):
        return messages
    system: JsonValue = {"role": "system", "content": config["systemPrompt"]}
    at = next((i for i, message in enumerate(messages) if mapping(message).get("role") == "system"), None)
    return [system, *messages] if at is None else [*messages[:at], system, *messages[at + 1 :]]


def _accept(call: HttpCall, reply: HttpReply) -> JsonValue:
    """Return the JSON of a reply; that of a prompt refused by Azure's filter is an answer, which the dialect reads."""
    if reply.status == 400 and b"content_filter" in reply.body:
        data = json_or(reply.text, None)
        if mapping(mapping(data).get("error")).get("code") == "content_filter":
            return data
    return accept_json(call, reply)


class EntraDoor:
    """An endpoint that needs a token of Entra ID; it is fetched when needed and kept while it is valid.

    Args:
        url: the URL of calls.
        headers: of every call.
        login: the URL that gives tokens.
        form: the request for a token: an application's id and secret.
        context: has the clock.
        client: also sends the request for a token.
    """

    def __init__(
        self,
        url: str,
        headers: Mapping[str, str],
        login: str,
        form: Mapping[str, str],
        context: ProviderContext,
        client: HttpClient,
    ) -> None:
        self.url = url
        self._headers = headers
        self._login = login
        self._form = form
        self._clock = context.settings.clock
        self._client = client
        self._token = ""
        self._ends = 0.0
        self._lock: asyncio.Lock | None = None

    async def call(self, body: JsonValue, headers: Mapping[str, str]) -> HttpCall:
        """See `Door.call`."""
        self._lock = self._lock or asyncio.Lock()
        async with self._lock:
            if not self._token or self._clock() > self._ends - _EARLY_S:
                await self._fetch()
        bearer = {**self._headers, "Authorization": f"Bearer {self._token}"}
        return Endpoint(self.url, bearer, (self._token,)).call(body, headers)

    async def _fetch(self) -> None:
        form = urlencode(self._form).encode()
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        hints = {400: "check azureTenantId and azureClientId", 401: "check azureClientSecret"}
        call = HttpCall("POST", self._login, headers, form, (self._form["client_secret"],), hints)
        reply = mapping(await self._client.call(call, accept_json))
        lasts = reply.get("expires_in")
        self._token = str(reply.get("access_token") or "")
        self._ends = self._clock() + (float(lasts) if isinstance(lasts, int | float | str) else 0.0)

    async def close(self) -> None:
        """See `Door.close`."""
        # A lock belongs to one event loop; the next loop creates its own.
        self._lock = None


def open_provider(spec: ProviderSpec, context: ProviderContext) -> HostedModel | HostedEmbedder:
    """Return the deployment that the id names.

    Raises:
        InputError: another kind of model, or a wrong config.
        MissingKeyFault: there are no credentials.
    """
    kind, deployment = _kind_and_model(spec)
    config = read_config(spec, context, _KEYS, REFUSED)
    client = client_of(spec, context)
    version = text_of(spec, "apiVersion", context)
    if kind == "responses":
        path = f"openai/v1/responses?api-version={version or _RESPONSES_VERSION}"
    else:
        action = {"chat": "chat/completions", "completion": "completions", "embedding": "embeddings"}[kind]
        action = f"extensions/{action}" if kind == "chat" and config.get("dataSources") else action
        path = f"openai/deployments/{deployment}/{action}?api-version={version or _VERSION}"
    door = _door(spec, context, client, path)
    if kind == "embedding":

        def body(text: str) -> JsonValue:
            return {"input": text, "model": deployment}

        def vector(data: JsonValue) -> Embedding:
            return Embedding(read_embedding(data), token_usage(data).total)

        return HostedEmbedder(spec, "Azure's embeddings", body, vector, door, client)
    cost = Reading("azure", deployment)
    dialect: Dialect
    if kind == "responses":
        dialect = Responses(context, deployment, cost, thinks(deployment, config))
    else:
        dialect = (AzureChat if kind == "chat" else AzureCompletion)(context, deployment, cost)
    return HostedModel(spec, dialect, door, config, context, client, _accept)


def _door(spec: ProviderSpec, context: ProviderContext, client: HttpClient, path: str) -> Door:
    env = context.env
    key = find_key(spec, context, ("AZURE_API_KEY", "AZURE_OPENAI_API_KEY"))
    url = f"{_base(spec, context)}/{path}"
    headers = {"Content-Type": "application/json", **rendered_headers(spec, context)}
    if key.value:
        return OpenDoor(Endpoint(url, {**headers, "api-key": key.value}, (key.value,), key_hints(key)))
    found = {
        name: text_of(spec, setting, context) or env.get(variable)
        for name, setting, variable in (
            ("client_id", "azureClientId", "AZURE_CLIENT_ID"),
            ("client_secret", "azureClientSecret", "AZURE_CLIENT_SECRET"),
            ("tenant", "azureTenantId", "AZURE_TENANT_ID"),
        )
    }
    tenant, form = found.pop("tenant"), {name: value for name, value in found.items() if value}
    if not tenant or len(form) < len(found):
        raise missing_key(spec, key, "set AZURE_API_KEY, or AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET")
    host = text_of(spec, "azureAuthorityHost", context) or env.get("AZURE_AUTHORITY_HOST") or _LOGIN
    scope = text_of(spec, "azureTokenScope", context) or env.get("AZURE_TOKEN_SCOPE") or _SCOPE
    login = f"{host.rstrip('/')}/{tenant}/oauth2/v2.0/token"
    form |= {"grant_type": "client_credentials", "scope": scope}
    return EntraDoor(url, headers, login, form, context, client)


def _base(spec: ProviderSpec, context: ProviderContext) -> str:
    host = text_of(spec, "apiHost", context) or next((context.env[n] for n in _HOSTS if context.env.get(n)), None)
    own = text_of(spec, "apiBaseUrl", context) or any(context.env.get(name) for name in _URLS)
    if own:
        return base_url(spec, context, _URLS, "")
    if not host:
        message = f"provider {spec.id!r}: no endpoint is set"
        raise InputError(Problem(message, place_of(spec), "set apiHost, or the environment variable AZURE_API_HOST"))
    return "https://" + re.sub(r"^https?://", "", host).rstrip("/")


def _kind_and_model(spec: ProviderSpec) -> tuple[str, str]:
    _, _, rest = spec.id.partition(":")
    kind, _, model = rest.partition(":")
    kind = "embedding" if kind == "embeddings" else kind
    if kind not in _KINDS or not model:
        name = spec.id.partition(":")[0]
        kinds = ", ".join(f"{name}:{known}:DEPLOYMENT" for known in _KINDS)
        raise InputError(Problem(f"provider {spec.id!r}: expected {kinds}", place_of(spec)))
    return kind, model
