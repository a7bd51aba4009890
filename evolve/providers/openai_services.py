"""Services that speak OpenAI's protocol and have their own names: `groq:MODEL`, `openrouter:MODEL` and others.

Each has an address and a variable for its key; some add fields to a request or leave some out.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from evolve.core.model.json_value import JsonValue
from evolve.providers.replies import first, given, items, mapping

Adjust = Callable[[dict[str, JsonValue], Mapping[str, JsonValue], Mapping[str, str]], dict[str, JsonValue]]
"""OpenAI's body, the config and the environment -> the body in the service's form."""
Output = Callable[[Mapping[str, JsonValue], Mapping[str, JsonValue]], JsonValue]
"""A chat message and the config -> the output; None means the protocol's usual output."""


@dataclass(frozen=True, slots=True)
class Service:
    """One service: its address, its key, and its differences from OpenAI."""

    base_url: str
    key: str
    """The variable with its key; `NAME_BASE_URL` may name another address."""
    needs_key: bool = True
    urls: tuple[str, ...] = ()
    """promptfoo's variables for the address."""
    kinds: tuple[str, ...] = ("chat",)
    """The words allowed between the service's name and the model."""
    default_model: str = ""
    keys: frozenset[str] = frozenset()
    """Further config keys."""
    passes_all: bool = False
    """Every key of the config is a field of the request."""
    defaults: Mapping[str, JsonValue] | None = None
    """Defaults of the config."""
    adjust: Adjust | None = None
    output: Output | None = None
    thinks: re.Pattern[str] | None = None
    """Models that take `max_completion_tokens` instead of `max_tokens`, but still a temperature."""
    vendor: str = "openai"
    """The section of the price table."""


def _openrouter(
    body: dict[str, JsonValue], config: Mapping[str, JsonValue], _: Mapping[str, str]
) -> dict[str, JsonValue]:
    extra = {key: config[key] for key in ("transforms", "models", "route", "provider") if config.get(key)}
    return {**body, **extra, **mapping(config.get("passthrough"))}


def _openrouter_output(message: Mapping[str, JsonValue], config: Mapping[str, JsonValue]) -> JsonValue:
    """Return calls before text; if there is only thinking, return that."""
    call, calls = mapping(message.get("function_call")), items(message.get("tool_calls"))
    if call.get("name") or calls:
        return dict(call) if call.get("name") else calls
    content, thought = message.get("content"), message.get("reasoning")
    if not (isinstance(content, str) and content.strip()) and thought and config.get("showThinking") is not False:
        return thought
    return None


def _groq(body: dict[str, JsonValue], config: Mapping[str, JsonValue], _: Mapping[str, str]) -> dict[str, JsonValue]:
    return {**body, **given(config, "reasoning_format", "include_reasoning", "compound_custom", "search_settings")}


_MISTRAL = (
    "temperature", "frequency_penalty", "presence_penalty", "stop", "n", "safe_prompt", "prompt_mode", "prediction",
    "reasoning_effort", "prompt_cache_key", "metadata", "guardrails", "tools", "tool_choice", "parallel_tool_calls",
    "response_format",
)  # fmt: skip


def _mistral(body: dict[str, JsonValue], config: Mapping[str, JsonValue], _: Mapping[str, str]) -> dict[str, JsonValue]:
    # 1 and 1024 are promptfoo's defaults.
    return {
        "model": body.get("model"),
        "top_p": first(config.get("top_p"), 1),
        "max_tokens": first(config.get("max_tokens"), 1024),
        "random_seed": config.get("random_seed"),
        **given(config, *_MISTRAL),
        **mapping(config.get("passthrough")),
    }


def _mistral_output(message: Mapping[str, JsonValue], _: Mapping[str, JsonValue]) -> JsonValue:
    """Return the texts of a list of parts, without thinking."""
    parts = [mapping(part) for part in items(message.get("content"))]
    if not parts or any(part.get("type") not in ("text", "thinking") for part in parts):
        return None
    text = "".join(str(part.get("text", "")) for part in parts if part.get("type") == "text")
    if not text or not message.get("tool_calls"):
        return text or None
    return {**message, "content": text}


_GROK_4 = re.compile(r"grok-(4|build-latest|latest)")
"""Models that refuse penalties and `stop`."""
_GROK_EFFORT = re.compile(r"grok-(4\.[35]|build-latest|latest|3-mini)")
"""The only models that accept `reasoning_effort`."""


