"""Models at Google's Vertex AI: `vertex:MODEL` for Gemini, Claude and Llama, `vertex:embedding:MODEL` for vectors.

With an API key, Gemini is called in express mode. Everything else needs a token, which google-auth gets for a service
account or from the credentials that `gcloud auth application-default login` left on this machine.
"""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from evolve.core.model.answers import Answer, Request
from evolve.core.model.errors import EnvironmentFault, InputError, MissingKeyFault, Problem
from evolve.core.model.extras import install_command
from evolve.core.model.json_value import JsonValue
from evolve.core.model.ports import Embedding
from evolve.core.model.suite import ProviderSpec
from evolve.providers.chat_messages import chat_messages
from evolve.providers.claude import (
    accepted_thinking,
    claude_output,
    claude_prompt,
    claude_usage,
    refuses_sampling,
    spends_on_thinking,
)
from evolve.providers.config import load_references, place_of, text_of
from evolve.providers.context import ProviderContext
from evolve.providers.gemini import KEYS, GenerateContent
from evolve.providers.hosted import (
    Dialect,
    Door,
    Endpoint,
    HostedEmbedder,
    HostedModel,
    OpenDoor,
    client_of,
    find_key,
    key_hints,
    read_config,
    rendered_headers,
)
from evolve.providers.openai_replies import chat_answer
from evolve.providers.prices import cost_of
from evolve.providers.replies import MalformedReply, count, finish_reason, first, items, mapping
from evolve.system.http_client import HttpCall, HttpClient

_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_CLAUDE_KEYS = frozenset(
    {"max_tokens", "top_p", "top_k", "thinking", "effort", "showThinking", "anthropicVersion", "anthropic_version"}
)
_KEYS = KEYS | _CLAUDE_KEYS | {
    "projectId", "region", "publisher", "credentials", "keyFilename", "scopes", "googleAuthOptions", "expressMode",
    "vertexai", "llamaConfig", "autoTruncate", "strictMutualExclusivity",
}  # fmt: skip
REFUSED = {
    "mcp": "Anneal starts no MCP servers",
    "functionToolCallbacks": "tool calls are the answer; nothing executes them",
}


