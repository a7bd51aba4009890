"""Gemini at Google AI Studio: `google:MODEL`, and vectors by `google:embedding:MODEL`."""

from evolve.core.model.errors import InputError, Problem
from evolve.core.model.json_value import JsonValue
from evolve.core.model.ports import Embedding
from evolve.core.model.suite import ProviderSpec
from evolve.providers.config import place_of, text_of
from evolve.providers.context import ProviderContext
from evolve.providers.gemini import KEYS, GenerateContent
from evolve.providers.hosted import (
    Endpoint,
    HostedEmbedder,
    HostedModel,
    OpenDoor,
    base_url,
    client_of,
    find_key,
    key_hints,
    missing_key,
    read_config,
    rendered_headers,
)
from evolve.providers.replies import MalformedReply, count, given, items, mapping

_OFFICIAL = "https://generativelanguage.googleapis.com"
_KEYS_NAMES = ("GOOGLE_API_KEY", "GEMINI_API_KEY", "PALM_API_KEY")
_VECTOR_KEYS = ("taskType", "outputDimensionality", "title")
REFUSED = {
    "mcp": "Anneal starts no MCP servers",
    "functionToolCallbacks": "tool calls are the answer; nothing executes them",
}
_OTHER_KINDS = ("live", "image", "video")


def open_provider(spec: ProviderSpec, context: ProviderContext) -> HostedModel | HostedEmbedder:
    """Return the model that the id names.

    Raises:
        InputError: another kind of model, or a wrong config.
        MissingKeyFault: there is no API key.
    """
    is_embedding, model = _kind_and_model(spec)
    known = {*KEYS, *(_VECTOR_KEYS if is_embedding else ()), "vertexai", "projectId", "region", "credentials"}
    config = read_config(spec, context, known, REFUSED)
    key = find_key(spec, context, _KEYS_NAMES)
    if not key.value:
        raise missing_key(spec, key, "set GOOGLE_API_KEY or GEMINI_API_KEY")
    host = text_of(spec, "apiHost", context) or context.env.get("GOOGLE_API_HOST") or context.env.get("PALM_API_HOST")
    base = f"https://{host}" if host else base_url(spec, context, ("GOOGLE_API_BASE_URL",), _OFFICIAL)
    default = "v1alpha" if model == "gemini-2.0-flash-thinking-exp" else "v1beta"
    action = "embedContent" if is_embedding else "generateContent"
    url = f"{base}/{text_of(spec, 'apiVersion', context) or default}/models/{model}:{action}"
    # The key goes into a header: a URL is printed in messages and logs.
    headers = {"Content-Type": "application/json", "x-goog-api-key": key.value, **rendered_headers(spec, context)}
    door = OpenDoor(Endpoint(url, headers, (key.value,), key_hints(key)))
    client = client_of(spec, context)
    if is_embedding:
        extra = given(config, *_VECTOR_KEYS)

        def body(text: str) -> JsonValue:
            return {"content": {"parts": [{"text": text}]}, **extra}

        return HostedEmbedder(spec, "embedContent", body, _vector, door, client)
    return HostedModel(spec, GenerateContent(model), door, config, context, client)


def _vector(data: JsonValue) -> Embedding:
    reply = mapping(data)
    vector = items(mapping(reply.get("embedding")).get("values"))
    if not vector:
        raise MalformedReply("it has no embedding.values")
    tokens = count(mapping(reply.get("usageMetadata")).get("promptTokenCount"))
    return Embedding(tuple(float(part) for part in vector if isinstance(part, int | float)), tokens)


def _kind_and_model(spec: ProviderSpec) -> tuple[bool, str]:
    _, _, rest = spec.id.partition(":")
    kind, colon, model = rest.partition(":")
    if colon and kind in ("embedding", "embeddings", "chat"):
        kind, rest = ("" if kind == "chat" else "embedding"), model
    else:
        if colon and kind in _OTHER_KINDS:
            message = f"provider {spec.id!r}: only text and vectors are supported, not {kind}"
            raise InputError(Problem(message, place_of(spec)))
        kind = ""
    if not rest:
        expected = "expected google:MODEL or google:embedding:MODEL"
        raise InputError(Problem(f"provider {spec.id!r}: {expected}", place_of(spec)))
    return bool(kind), rest
