"""Reads the replies of OpenAI-compatible endpoints: pure functions from JSON to answers."""

from collections.abc import Mapping
from dataclasses import dataclass

from evolve.core.formats.json_text import json_or
from evolve.core.model.answers import Answer, TokenUsage
from evolve.core.model.json_value import JsonValue
from evolve.providers.openai_services import Output
from evolve.providers.prices import cost_of
from evolve.providers.replies import MalformedReply, count, finish_reason, mapping


@dataclass(frozen=True, slots=True)
class Reading:
    """The exceptions of one service from the protocol: its prices, and its own form of an output."""

    vendor: str = ""
    model: str = ""
    output: Output | None = None

    def cost(self, tokens: TokenUsage, config: Mapping[str, JsonValue]) -> float | None:
        """Return the cost in US dollars; None without a price."""
        return cost_of(self.vendor, self.model, tokens, config)


PLAIN = Reading()
"""The user's own endpoint: no prices except those in the config."""


def chat_answer(
    data: JsonValue, config: Mapping[str, JsonValue], latency_ms: float, reading: Reading = PLAIN
) -> Answer:
    """Return the answer in a chat completion: text, tool calls, or JSON if a schema was requested.

    Args:
        data: the reply's JSON; raises MalformedReply if it has no message.
        config: the settings of the request, which decide about thinking, JSON and prices.
        latency_ms: of the call.
        reading: the prices and exceptions of the service.
    """
    choice = first_choice(data)
    message = mapping(choice.get("message"))
    if not message:
        raise MalformedReply("its first choice has no message")
    refusal = _refusal(message, choice)
    own = reading.output(message, config) if reading.output else None
    output = refusal if refusal is not None else own if own is not None else _output(message, config)
    return _answer(data, choice, config, latency_ms, output, reading, refused=refusal is not None)


def completion_answer(
    data: JsonValue, config: Mapping[str, JsonValue], latency_ms: float, reading: Reading = PLAIN
) -> Answer:
    """Return the answer in a text completion.

    Args:
        data: the reply's JSON; raises MalformedReply if it has no text.
        config: the settings of the request, which may have prices.
        latency_ms: of the call.
        reading: the prices of the service.
    """
    choice = first_choice(data)
    text = choice.get("text")
    if not isinstance(text, str):
        raise MalformedReply("its first choice has no text")
    return _answer(data, choice, config, latency_ms, text, reading, refused=False)


def read_embedding(data: JsonValue) -> tuple[float, ...]:
    """Return the vector in an embeddings reply."""
    items = mapping(data).get("data")
    first = mapping(items[0]) if isinstance(items, list) and items else {}
    vector = first.get("embedding")
    if not isinstance(vector, list) or not vector or not all(isinstance(item, int | float) for item in vector):
        raise MalformedReply("it has no data[0].embedding")
    return tuple(float(item) for item in vector if isinstance(item, int | float))


def first_choice(data: JsonValue) -> Mapping[str, JsonValue]:
    """Return the first of a reply's choices; raises MalformedReply without one."""
    choices = mapping(data).get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise MalformedReply("it has no choices")
    return choices[0]


def token_usage(data: JsonValue) -> TokenUsage:
    """Return the tokens of one call; cached ones from OpenAI's details, or from llama.cpp's timings."""
    usage = mapping(mapping(data).get("usage"))
    prompt, completion = count(usage.get("prompt_tokens")), count(usage.get("completion_tokens"))
    cached = count(mapping(usage.get("prompt_tokens_details")).get("cached_tokens"))
    cached = cached or count(mapping(mapping(data).get("timings")).get("cache_n"))
    return TokenUsage(
        count(usage.get("total_tokens")) or prompt + completion, prompt, completion, min(cached, prompt), 1
    )


def log_probs(choice: Mapping[str, JsonValue]) -> tuple[float, ...] | None:
    """Return one natural logarithm per generated token; None if they were not requested."""
    data = mapping(choice.get("logprobs"))
    items = data.get("content")
    if isinstance(items, list):
        values = [mapping(item).get("logprob") for item in items]
    else:
        legacy = data.get("token_logprobs")
        values = legacy if isinstance(legacy, list) else []
    numbers = tuple(float(value) for value in values if isinstance(value, int | float))
    return numbers or None


def _answer(
    data: JsonValue,
    choice: Mapping[str, JsonValue],
    config: Mapping[str, JsonValue],
    latency_ms: float,
    output: JsonValue,
    reading: Reading,
    *,
    refused: bool,
) -> Answer:
    tokens = token_usage(data)
    return Answer(
        output,
        latency_ms=latency_ms,
        cost=reading.cost(tokens, config),
        tokens=tokens,
        finish_reason=finish_reason(choice.get("finish_reason")),
        guardrails={"flagged": refused},
        log_probs=log_probs(choice),
        metadata=_metadata(data, choice),
        raw=data,
    )


def _metadata(data: JsonValue, choice: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    fields, found = mapping(data), dict[str, JsonValue]()
    model, choices = fields.get("model"), fields.get("choices")
    if isinstance(model, str):
        found["model"] = model
    if isinstance(choices, list) and len(choices) > 1:
        found["choices"] = choices
    annotations = mapping(choice.get("message")).get("annotations")
    if isinstance(annotations, list) and annotations:
        found["annotations"] = annotations
    return found


def _refusal(message: Mapping[str, JsonValue], choice: Mapping[str, JsonValue]) -> str | None:
    refusal = message.get("refusal")
    if isinstance(refusal, str) and refusal:
        return refusal
    if finish_reason(choice.get("finish_reason")) == "content_filter":
        content = message.get("content")
        return content if isinstance(content, str) and content else "Content filtered by provider"
    return None


def _output(message: Mapping[str, JsonValue], config: Mapping[str, JsonValue]) -> JsonValue:
    content = message.get("content")
    calls = message.get("tool_calls")
    call = message.get("function_call")
    if content and (call or calls):
        return dict(message)
    if content is None or (content == "" and calls):
        # An empty list of calls without content means an empty text, not a call.
        return call or calls or ("" if content is None and calls is None and call is None else content or "")
    return _with_thinking(_parse(content, config), message, config)


def _parse(content: JsonValue, config: Mapping[str, JsonValue]) -> JsonValue:
    if not isinstance(content, str) or mapping(config.get("response_format")).get("type") != "json_schema":
        return content
    return json_or(content, content)


def _with_thinking(output: JsonValue, message: Mapping[str, JsonValue], config: Mapping[str, JsonValue]) -> JsonValue:
    thinking = message.get("reasoning") or message.get("reasoning_content")
    if not isinstance(output, str) or not isinstance(thinking, str) or config.get("showThinking") is False:
        return output
    return f"Thinking: {thinking}\n\n{output}"
