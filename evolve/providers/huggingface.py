"""Models at Hugging Face, or at an endpoint that speaks its protocol.

`huggingface:chat:MODEL` and `huggingface:text-generation:MODEL` answer prompts; `text-classification` and
`token-classification` are for assertions of type classifier, `feature-extraction` and `sentence-similarity` for vectors
and similarity.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from evolve.core.javascript.values import to_json
from evolve.core.model.answers import Answer, Request, TokenUsage
from evolve.core.model.errors import CannotEvaluate, InputError, Problem
from evolve.core.model.json_value import JsonValue
from evolve.core.model.ports import Classification, Embedding
from evolve.core.model.suite import ProviderSpec
from evolve.providers.config import check_keys, place_of, text_of
from evolve.providers.context import ProviderContext
from evolve.providers.hosted import (
    ApiKey,
    Endpoint,
    HostedEmbedder,
    HostedModel,
    OpenDoor,
    ask_once,
    base_url,
    client_of,
    find_key,
    key_hints,
    read_config,
    rendered_headers,
)
from evolve.providers.openai import SAMPLING_KEYS, OpenAi
from evolve.providers.openai_requests import BodyBuilder
from evolve.providers.prices import cost_of
from evolve.providers.replies import MalformedReply, given, items, mapping
from evolve.system.credentials import safe_url
from evolve.system.http_client import HttpClient

_INFERENCE = "https://router.huggingface.co/hf-inference"
_CHAT = "https://router.huggingface.co/v1"
_GENERATION = (
    "top_k", "top_p", "temperature", "repetition_penalty", "max_new_tokens", "max_time", "num_return_sequences",
    "do_sample", "use_cache", "wait_for_model",
)  # fmt: skip
_OWN = ("apiEndpoint", "inferenceProvider", "chatCompletion", "return_full_text", "aggregation_strategy")
_KEYS = frozenset({*_GENERATION, *_OWN})
_KINDS = (
    "chat",
    "text-generation",
    "text-classification",
    "token-classification",
    "feature-extraction",
    "sentence-similarity",
)
_CHAT_PATH = re.compile(r"/chat/completions/?$")
"""Removed from an `apiEndpoint`, which may have it or not; it is added again."""


@dataclass(frozen=True, slots=True)
class TextGeneration:
    """The dialect of a model that continues a text."""

    name = "Hugging Face's text generation"
    reading = ()

    def headers(self, _: Mapping[str, JsonValue]) -> Mapping[str, str]:
        """See `Dialect.headers`."""
        return {"Accept": "application/json"}

    def body(self, request: Request, config: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
        """See `Dialect.body`."""
        full = config.get("return_full_text") is True
        return {"inputs": request.prompt, "parameters": {"return_full_text": full, **given(config, *_GENERATION)}}

    def answer(self, data: JsonValue, config: Mapping[str, JsonValue], latency_ms: float) -> Answer:
        """See `Dialect.answer`."""
        found = mapping(data).get("generated_text") or (
            mapping(items(data)[0]).get("generated_text") if items(data) else None
        )
        if not isinstance(found, str):
            raise MalformedReply("it has no generated_text")
        tokens = TokenUsage(requests=1)
        cost = cost_of("", "", tokens, config)
        return Answer(found, latency_ms=latency_ms, cost=cost, tokens=tokens, raw=data)


class HuggingFaceClassifier:
    """A model that sorts texts, or the words in them, into classes."""

    def __init__(
        self,
        spec: ProviderSpec,
        endpoint: Endpoint,
        client: HttpClient,
        config: Mapping[str, JsonValue],
        *,
        words: bool,
    ) -> None:
        self.id = spec.id
        self._door = OpenDoor(endpoint)
        self._client = client
        self._config = config
        self._of_words = words

    async def classify(self, text: str) -> Classification:
        """See `Classifier.classify`."""
        read = _word_scores if self._of_words else _scores
        return await ask_once(self._client, self._door, self._body(text), "Hugging Face's classification", read)

    def classification_identity(self, text: str) -> JsonValue:
        """See `Classifier.classification_identity`."""
        return {"provider": "huggingface classes", "url": safe_url(self._door.url), "body": self._body(text)}

    def _body(self, text: str) -> dict[str, JsonValue]:
        if not self._of_words:
            return {"inputs": text, "parameters": {}}
        options = {"use_cache": True, "wait_for_model": False, **given(self._config, "use_cache", "wait_for_model")}
        strategy = self._config.get("aggregation_strategy") or "simple"
        return {"inputs": text, "parameters": {"aggregation_strategy": strategy}, "options": options}

    def identity(self, request: Request) -> JsonValue:
        """See `Provider.identity`: as a provider it answers with the scores."""
        return {**mapping(self.classification_identity(request.prompt)), "repeat": request.repeat}

    async def answer(self, request: Request) -> Answer:
        """See `Provider.answer`: the scores as JSON."""
        found = await self.classify(request.prompt)
        return Answer(to_json(dict(found.scores)), found.error, tokens=TokenUsage(requests=1))

    async def close(self) -> None:
        """See `Provider.close`."""
        await self._client.close()


class HuggingFaceSimilarity:
    """A model that measures how similar two sentences are."""

    def __init__(
        self, spec: ProviderSpec, endpoint: Endpoint, client: HttpClient, config: Mapping[str, JsonValue]
    ) -> None:
        self.id = spec.id
        self._door = OpenDoor(endpoint)
        self._client = client
        self._options = given(config, "use_cache", "wait_for_model")

    async def similarity(self, expected: str, text: str) -> float:
        """Return the similarity of two texts, from 0 to 1."""
        body = self._body(expected, text)
        return await ask_once(self._client, self._door, body, "Hugging Face's similarity", _first_number)

    def similarity_identity(self, expected: str, text: str) -> JsonValue:
        """Return the endpoint, the model and both texts."""
        return {
            "provider": "huggingface similarity",
            "url": safe_url(self._door.url),
            "body": self._body(expected, text),
        }

    def _body(self, expected: str, text: str) -> dict[str, JsonValue]:
        return {"inputs": {"source_sentence": expected, "sentences": [text]}, "options": self._options}

    def identity(self, _: Request) -> JsonValue:
        """Return None: it answers no prompts."""
        return None

    async def answer(self, _: Request) -> Answer:
        """Raise CannotEvaluate: it only compares."""
        raise CannotEvaluate(f"provider {self.id!r} compares sentences, it answers no prompts")

    async def close(self) -> None:
        """See `Provider.close`."""
        await self._client.close()


Opened = HostedModel | OpenAi | HostedEmbedder | HuggingFaceClassifier | HuggingFaceSimilarity


def open_provider(spec: ProviderSpec, context: ProviderContext) -> Opened:
    """Return the model that the id names; raises InputError for another kind of model or a wrong config."""
    kind, model = _kind_and_model(spec)
    endpoint = text_of(spec, "apiEndpoint", context)
    as_chat = spec.config.get("chatCompletion")
    wants_chat = as_chat is True or (as_chat is None and endpoint is not None and "/v1/chat" in endpoint)
    if kind == "chat" or (kind == "text-generation" and wants_chat):
        return _chat(spec, context, model)
    config = read_config(spec, context, _KEYS)
    key = find_key(spec, context, ("HF_TOKEN", "HF_API_TOKEN"))
    base = base_url(spec, context, ("HUGGINGFACE_BASE_URL",), _INFERENCE)
    door = Endpoint(endpoint or f"{base}/models/{model}", _headers(spec, context, key), _secrets(key), key_hints(key))
    client = client_of(spec, context)
    if kind == "text-generation":
        return HostedModel(spec, TextGeneration(), OpenDoor(door), config, context, client)
    if kind == "sentence-similarity":
        return HuggingFaceSimilarity(spec, door, client, config)
    if kind == "feature-extraction":
        options = given(config, "use_cache", "wait_for_model")
        return HostedEmbedder(
            spec,
            "Hugging Face's feature extraction",
            lambda text: {"inputs": text, "options": options},
            _vector,
            OpenDoor(door),
            client,
        )
    return HuggingFaceClassifier(spec, door, client, config, words=kind == "token-classification")


def _chat(spec: ProviderSpec, context: ProviderContext, model: str) -> OpenAi:
    check_keys(spec, context, SAMPLING_KEYS | _KEYS | {"apiKey", "apiKeyEnvar", "apiBaseUrl", "headers"})
    routed = text_of(spec, "inferenceProvider", context)
    model = f"{model}:{routed}" if routed and ":" not in model else model
    base = text_of(spec, "apiEndpoint", context) or base_url(spec, context, ("HUGGINGFACE_CHAT_BASE_URL",), _CHAT)
    key = find_key(spec, context, ("HF_TOKEN", "HF_API_TOKEN"))
    url = f"{_CHAT_PATH.sub('', base).rstrip('/')}/chat/completions"
    endpoint = Endpoint(url, _headers(spec, context, key), _secrets(key), key_hints(key))
    if spec.config.get("max_tokens") is None and spec.config.get("max_new_tokens") is not None:
        spec = replace(spec, config={**spec.config, "max_tokens": spec.config["max_new_tokens"]})
    return OpenAi(spec, "chat", BodyBuilder(spec, context, model), endpoint, client_of(spec, context))


def _headers(spec: ProviderSpec, context: ProviderContext, key: ApiKey) -> dict[str, str]:
    bearer = {"Authorization": f"Bearer {key.value}"} if key.value else {}
    return {"Content-Type": "application/json", **bearer, **rendered_headers(spec, context)}


def _secrets(key: ApiKey) -> tuple[str, ...]:
    return (key.value,) if key.value else ()


def _scores(data: JsonValue) -> Classification:
    rows = items(items(data)[0]) if items(data) else []
    if not rows:
        raise MalformedReply("it has no list of labels and scores")
    return Classification({str(mapping(row).get("label")): _score(mapping(row)) for row in rows})


def _word_scores(data: JsonValue) -> Classification:
    if not isinstance(data, list):
        raise MalformedReply("it has no list of words and classes")
    found: dict[str, float] = {}
    for row in map(mapping, data):
        name = str(row.get("entity_group"))
        found[name] = max(_score(row), found.get(name, 0.0))
    return Classification(found)


def _score(row: Mapping[str, JsonValue]) -> float:
    score = row.get("score")
    return float(score) if isinstance(score, int | float) else 0.0


def _vector(data: JsonValue) -> Embedding:
    numbers = [part for part in items(data) if isinstance(part, int | float)]
    if not numbers:
        raise MalformedReply("it has no list of numbers")
    return Embedding(tuple(float(part) for part in numbers))


def _first_number(data: JsonValue) -> float:
    first = items(data)[0] if items(data) else None
    if not isinstance(first, int | float):
        raise MalformedReply("it has no list of numbers")
    return float(first)


def _kind_and_model(spec: ProviderSpec) -> tuple[str, str]:
    _, _, rest = spec.id.partition(":")
    kind, _, model = rest.partition(":")
    if kind not in _KINDS or not model:
        name = spec.id.partition(":")[0]
        kinds = ", ".join(f"{name}:{known}:MODEL" for known in _KINDS)
        raise InputError(Problem(f"provider {spec.id!r}: expected {kinds}", place_of(spec)))
    return kind, model
