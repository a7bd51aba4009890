"""What an OpenAI-compatible endpoint's reply says, as an Answer: pure functions from JSON to values."""

from collections.abc import Mapping

from evolve.core.formats.json_text import json_or
from evolve.core.model.answers import Answer, TokenUsage
from evolve.core.model.json_value import JsonValue

_FINISH_REASONS = {
    "function_call": "tool_calls",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}


class MalformedReply(ValueError):
    """The reply is JSON but not the protocol's; says what is missing."""


def chat_answer(data: JsonValue, config: Mapping[str, JsonValue], latency_ms: float) -> Answer:
    """The answer in a chat completion: text, tool calls, or JSON where a schema was asked for."""
    choice = first_choice(data)
    message = _mapping(choice.get("message"))
    if not message:
        raise MalformedReply("its first choice has no message")
    refusal = _refusal(message, choice)
    output = refusal if refusal is not None else _output(message, config)
    return _answer(data, choice, config, latency_ms, output, refused=refusal is not None)


def completion_answer(data: JsonValue, config: Mapping[str, JsonValue], latency_ms: float) -> Answer:
    """The answer in a text completion."""
    choice = first_choice(data)
    text = choice.get("text")
    if not isinstance(text, str):
        raise MalformedReply("its first choice has no text")
    return _answer(data, choice, config, latency_ms, text, refused=False)


def embedding_of(data: JsonValue) -> tuple[float, ...]:
    """The vector in an embeddings reply."""
    items = _mapping(data).get("data")
    first = _mapping(items[0]) if isinstance(items, list) and items else {}
    vector = first.get("embedding")
    if not isinstance(vector, list) or not vector or not all(isinstance(item, int | float) for item in vector):
        raise MalformedReply("it has no data[0].embedding")
    return tuple(float(item) for item in vector if isinstance(item, int | float))


def first_choice(data: JsonValue) -> Mapping[str, JsonValue]:
    """The first of a reply's choices."""
    choices = _mapping(data).get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise MalformedReply("it has no choices")
    return choices[0]


def finish_reason(value: JsonValue) -> str | None:
    """The reason in OpenAI's words: stop, length, tool_calls, content_filter; others in lower case."""
    name = value.strip().lower() if isinstance(value, str) else ""
    return _FINISH_REASONS.get(name, name) or None


def token_usage(data: JsonValue) -> TokenUsage:
    """Tokens of one call; cached ones from OpenAI's details, or from llama.cpp's timings."""
    usage = _mapping(_mapping(data).get("usage"))
    prompt, completion = _count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens"))
    cached = _count(_mapping(usage.get("prompt_tokens_details")).get("cached_tokens"))
    cached = cached or _count(_mapping(_mapping(data).get("timings")).get("cache_n"))
    return TokenUsage(
        _count(usage.get("total_tokens")) or prompt + completion, prompt, completion, min(cached, prompt), 1
    )


def cost_of(tokens: TokenUsage, config: Mapping[str, JsonValue]) -> float | None:
    """US dollars by the config's price per token (`inputCost`, `outputCost`, or `cost` for both); None without one.

    Prices of hosted models are not in here: they change faster than releases.
    """
    both = config.get("cost")
    prompt, completion = _price(config.get("inputCost", both)), _price(config.get("outputCost", both))
    if prompt is None or completion is None:
        return None
    return tokens.prompt * prompt + tokens.completion * completion


def log_probs(choice: Mapping[str, JsonValue]) -> tuple[float, ...] | None:
    """One natural logarithm per generated token, where they were asked for."""
    data = _mapping(choice.get("logprobs"))
    items = data.get("content")
    if isinstance(items, list):
        values = [_mapping(item).get("logprob") for item in items]
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
    *,
    refused: bool,
) -> Answer:
    tokens = token_usage(data)
    return Answer(
        output,
        latency_ms=latency_ms,
        cost=cost_of(tokens, config),
        tokens=tokens,
        finish_reason=finish_reason(choice.get("finish_reason")),
        guardrails={"flagged": refused},
        log_probs=log_probs(choice),
        metadata=_metadata(data, choice),
        raw=data,
    )


def _metadata(data: JsonValue, choice: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    mapping, found = _mapping(data), dict[str, JsonValue]()
    model, choices = mapping.get("model"), mapping.get("choices")
    if isinstance(model, str):
        found["model"] = model
    if isinstance(choices, list) and len(choices) > 1:
        found["choices"] = choices
    annotations = _mapping(choice.get("message")).get("annotations")
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
        # An empty list of calls with no content is no answer to call anything.
        return call or calls or ("" if content is None and calls is None and call is None else content or "")
    return _with_thinking(_parsed(content, config), message, config)


def _parsed(content: JsonValue, config: Mapping[str, JsonValue]) -> JsonValue:
    if not isinstance(content, str) or _mapping(config.get("response_format")).get("type") != "json_schema":
        return content
    return json_or(content, content)


def _with_thinking(output: JsonValue, message: Mapping[str, JsonValue], config: Mapping[str, JsonValue]) -> JsonValue:
    thinking = message.get("reasoning") or message.get("reasoning_content")
    if not isinstance(output, str) or not isinstance(thinking, str) or config.get("showThinking") is False:
        return output
    return f"Thinking: {thinking}\n\n{output}"


def _mapping(value: JsonValue) -> Mapping[str, JsonValue]:
    return value if isinstance(value, dict) else {}


def _count(value: JsonValue) -> int:
    return int(value) if isinstance(value, int | float) and value > 0 else 0


def _price(value: JsonValue) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