def _xai(body: dict[str, JsonValue], config: Mapping[str, JsonValue], _: Mapping[str, str]) -> dict[str, JsonValue]:
    model = str(body.get("model", ""))
    out = set[str]()
    if _GROK_4.match(model):
        out |= {"presence_penalty", "frequency_penalty", "stop"}
    if not _GROK_EFFORT.match(model):
        out.add("reasoning_effort")
    kept = {key: value for key, value in body.items() if key not in out}
    return {**kept, **given(config, "search_parameters")}


def _cerebras(body: dict[str, JsonValue], _: Mapping[str, JsonValue], __: Mapping[str, str]) -> dict[str, JsonValue]:
    if not body.get("max_completion_tokens"):
        return body
    return {key: value for key, value in body.items() if key != "max_tokens"}


def _localai(
    body: dict[str, JsonValue], config: Mapping[str, JsonValue], env: Mapping[str, str]
) -> dict[str, JsonValue]:
    given_by_user = {key: value for key, value in body.items() if key in config or key == "model"}
    own = mapping(config.get("passthrough"))
    try:
        heat: JsonValue = float(env["LOCALAI_TEMPERATURE"])
    except (KeyError, ValueError):
        heat = 0.7  # promptfoo's default
    return {**given_by_user, "temperature": first(config.get("temperature"), heat), **own}


SERVICES: Mapping[str, Service] = {
    "cerebras": Service("https://api.cerebras.ai/v1", "CEREBRAS_API_KEY", passes_all=True, adjust=_cerebras, vendor=""),
    "deepseek": Service(
        "https://api.deepseek.com/v1", "DEEPSEEK_API_KEY", default_model="deepseek-chat", vendor="deepseek"
    ),
    "fireworks": Service(
        "https://api.fireworks.ai/inference/v1", "FIREWORKS_API_KEY", kinds=("chat", "embedding"), vendor=""
    ),
    "github": Service("https://models.github.ai/inference", "GITHUB_TOKEN", default_model="openai/gpt-5"),
    "groq": Service(
        "https://api.groq.com/openai/v1",
        "GROQ_API_KEY",
        kinds=("chat", "responses"),
        keys=frozenset({"reasoning_format", "include_reasoning", "compound_custom", "search_settings"}),
        adjust=_groq,
        thinks=re.compile(r".*(gpt-oss|qwen)"),
        vendor="",
    ),
    "litellm": Service(
        "http://0.0.0.0:4000",
        "LITELLM_API_KEY",
        needs_key=False,
        urls=("LITELLM_API_BASE",),
        kinds=("chat", "completion", "embedding"),
        defaults={"omitDefaults": True},
    ),
    "localai": Service(
        "http://localhost:8080/v1",
        "LOCALAI_API_KEY",
        needs_key=False,
        kinds=("chat", "completion", "embedding"),
        adjust=_localai,
        vendor="",
    ),
    "mistral": Service(
        "https://api.mistral.ai/v1",
        "MISTRAL_API_KEY",
        urls=("MISTRAL_API_BASE_URL",),
        kinds=("chat", "embedding"),
        keys=frozenset(_MISTRAL) | {"random_seed"},
        adjust=_mistral,
        output=_mistral_output,
        vendor="mistral",
    ),
    "openrouter": Service(
        "https://openrouter.ai/api/v1",
        "OPENROUTER_API_KEY",
        keys=frozenset({"transforms", "models", "route", "provider"}),
        adjust=_openrouter,
        output=_openrouter_output,
        vendor="",
    ),
    "perplexity": Service(
        "https://api.perplexity.ai",
        "PERPLEXITY_API_KEY",
        default_model="sonar",
        keys=frozenset({"usage_tier", "search_domain_filter", "search_recency_filter", "return_related_questions"}),
        vendor="perplexity",
    ),
    "togetherai": Service(
        "https://api.together.xyz/v1",
        "TOGETHER_API_KEY",
        kinds=("chat", "completion", "embedding"),
        passes_all=True,
        vendor="",
    ),
    "vllm": Service(
        "http://localhost:8000/v1",
        "VLLM_API_KEY",
        needs_key=False,
        kinds=("chat", "completion", "embedding"),
        vendor="",
    ),
    "xai": Service(
        "https://api.x.ai/v1",
        "XAI_API_KEY",
        kinds=("chat", "responses"),
        keys=frozenset({"region", "search_parameters"}),
        adjust=_xai,
        thinks=re.compile(r"grok-(?!.*non-reasoning)(4|build|latest|code-fast|3-mini)"),
        vendor="xai",
    ),
}
