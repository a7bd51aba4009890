"""Claude at Anthropic: `anthropic:messages:MODEL`, or `anthropic:MODEL`."""

from collections.abc import Mapping
from dataclasses import dataclass

from evolve.core.formats.json_text import json_or
from evolve.core.model.answers import Answer, Request
from evolve.core.model.errors import InputError, Problem
from evolve.core.model.json_value import JsonValue
from evolve.core.model.suite import ProviderSpec
from evolve.providers.claude import (
    accepted_thinking,
    claude_output,
    claude_prompt,
    claude_refusal,
    claude_tools,
    claude_usage,
    refuses_sampling,
    spends_on_thinking,
)
from evolve.providers.config import place_of
from evolve.providers.context import ProviderContext
from evolve.providers.hosted import (
    Endpoint,
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
from evolve.providers.prices import cost_of
from evolve.providers.replies import finish_reason, first, given, items, mapping
from evolve.providers.tools import chosen_tool

_OFFICIAL = "https://api.anthropic.com"
_VERSION = "2023-06-01"
"""The `anthropic-version` header, which the API requires; promptfoo sends the same."""
_KEYS = frozenset(
    {
        "max_tokens", "temperature", "top_p", "top_k", "stop_sequences", "tools", "tool_choice", "thinking", "effort",
        "output_format", "extra_body", "metadata", "cache_control", "service_tier", "beta", "showThinking", "stream",
        "apiKeyRequired", "max_tool_calls",
    }
)  # fmt: skip
REFUSED = {"mcp": "Anneal starts no MCP servers"}
_OTHER_KINDS = {
    "completion": "the text completions of old Claude models are not supported; use anthropic:messages:MODEL",
    "claude-agent-sdk": "agents are not started by Anneal; wrap one in a Python or exec provider",
    "claude-code": "agents are not started by Anneal; wrap one in a Python or exec provider",
    "managed-agents": "agents are not started by Anneal; wrap one in a Python or exec provider",
}
_STRUCTURED = "structured-outputs-2025-11-13"
"""The beta header that `output_format` needs."""
_FETCH = ("web_fetch_20250910", "web-fetch-2025-09-10")
"""The one server tool that needs a beta header."""


@dataclass(frozen=True, slots=True)
class Messages:
    """The dialect of one model."""

    context: ProviderContext
    model: str

    name = "Anthropic's Messages API"
    reading = ("showThinking", "output_format")

    def body(self, request: Request, config: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
        """See `Dialect.body`."""
        prompt = claude_prompt(request.prompt)
        effort = config.get("effort")
        thinking = accepted_thinking(self.model, first(config.get("thinking"), prompt.thinking), effort)
        body: dict[str, JsonValue] = {"model": self.model}
        if prompt.system:
            body["system"] = prompt.system
        limit = env_number(self.context, "ANTHROPIC_MAX_TOKENS")
        # promptfoo's defaults; thinking takes its tokens from the same limit.
        body["max_tokens"] = first(
            config.get("max_tokens"), limit, 2048 if spends_on_thinking(self.model, thinking) else 1024
        )
        body |= {"messages": prompt.messages, "stream": False, **self._sampling(config, thinking)}
        body |= {key: config[key] for key in ("cache_control", "service_tier", "metadata") if config.get(key)}
        if stops := items(config.get("stop_sequences")):
            body["stop_sequences"] = stops
        if tools := claude_tools(config.get("tools")):
            body["tools"] = tools
        body |= _choice(config.get("tool_choice"), thinking)
        if thinking:
            body["thinking"] = dict(thinking)
        wanted = {"format": config.get("output_format"), "effort": effort}
        output: dict[str, JsonValue] = {key: value for key, value in wanted.items() if value}
        return {**body, **({"output_config": output} if output else {}), **mapping(config.get("extra_body"))}

    def _sampling(
        self, config: Mapping[str, JsonValue], thinking: Mapping[str, JsonValue] | None
    ) -> dict[str, JsonValue]:
        if refuses_sampling(self.model):
            return {}
        top_p = config.get("top_p")
        if (thinking or {}).get("type") in ("enabled", "adaptive"):
            # With thinking the API accepts top_p from .95 to 1 and no other setting.
            return {"top_p": max(0.95, min(1.0, top_p))} if isinstance(top_p, int | float) else {}
        if top_p is not None:
            return given(config, "top_p", "top_k")
        heat = first(config.get("temperature"), env_number(self.context, "ANTHROPIC_TEMPERATURE"), 0)
        return {"temperature": heat, **given(config, "top_k")}

    def headers(self, config: Mapping[str, JsonValue]) -> Mapping[str, str]:
        """See `Dialect.headers`: the beta features that the request needs."""
        features = [str(name) for name in items(config.get("beta"))]
        if any(mapping(tool).get("type") == _FETCH[0] for tool in items(config.get("tools"))):
            features.append(_FETCH[1])
        named = mapping(config.get("headers")).get("anthropic-beta")
        features += [name.strip() for name in named.split(",") if name.strip()] if isinstance(named, str) else []
        if config.get("output_format"):
            features.append(_STRUCTURED)
        return {"anthropic-beta": ",".join(dict.fromkeys(features))} if features else {}

    def answer(self, data: JsonValue, config: Mapping[str, JsonValue], latency_ms: float) -> Answer:
        """See `Dialect.answer`."""
        output: JsonValue = claude_output(data, show_thinking=config.get("showThinking") is not False)
        if mapping(config.get("output_format")).get("type") == "json_schema":
            output = json_or(str(output), output)
        tokens, written = claude_usage(data)
        reply, refusal = mapping(data), claude_refusal(data)
        model = reply.get("model")
        return Answer(
            output,
            latency_ms=latency_ms,
            cost=cost_of("anthropic", self.model, tokens, config, written=written),
            tokens=tokens,
            finish_reason=finish_reason(reply.get("stop_reason")),
            guardrails={"flagged": True, "reason": refusal} if refusal else None,
            metadata={"model": model} if isinstance(model, str) else {},
            raw=data,
        )


def _choice(choice: JsonValue, thinking: Mapping[str, JsonValue] | None) -> dict[str, JsonValue]:
    if not choice:
        return {}
    known: dict[str, JsonValue] = {"auto": "auto", "none": "none", "required": "any"}
    wanted = chosen_tool(choice)
    if wanted is not None:
        kind = known.get(wanted, "tool")
        choice = {"type": kind, **({"name": wanted.removeprefix("tool:")} if kind == "tool" else {})}
    # The API refuses a forced tool together with a thinking budget.
    forced = mapping(choice).get("type") in ("any", "tool")
    return {} if forced and (thinking or {}).get("type") == "enabled" else {"tool_choice": choice}


def open_provider(spec: ProviderSpec, context: ProviderContext) -> HostedModel:
    """Return the Claude model that the id names.

    Raises:
        InputError: another kind of model, or a wrong config.
        MissingKeyFault: there is no API key.
    """
    model = _model(spec)
    config = read_config(spec, context, _KEYS, REFUSED)
    base = base_url(spec, context, ("ANTHROPIC_BASE_URL",), _OFFICIAL)
    key = find_key(spec, context, ("ANTHROPIC_API_KEY",))
    if not key.value:
        raise missing_key(spec, key)
    headers = {
        "Content-Type": "application/json",
        "anthropic-version": _VERSION,
        "x-api-key": key.value,
        **rendered_headers(spec, context),
    }
    endpoint = Endpoint(f"{base}/v1/messages", headers, (key.value,), key_hints(key))
    return HostedModel(spec, Messages(context, model), OpenDoor(endpoint), config, context, client_of(spec, context))


def _model(spec: ProviderSpec) -> str:
    _, _, rest = spec.id.partition(":")
    kind, _, model = rest.partition(":")
    if kind in _OTHER_KINDS:
        raise InputError(Problem(f"provider {spec.id!r}: {_OTHER_KINDS[kind]}", place_of(spec)))
    model = model if kind == "messages" else rest
    if not model or ":" in model:
        expected = "expected anthropic:messages:MODEL or anthropic:MODEL"
        raise InputError(Problem(f"provider {spec.id!r}: {expected}", place_of(spec)))
    return model