@dataclass(frozen=True, slots=True)
class VertexClaude:
    """The dialect of Claude at Vertex."""

    model: str

    name = "Claude's messages at Vertex"
    reading = ("showThinking",)

    def headers(self, _: Mapping[str, JsonValue]) -> Mapping[str, str]:
        """See `Dialect.headers`."""
        return {}

    def body(self, request: Request, config: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
        """See `Dialect.body`."""
        prompt = claude_prompt(request.prompt)
        effort = config.get("effort")
        thinking = accepted_thinking(self.model, first(config.get("thinking"), prompt.thinking), effort)
        limit = config.get("max_tokens") or config.get("maxOutputTokens")
        body: dict[str, JsonValue] = {
            "anthropic_version": config.get("anthropicVersion")
            or config.get("anthropic_version")
            or "vertex-2023-10-16",
            "stream": False,
            # promptfoo's defaults; thinking takes its tokens from the same limit.
            "max_tokens": limit or (2048 if spends_on_thinking(self.model, thinking) else 512),
        }
        budget = (thinking or {}).get("budget_tokens")
        if isinstance(budget, int) and isinstance(body["max_tokens"], int) and body["max_tokens"] < budget:
            # The limit includes the thinking budget; this leaves 1024 tokens for the answer.
            body["max_tokens"] = budget + 1024
        if not refuses_sampling(self.model):
            heat = {"temperature": config.get("temperature"), "top_p": first(config.get("top_p"), config.get("topP"))}
            heat["top_k"] = first(config.get("top_k"), config.get("topK"))
            body |= {key: value for key, value in heat.items() if value is not None}
        system = [*_text_blocks(config.get("systemInstruction")), *(prompt.system or [])]
        body |= {**({"system": system} if system else {}), **({"thinking": dict(thinking)} if thinking else {})}
        return {**body, **({"output_config": {"effort": effort}} if effort else {}), "messages": prompt.messages}

    def answer(self, data: JsonValue, config: Mapping[str, JsonValue], latency_ms: float) -> Answer:
        """See `Dialect.answer`."""
        thinking = accepted_thinking(self.model, config.get("thinking"), config.get("effort"))
        show = config.get("showThinking")
        output = claude_output(
            data, show_thinking=spends_on_thinking(self.model, thinking) if show is None else show is True
        )
        tokens, written = claude_usage(data)
        name = self.model.replace("@", "-")
        return Answer(
            output,
            latency_ms=latency_ms,
            cost=cost_of("anthropic", name, tokens, config, written=written),
            tokens=tokens,
            finish_reason=finish_reason(mapping(data).get("stop_reason")),
            raw=data,
        )


def _text_blocks(instruction: JsonValue) -> list[JsonValue]:
    parts = [{"text": instruction}] if isinstance(instruction, str) else items(mapping(instruction).get("parts"))
    return [{"type": "text", "text": mapping(part)["text"]} for part in parts if mapping(part).get("text")]


@dataclass(frozen=True, slots=True)
class VertexLlama:
    """The dialect of Llama at Vertex, which is like OpenAI's."""

    model: str

    name = "Llama's chat at Vertex"
    reading = ()

    def headers(self, _: Mapping[str, JsonValue]) -> Mapping[str, str]:
        """See `Dialect.headers`."""
        return {}

    def body(self, request: Request, config: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
        """See `Dialect.body`."""
        safety = mapping(mapping(config.get("llamaConfig")).get("safetySettings"))
        settings: JsonValue = {
            "enabled": safety.get("enabled") is not False,
            "llama_guard_settings": dict(mapping(safety.get("llama_guard_settings"))),
        }
        sampling = {"temperature": config.get("temperature"), "top_p": config.get("topP"), "top_k": config.get("topK")}
        return {
            "model": f"meta/{self.model}",
            "messages": chat_messages(request.prompt),
            "max_tokens": config.get("maxOutputTokens") or 1024,
            "stream": False,
            **{key: value for key, value in sampling.items() if value is not None},
            "extra_body": {"google": {"model_safety_settings": settings}},
        }

    def answer(self, data: JsonValue, config: Mapping[str, JsonValue], latency_ms: float) -> Answer:
        """See `Dialect.answer`."""
        return chat_answer(data, config, latency_ms)


class TokenDoor:
    """An endpoint that needs a token of Google; it is fetched when needed and kept while it is valid.

    Args:
        spec: for messages.
        url: the URL of calls; `{project}` in it is replaced by the project's id.
        given_credentials: a service account's JSON, or None for the machine's own credentials.
        project: the project's id, or None for that of the credentials.
        headers: of every call.
        client: also sends the request for a token.
    """

    def __init__(
        self,
        spec: ProviderSpec,
        url: str,
        given_credentials: Mapping[str, JsonValue] | None,
        project: str | None,
        headers: Mapping[str, str],
        client: HttpClient,
    ) -> None:
        self._spec = spec
        self._url = url
        self._given = given_credentials
        self._project = project
        self._headers = headers
        self._client = client
        self._credentials: Any = None
        self._lock: asyncio.Lock | None = None

    @property
    def url(self) -> str:
        """See `Door.url`."""
        return self._url.replace("{project}", self._project or "PROJECT")

    async def call(self, body: JsonValue, headers: Mapping[str, str]) -> HttpCall:
        """See `Door.call`."""
        self._lock = self._lock or asyncio.Lock()
        async with self._lock:
            token = await self._token()
        bearer = {**self._headers, "Authorization": f"Bearer {token}"}
        return Endpoint(self.url, bearer, (token,)).call(body, headers)

    async def _token(self) -> str:
        credentials = self._credentials
        if credentials is None:
            credentials, found = await asyncio.to_thread(self._found)
            self._credentials, self._project = credentials, self._project or found
        if not credentials.valid:
            loop = asyncio.get_running_loop()
            await asyncio.to_thread(self._refresh, credentials, _Transport(self._client, loop))
        return str(credentials.token)

    def _refresh(self, credentials: Any, transport: "_Transport") -> None:
        import google.auth.exceptions

        try:
            credentials.refresh(transport)
        except google.auth.exceptions.GoogleAuthError as exc:
            raise EnvironmentFault(f"provider {self._spec.id!r}: Google gives no token: {exc.args[0]}") from exc

    def _found(self) -> tuple[Any, str | None]:
        try:
            import google.auth
            from google.oauth2 import service_account
        except ImportError as exc:
            raise EnvironmentFault(
                f"provider {self._spec.id!r} needs google-auth for its token, or an API key",
                hint=f"type: {install_command('vertex')}",
            ) from exc
        try:
            if self._given is not None:
                info = dict(self._given)
                made = service_account.Credentials.from_service_account_info(  # type: ignore[no-untyped-call]
                    info, scopes=[_SCOPE]
                )
                return made, str(info.get("project_id") or "") or None
            found, project = google.auth.default(scopes=[_SCOPE])
        except (google.auth.exceptions.GoogleAuthError, ValueError) as exc:
            place = place_of(self._spec)
            raise MissingKeyFault(
                f"{f'{place}: ' if place else ''}provider {self._spec.id!r} has no credentials",
                hint="set GOOGLE_API_KEY, or credentials, or type: gcloud auth application-default login",
            ) from exc
        return found, project

    async def close(self) -> None:
        """See `Door.close`."""
        # A lock belongs to one event loop; the next loop creates its own.
        self._lock = None


class _Transport:
    """Sends google-auth's requests over the HTTP client; google-auth calls it from another thread than the loop's."""

    def __init__(self, client: HttpClient, loop: asyncio.AbstractEventLoop) -> None:
        self._client = client
        self._loop = loop

    def __call__(
        self,
        url: str,
        method: str = "GET",
        body: bytes | str | None = None,
        headers: Mapping[str, str] | None = None,
        **_: Any,
    ) -> "_TokenReply":
        data = body.encode() if isinstance(body, str) else body
        call = HttpCall(method, url, headers or {}, data)
        sent = asyncio.run_coroutine_threadsafe(
            self._client.call(call, lambda _, reply: _TokenReply(reply.status, dict(reply.headers), reply.body)),
            self._loop,
        )
        return sent.result()


@dataclass(frozen=True, slots=True)
class _TokenReply:
    status: int
    headers: Mapping[str, str]
    data: bytes


def open_provider(spec: ProviderSpec, context: ProviderContext) -> HostedModel | HostedEmbedder:
    """Return the model that the id names.

    Raises:
        InputError: another kind of model, or a wrong config.
    """
    is_embedding, model = _kind_and_model(spec)
    config = read_config(spec, context, _KEYS, REFUSED)
    client = client_of(spec, context)
    if is_embedding:
        door = _door(spec, context, client, f"publishers/google/models/{model}:predict", express=False)
        body: dict[str, JsonValue] = {"parameters": {"autoTruncate": bool(config.get("autoTruncate"))}}
        return HostedEmbedder(
            spec, "Vertex' predict", lambda text: {"instances": [{"content": text}], **body}, _vector, door, client
        )
    dialect: Dialect
    if "claude" in model:
        dialect, path, express = VertexClaude(model), f"publishers/anthropic/models/{model}:rawPredict", False
    elif "llama" in model:
        dialect, path, express = VertexLlama(model), "endpoints/openapi/chat/completions", False
    else:
        publisher = text_of(spec, "publisher", context) or context.env.get("VERTEX_PUBLISHER") or "google"
        dialect = GenerateContent(model, is_vertex=True)
        path, express = f"publishers/{publisher}/models/{model}:generateContent", True
    return HostedModel(spec, dialect, _door(spec, context, client, path, express=express), config, context, client)


def _door(spec: ProviderSpec, context: ProviderContext, client: HttpClient, path: str, *, express: bool) -> Door:
    env = context.env
    key = find_key(spec, context, ("VERTEX_API_KEY", "GOOGLE_API_KEY"))
    by_key = express and key.value and spec.config.get("expressMode") is not False
    by_key = by_key and not (spec.config.get("credentials") or spec.config.get("keyFilename"))
    region = text_of(spec, "region", context) or env.get("VERTEX_REGION") or env.get("GOOGLE_CLOUD_LOCATION")
    region = region or ("us-central1" if key.value else "global")
    host = text_of(spec, "apiHost", context) or env.get("VERTEX_API_HOST")
    host = host or ("aiplatform.googleapis.com" if region == "global" else f"{region}-aiplatform.googleapis.com")
    base = host.rstrip("/") if "://" in host else f"https://{host}"
    version = text_of(spec, "apiVersion", context) or env.get("VERTEX_API_VERSION") or "v1"
    version = "v1beta1" if path.startswith("endpoints/") else version
    headers = {"Content-Type": "application/json", **rendered_headers(spec, context)}
    if by_key and key.value:
        keyed = {**headers, "x-goog-api-key": key.value}
        return OpenDoor(Endpoint(f"{base}/{version}/{path}", keyed, (key.value,), key_hints(key)))
    names = ("VERTEX_PROJECT_ID", "GOOGLE_PROJECT_ID", "GOOGLE_CLOUD_PROJECT")
    project = text_of(spec, "projectId", context) or next((env[name] for name in names if env.get(name)), None)
    url = f"{base}/{version}/projects/{{project}}/locations/{region}/{path}"
    return TokenDoor(spec, url, _credentials(spec, context), project, headers, client)


def _credentials(spec: ProviderSpec, context: ProviderContext) -> Mapping[str, JsonValue] | None:
    """Return a service account's JSON, given as a mapping, as text, or as a file; None if none is given."""
    value = load_references(spec.config.get("credentials"), spec, context)
    name = text_of(spec, "keyFilename", context)
    if value is None and name:
        value = context.files.read_text(name)
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError as exc:
            message = f"provider {spec.id!r}: credentials: expected a service account's JSON"
            raise InputError(Problem(message, place_of(spec, "credentials"))) from exc
    return value if isinstance(value, dict) else None


def _vector(data: JsonValue) -> Embedding:
    predictions = items(mapping(data).get("predictions"))
    found = mapping(mapping(predictions[0]).get("embeddings")) if predictions else {}
    vector = items(found.get("values"))
    if not vector:
        raise MalformedReply("it has no predictions[0].embeddings.values")
    tokens = count(mapping(found.get("statistics")).get("token_count"))
    return Embedding(tuple(float(part) for part in vector if isinstance(part, int | float)), tokens)


def _kind_and_model(spec: ProviderSpec) -> tuple[bool, str]:
    _, _, rest = spec.id.partition(":")
    kind, colon, model = rest.partition(":")
    if colon and kind == "video":
        raise InputError(Problem(f"provider {spec.id!r}: only text and vectors are supported", place_of(spec)))
    is_embedding = bool(colon) and kind in ("embedding", "embeddings")
    rest = model if colon and (is_embedding or kind == "chat") else rest
    if not rest:
        expected = "expected vertex:MODEL or vertex:embedding:MODEL"
        raise InputError(Problem(f"provider {spec.id!r}: {expected}", place_of(spec)))
    if rest.startswith(("text-bison", "chat-bison", "text-unicorn", "codechat-bison", "code-bison")):
        raise InputError(Problem(f"provider {spec.id!r}: PaLM models are not supported", place_of(spec)))
    return is_embedding, rest
