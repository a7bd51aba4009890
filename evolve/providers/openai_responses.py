"""OpenAI's Responses API: requests and replies. Azure, Groq and xAI speak it too."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from evolve.core.formats.json_text import json_or
from evolve.core.javascript.values import to_json
from evolve.core.model.answers import Answer, Request, TokenUsage
from evolve.core.model.json_value import JsonValue
from evolve.providers.chat_messages import chat_messages
from evolve.providers.context import ProviderContext
from evolve.providers.hosted import env_number
from evolve.providers.openai_replies import Reading
from evolve.providers.openai_requests import DEFAULT_MAX_TOKENS, thinks
from evolve.providers.replies import MalformedReply, count, first, given, items, mapping

KEYS = frozenset(
    {
        "max_output_tokens", "instructions", "include", "previous_response_id", "truncation", "parallel_tool_calls",
        "max_tool_calls", "background", "webhook_url", "temperature", "top_p", "tools", "tool_choice",
        "response_format",
        "reasoning", "reasoning_effort", "verbosity", "metadata", "store", "user", "passthrough", "omitDefaults",
        "prompt_cache_key", "prompt_cache_options", "prompt_cache_retention", "service_tier", "stream",
    }
)  # fmt: skip
_FOUND = ("max_tool_calls", "previous_response_id", "truncation", "metadata", "user", "service_tier")
_ALWAYS = ("include", "prompt_cache_key", "prompt_cache_options", "prompt_cache_retention")


@dataclass(frozen=True, slots=True)
class Responses:
    """The dialect of one model."""

    context: ProviderContext
    model: str
    cost: Reading = field(default_factory=Reading)
    deployment_thinks: bool = False
    """Whether the model reasons although its name does not show it, as with Azure's deployments."""

    name = "the Responses API"
    reading = ("response_format",)

    def headers(self, _: Mapping[str, JsonValue]) -> Mapping[str, str]:
        """See `Dialect.headers`."""
        return {}

    def body(self, request: Request, config: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
        """See `Dialect.body`."""
        body: dict[str, JsonValue] = {"model": self.model, "input": _input(request.prompt)}
        body |= self._sampling(config)
        body |= given(config, "instructions") if config.get("instructions") else {}
        if tools := items(config.get("tools")):
            body["tools"] = [_flat_tool(tool) for tool in tools]
        if choice := config.get("tool_choice"):
            body["tool_choice"] = _flat_choice(choice)
        body |= {key: config[key] for key in _FOUND if config.get(key)} | given(config, *_ALWAYS)
        body["text"] = self._text(config)
        body |= {key: bool(config[key]) for key in ("parallel_tool_calls", "store") if key in config}
        return {**body, **mapping(config.get("passthrough"))}

    def _thinks(self) -> bool:
        return self.deployment_thinks or thinks(self.model) or self.model == "codex-mini-latest"

    def _sampling(self, config: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
        thinking, plain, env = self._thinks(), config.get("omitDefaults") is True, self.context
        shared = env_number(env, "OPENAI_MAX_TOKENS")
        limit = first(env_number(env, "OPENAI_MAX_COMPLETION_TOKENS"), shared) if thinking else shared
        tokens = first(config.get("max_output_tokens"), limit, None if plain or thinking else DEFAULT_MAX_TOKENS)
        heat = first(config.get("temperature"), env_number(env, "OPENAI_TEMPERATURE"), None if plain else 0)
        reasoning = mapping(config.get("reasoning"))
        effort = first(reasoning.get("effort"), config.get("reasoning_effort"))
        found: dict[str, JsonValue] = {"max_output_tokens": tokens, "temperature": None if thinking else heat}
        if thinking and (effort or reasoning):
            found["reasoning"] = {**({"effort": effort} if effort else {}), **reasoning}
        if not thinking or not effort or effort == "none":
            found["top_p"] = first(config.get("top_p"), env_number(env, "OPENAI_TOP_P"))
        return {key: value for key, value in found.items() if value is not None}

    def _text(self, config: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
        wanted = mapping(config.get("response_format"))
        shape: dict[str, JsonValue] = {"type": "text"}
        if wanted.get("type") == "json_object":
            shape = {"type": "json_object"}
        elif wanted.get("type") == "json_schema":
            inner = mapping(wanted.get("json_schema"))
            schema = wanted.get("schema") or inner.get("schema")
            name = inner.get("name") or wanted.get("name") or "response_schema"
            shape = {"type": "json_schema", "name": name, "schema": schema, "strict": True}
        text: dict[str, JsonValue] = {"format": shape}
        if config.get("verbosity") and self._thinks():
            text["verbosity"] = config["verbosity"]
        return text

    def answer(self, data: JsonValue, config: Mapping[str, JsonValue], latency_ms: float) -> Answer:
        """See `Dialect.answer`."""
        reply = mapping(data)
        if error := mapping(reply.get("error")):
            return Answer(None, str(error.get("message") or to_json(dict(error))), latency_ms, raw=data)
        parts = items(reply.get("output"))
        if not parts:
            raise MalformedReply("it has no output")
        refusal = _refusal(parts)
        output: JsonValue = refusal
        if refusal is None:
            output = "\n".join(text for text in map(_text_of, parts) if text)
            if mapping(config.get("response_format")).get("type") == "json_schema":
                output = json_or(str(output), output)
        tokens = _tokens(reply)
        return Answer(
            output,
            latency_ms=latency_ms,
            cost=self.cost.cost(tokens, config),
            tokens=tokens,
            finish_reason="content_filter" if refusal is not None else _finish(reply),
            guardrails={"flagged": refusal is not None},
            metadata=_metadata(reply, parts),
            raw=data,
        )


def _input(prompt: str) -> JsonValue:
    """Return a JSON list of mappings unchanged (it may hold other items than messages), a chat in YAML as messages."""
    value = json_or(prompt, None)
    if isinstance(value, list) and all(isinstance(item, dict) for item in value):
        return value
    return chat_messages(prompt) if prompt.lstrip().startswith("- role:") else prompt


def _flat_tool(tool: JsonValue) -> JsonValue:
    fields = mapping(tool)
    inner = fields.get("function")
    if fields.get("type") != "function" or not isinstance(inner, dict):
        return tool
    return {**{key: value for key, value in fields.items() if key != "function"}, **inner}


def _flat_choice(choice: JsonValue) -> JsonValue:
    name = mapping(mapping(choice).get("function")).get("name")
    return {"type": "function", "name": name} if name else choice


def _text_of(part: JsonValue) -> str:
    """Return one item of the output as promptfoo shows it: text, or a line about an action."""
    fields = mapping(part)
    kind = fields.get("type")
    if kind == "message":
        return _message_text(fields)
    if kind in ("function_call", "tool_result"):
        return to_json(part)
    if kind == "reasoning":
        summary = [str(mapping(item).get("text", "")) for item in items(fields.get("summary"))]
        return "Reasoning: " + "\n".join(summary) if summary else ""
    line = _LINES.get(str(kind))
    return line(fields) if line else ""


def _message_text(fields: Mapping[str, JsonValue]) -> str:
    if fields.get("role") != "assistant":
        return ""
    text = ""
    for item in map(mapping, items(fields.get("content"))):
        if item.get("type") == "output_text":
            text += str(item.get("text", ""))
        elif item.get("type") in ("tool_use", "function_call"):
            text = to_json(dict(item))
    return text


def _searched(fields: Mapping[str, JsonValue]) -> str:
    action = mapping(fields.get("action"))
    words = {
        "search": f'Web Search: "{action.get("query")}"',
        "open_page": f"Opening page: {action.get('url')}",
        "find_in_page": f'Finding in page: "{action.get("query")}"',
    }
    if not action:
        return f"Web Search Call (status: {fields.get('status') or 'unknown'})"
    return words.get(str(action.get("type")), f"Web action: {action.get('type')}")


def _called(fields: Mapping[str, JsonValue]) -> str:
    what = "Error" if fields.get("error") else "Result"
    return f"MCP Tool {what} ({fields.get('name')}): {fields.get('error') or fields.get('output')}"


_LINES: dict[str, Callable[[Mapping[str, JsonValue]], str]] = {
    "web_search_call": _searched,
    "code_interpreter_call": lambda fields: f"Code Interpreter: {fields.get('code') or 'Running code...'}",
    "mcp_list_tools": lambda fields: (
        f"MCP Tools from {fields.get('server_label')}: {json.dumps(fields.get('tools'), indent=2, ensure_ascii=False)}"
    ),
    "mcp_call": _called,
    "mcp_approval_request": lambda fields: (
        f"MCP Approval Required for {fields.get('server_label')}.{fields.get('name')}: {fields.get('arguments')}"
    ),
}


def _refusal(parts: list[JsonValue]) -> str | None:
    found: str | None = None
    for part in map(mapping, parts):
        if part.get("type") != "message" or part.get("role") != "assistant":
            continue
        refused = [mapping(item) for item in items(part.get("content")) if mapping(item).get("type") == "refusal"]
        reason = refused[-1].get("refusal") if refused else part.get("refusal")
        found = str(reason) if reason else found
    return found


def _tokens(reply: Mapping[str, JsonValue]) -> TokenUsage:
    usage = mapping(reply.get("usage"))
    prompt = count(usage.get("prompt_tokens")) or count(usage.get("input_tokens"))
    completion = count(usage.get("completion_tokens")) or count(usage.get("output_tokens"))
    details = mapping(usage.get("input_tokens_details") or usage.get("prompt_tokens_details"))
    total = count(usage.get("total_tokens")) or prompt + completion
    return TokenUsage(total, prompt, completion, min(count(details.get("cached_tokens")), prompt), 1)


def _finish(reply: Mapping[str, JsonValue]) -> str | None:
    reason = mapping(reply.get("incomplete_details")).get("reason")
    if reason == "max_output_tokens":
        return "length"
    return "stop" if reply.get("status") == "completed" else None


def _metadata(reply: Mapping[str, JsonValue], parts: list[JsonValue]) -> dict[str, JsonValue]:
    found: dict[str, JsonValue] = {}
    for key, name in (("id", "responseId"), ("model", "model")):
        if isinstance(reply.get(key), str) and reply[key]:
            found[name] = reply[key]
    notes = [
        note
        for part in map(mapping, parts)
        for item in map(mapping, items(part.get("content")))
        for note in items(item.get("annotations"))
    ]
    return {**found, "annotations": notes} if notes else found
