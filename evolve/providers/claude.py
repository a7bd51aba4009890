"""Claude's messages, which Anthropic, Vertex and Bedrock share: prompts, models and replies as pure functions."""

import re
from collections.abc import Mapping
from typing import NamedTuple, TypeGuard

from evolve.core.formats.json_text import json_or
from evolve.core.javascript.values import to_json
from evolve.core.model.answers import TokenUsage
from evolve.core.model.json_value import JsonValue
from evolve.providers.chat_messages import chat_messages
from evolve.providers.replies import MalformedReply, count, items, mapping
from evolve.providers.tools import is_openai_tools, tool_functions

_FIXED_SAMPLING = re.compile(r"(^|[^a-z0-9])claude-((fable|mythos|opus|sonnet)-5|opus-4-[78])(?![0-9])", re.IGNORECASE)
"""Models that refuse temperature, top_p and top_k, and that turn a thinking budget into adaptive thinking."""
_ALWAYS_THINKS = re.compile(r"(^|[^a-z0-9])claude-(fable|mythos)-5(?![a-z0-9])", re.IGNORECASE)
"""Models that refuse `thinking: disabled` and a forced tool."""
_THINKS_BY_DEFAULT = re.compile(r"(^|[^a-z0-9])claude-opus-5(?![0-9])", re.IGNORECASE)
"""Models that think unless `thinking` is disabled."""
_DATA_URL = re.compile(r"data:([^;,]+);base64,(.*)", re.DOTALL)


class ClaudePrompt(NamedTuple):
    """A prompt in Claude's own terms."""

    system: list[JsonValue] | None
    messages: list[JsonValue]
    thinking: JsonValue


def claude_prompt(prompt: str) -> ClaudePrompt:
    """Return the messages of a prompt: a JSON or YAML list of them, or text with lines `system:`, `user:` and so on.

    In plain text, blank lines and the space around lines are removed, as in promptfoo.

    Raises:
        CannotEvaluate: it is a list of messages in YAML that is not well-formed.
    """
    value = chat_messages(prompt) if prompt.lstrip().startswith("- role:") else json_or(prompt, None)
    if is_chat(value):
        return _of_messages([mapping(message) for message in value])
    return _of_lines(prompt)


def is_chat(value: JsonValue) -> TypeGuard[list[JsonValue]]:
    """Return whether a value is a list of messages: at least one has a role."""
    return isinstance(value, list) and any("role" in mapping(item) for item in value)


def _of_messages(messages: list[Mapping[str, JsonValue]]) -> ClaudePrompt:
    system = next((message for message in messages if message.get("role") == "system"), None)
    thinking = next((message["thinking"] for message in messages if message.get("thinking")), None)
    others: list[JsonValue] = [
        {"role": message["role"], "content": _blocks(message.get("content"))}
        for message in messages
        if message.get("role") and message.get("role") != "system"
    ]
    return ClaudePrompt(None if system is None else _blocks(system.get("content")), others, thinking)


def _blocks(content: JsonValue) -> list[JsonValue]:
    if not isinstance(content, list):
        return [{"type": "text", "text": content}]
    return [_with_plain_data(block) for block in content]


def _with_plain_data(block: JsonValue) -> JsonValue:
    """Return the block; if it is an image with a data URL, with media type and data as separate fields."""
    fields = mapping(block)
    source = mapping(fields.get("source"))
    data = source.get("data")
    found = _DATA_URL.fullmatch(data) if isinstance(data, str) else None
    if fields.get("type") != "image" or source.get("type") != "base64" or found is None:
        return block
    kind = source.get("media_type") or found[1]
    return {**fields, "source": {**source, "media_type": kind, "data": found[2]}}


