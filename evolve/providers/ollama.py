"""Models of a local Ollama: `ollama:chat:MODEL`, `ollama:MODEL` for plain text, `ollama:embeddings:MODEL`."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from evolve.core.javascript.values import to_json
from evolve.core.model.answers import Answer, Request, TokenUsage
from evolve.core.model.errors import HttpFault, InputError, Problem
from evolve.core.model.json_value import JsonValue
from evolve.core.model.ports import Embedding
from evolve.core.model.suite import ProviderSpec
from evolve.providers.chat_messages import chat_messages
from evolve.providers.config import place_of
from evolve.providers.context import ProviderContext
from evolve.providers.hosted import (
    Endpoint,
    HostedEmbedder,
    HostedModel,
    OpenDoor,
    base_url,
    client_of,
    find_key,
    key_hints,
    read_config,
    rendered_headers,
)
from evolve.providers.prices import cost_of
from evolve.providers.replies import MalformedReply, count, finish_reason, given, items, mapping
from evolve.system.http_client import HttpCall, HttpReply, check_status
from evolve.system.retry import Transient

_OFFICIAL = "http://localhost:11434"
_OPTIONS = (
    "num_predict", "top_k", "top_p", "tfs_z", "seed", "useNUMA", "num_ctx", "num_keep", "num_batch", "num_gqa",
    "num_gpu", "main_gpu", "low_vram", "f16_kv", "logits_all", "vocab_only", "use_mmap", "use_mlock", "embedding_only",
    "rope_frequency_base", "rope_frequency_scale", "typical_p", "repeat_last_n", "temperature", "repeat_penalty",
    "presence_penalty", "frequency_penalty", "mirostat", "mirostat_tau", "mirostat_eta", "penalize_newline", "stop",
    "num_thread",
)  # fmt: skip
"""Settings that go under `options` of a request."""
_KEYS = frozenset({*_OPTIONS, "tools", "think", "passthrough", "format", "keep_alive"})
_PATHS = {"chat": "api/chat", "completion": "api/generate", "embedding": "api/embeddings"}


@dataclass(frozen=True, slots=True)
class Ollama:
    """The dialect of one model, for chats or for text."""

    model: str
    is_chat: bool

    name = "Ollama's API"
    reading = ()

    def headers(self, _: Mapping[str, JsonValue]) -> Mapping[str, str]:
        """See `Dialect.headers`."""
        return {}

    def body(self, request: Request, config: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
        """See `Dialect.body`."""
        body: dict[str, JsonValue] = {"model": self.model}
        body |= {"messages": chat_messages(request.prompt)} if self.is_chat else {"prompt": request.prompt}
        body |= {"stream": False, "options": given(config, *_OPTIONS), **given(config, "think", "format", "keep_alive")}
        body |= mapping(config.get("passthrough"))
        if self.is_chat and (tools := items(config.get("tools"))):
            body["tools"] = tools
        return body

    def answer(self, data: JsonValue, config: Mapping[str, JsonValue], latency_ms: float) -> Answer:
        """See `Dialect.answer`; the data is a list of one object, or of those of a stream."""
        lines = [mapping(line) for line in items(data)]
        if not any("message" in line or "response" in line for line in lines):
            raise MalformedReply("it has neither message nor response")
        messages = [mapping(line.get("message")) for line in lines]
        text = "".join(str(message.get("content") or "") for message in messages)
        text += "".join(str(line.get("response") or "") for line in lines)
        calls = next((items(message.get("tool_calls")) for message in messages if message.get("tool_calls")), [])
        output: JsonValue = text
        if calls:
            shown: list[JsonValue] = [_call(mapping(mapping(call).get("function"))) for call in calls]
            output = {"content": text, "tool_calls": shown} if text.strip() else shown
        last = next((line for line in lines if line.get("done")), {})
        prompt, completion = count(last.get("prompt_eval_count")), count(last.get("eval_count"))
        tokens = TokenUsage(prompt + completion, prompt, completion, 0, 1)
        return Answer(
            output,
            latency_ms=latency_ms,
            cost=cost_of("", self.model, tokens, config),
            tokens=tokens,
            finish_reason="tool_calls" if calls else finish_reason(last.get("done_reason")),
            raw=items(data)[0] if len(lines) == 1 else data,
        )


def _call(function: Mapping[str, JsonValue]) -> JsonValue:
    arguments = function.get("arguments")
    text = arguments if isinstance(arguments, str) else to_json(arguments)
    return {"function": {"name": function.get("name"), "arguments": text}}


def _parse_lines(call: HttpCall, reply: HttpReply) -> JsonValue:
    """Return the JSON values of a reply, one per line; raises as `accept_json` does."""
    check_status(call, reply)
    try:
        lines = [json.loads(line) for line in reply.text.splitlines() if line.strip()]
    except (ValueError, RecursionError) as exc:
        raise _no_json(call, reply) from exc
    if not lines:
        raise _no_json(call, reply)
    error = next((mapping(line)["error"] for line in lines if mapping(line).get("error")), None)
    if error:
        raise Transient(f"status {reply.status} with the error {call.scrub(str(error))[:400]}", status=reply.status)
    if mapping(lines[-1]).get("done") is False:
        raise Transient("the stream ends before the answer does")
    return list(lines)


def _no_json(call: HttpCall, reply: HttpReply) -> Exception:
    begins = call.scrub(reply.text[:80])
    if reply.says_json or not reply.body or reply.body.lstrip()[:1] == b"{":
        return Transient(f"the body is not complete JSON ({len(reply.body)} bytes, begins {begins!r})")
    kind = reply.headers.get("Content-Type", "no content type")
    text = f"{call.name}: expected JSON, got {kind} that begins {begins!r}"
    hint = "is this Ollama? check OLLAMA_BASE_URL"
    return HttpFault(text, call=call.name, status=reply.status, hint=hint)


def _vector(data: JsonValue) -> Embedding:
    vector = items(mapping(data).get("embedding"))
    if not vector or not all(isinstance(part, int | float) for part in vector):
        raise MalformedReply("it has no embedding")
    return Embedding(tuple(float(part) for part in vector if isinstance(part, int | float)))


def open_provider(spec: ProviderSpec, context: ProviderContext) -> HostedModel | HostedEmbedder:
    """Return the model that the id names; raises InputError for an id without a model or a wrong config."""
    kind, model = _kind_and_model(spec)
    config = read_config(spec, context, _KEYS)
    base = base_url(spec, context, ("OLLAMA_BASE_URL",), _OFFICIAL)
    key = find_key(spec, context, ("OLLAMA_API_KEY",))
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {key.value}"} if key.value else {})}
    secrets = (key.value,) if key.value else ()
    hints = {**key_hints(key), 404: f"if the model is missing, type: ollama pull {model}"}
    door = OpenDoor(Endpoint(f"{base}/{_PATHS[kind]}", headers | rendered_headers(spec, context), secrets, hints))
    client = client_of(spec, context)
    if kind == "embedding":
        return HostedEmbedder(
            spec, "Ollama's API", lambda text: {"model": model, "prompt": text}, _vector, door, client
        )
    return HostedModel(spec, Ollama(model, kind == "chat"), door, config, context, client, _parse_lines)


def _kind_and_model(spec: ProviderSpec) -> tuple[str, str]:
    _, _, rest = spec.id.partition(":")
    kind, _, model = rest.partition(":")
    kind = "embedding" if kind == "embeddings" else kind
    if kind not in _PATHS:
        kind, model = "completion", rest
    if not model:
        expected = "expected ollama:chat:MODEL, ollama:completion:MODEL or ollama:embeddings:MODEL"
        raise InputError(Problem(f"provider {spec.id!r}: {expected}", place_of(spec)))
    return kind, model