def _of_lines(prompt: str) -> ClaudePrompt:
    system: list[JsonValue] | None = None
    thinking: JsonValue = None
    turns: list[tuple[str, list[str]]] = []
    for line in (line.strip() for line in prompt.split("\n")):
        role, _, rest = line.partition(":")
        if not line:
            continue
        if line.startswith("system:"):
            system = [{"type": "text", "text": rest.strip()}]
        elif line.startswith("thinking:"):
            thinking = json_or(rest.strip(), thinking)
        elif line.startswith(("user:", "assistant:")):
            turns.append((role, [rest.strip()]))
        elif turns:
            turns[-1][1].append(line)
        else:
            turns.append(("user", [line]))
    if not turns and system is None:
        turns.append(("user", [prompt.strip()]))
    messages: list[JsonValue] = [
        {"role": role, "content": [{"type": "text", "text": "\n".join(lines)}]} for role, lines in turns
    ]
    return ClaudePrompt(system, messages, thinking)


def refuses_sampling(model: str) -> bool:
    """Return whether the model refuses temperature, top_p and top_k."""
    return _FIXED_SAMPLING.search(model) is not None


def always_thinks(model: str) -> bool:
    """Return whether the model thinks in any case."""
    return _ALWAYS_THINKS.search(model) is not None


def accepted_thinking(model: str, thinking: JsonValue, effort: JsonValue) -> Mapping[str, JsonValue] | None:
    """Return the `thinking` that the model accepts in place of the requested one; None if it accepts none."""
    wanted = mapping(thinking)
    if not wanted:
        return None
    if wanted.get("type") == "enabled" and refuses_sampling(model):
        return {"type": "adaptive", **({"display": wanted["display"]} if wanted.get("display") else {})}
    capped = _THINKS_BY_DEFAULT.search(model) is not None and effort in ("xhigh", "max")
    if wanted.get("type") == "disabled" and (always_thinks(model) or capped):
        return None
    return wanted


def spends_on_thinking(model: str, thinking: Mapping[str, JsonValue] | None) -> bool:
    """Return whether thinking uses part of `max_tokens`, so that the default must be larger."""
    if always_thinks(model) or (thinking or {}).get("type") in ("enabled", "adaptive"):
        return True
    return thinking is None and _THINKS_BY_DEFAULT.search(model) is not None


def claude_tools(tools: JsonValue) -> list[JsonValue]:
    """Return tools in Claude's form; those in OpenAI's are translated."""
    if not is_openai_tools(tools):
        return items(tools)
    return [
        {
            "name": function.get("name"),
            **({"description": function["description"]} if function.get("description") else {}),
            "input_schema": function.get("parameters") or {"type": "object", "properties": {}},
        }
        for function in tool_functions(tools)
    ]


def claude_output(message: JsonValue, *, show_thinking: bool) -> str:
    """Return the text of a message; tool calls are JSON, and thinking comes before the answer.

    Raises:
        MalformedReply: it has no content.
    """
    content = mapping(message).get("content")
    if not isinstance(content, list):
        raise MalformedReply("it has no content")
    parts = [_block_text(mapping(block), show_thinking) for block in content]
    return "\n\n".join(part for part in parts if part)


def _block_text(block: Mapping[str, JsonValue], show_thinking: bool) -> str:
    match block.get("type"):
        case "text":
            return str(block.get("text") or "")
        case "thinking":
            thought = str(block.get("thinking") or "")
            return (
                f"Thinking: {thought}\nSignature: {block.get('signature')}" if show_thinking and thought.strip() else ""
            )
        case "redacted_thinking":
            return f"Redacted Thinking: {block.get('data')}" if show_thinking else ""
    return to_json(dict(block))


def claude_usage(message: JsonValue) -> tuple[TokenUsage, int]:
    """Return the tokens of a message (the prompt's include cached ones) and how many were written to the cache."""
    usage = mapping(mapping(message).get("usage"))
    read, written = count(usage.get("cache_read_input_tokens")), count(usage.get("cache_creation_input_tokens"))
    prompt, completion = count(usage.get("input_tokens")) + read + written, count(usage.get("output_tokens"))
    return TokenUsage(prompt + completion, prompt, completion, read, 1), written


def claude_refusal(message: JsonValue) -> str | None:
    """Return why Claude's filters refused an answer; None for others."""
    fields = mapping(message)
    details = mapping(fields.get("stop_details"))
    if fields.get("stop_reason") != "refusal" or not details:
        return None
    reasons = [f"{name}: {details[name]}" for name in ("category", "explanation") if details.get(name)]
    return ", ".join(["refused by Anthropic's safety filters", *reasons])
