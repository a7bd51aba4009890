"""Points a promptfoo configuration at a loopback server: every provider that it names gets the server as its base URL.

What is changed is where questions go, nothing else: the configuration's own keys, files and tests stay.
"""

import re
from typing import Any

from evolve.core.model.json_value import JsonValue

_WITH_V1 = frozenset(
    (
        *("openai", "openrouter", "groq", "mistral", "xai", "perplexity", "github", "deepseek", "togetherai"),
        *("cerebras", "fireworks", "litellm", "localai", "vllm"),
    )
)
"""Providers whose base URL ends in /v1."""
_BARE = frozenset({"anthropic", "ollama", "azure", "azureopenai", "google", "vertex", "palm"})
_BEDROCK = "bedrock"
_ADDRESS = re.compile(r"^https?://[^/?#]+")
_LISTS = ("providers", "targets")


def point(config: dict[str, Any], url: str) -> dict[str, Any]:
    """Return the configuration with every provider pointed at `url`, in lists, tests, defaults and assertions."""
    return {
        key: _point_list(value, url) if key in _LISTS else _point_inside(value, url) for key, value in config.items()
    }


def _point_list(value: Any, url: str) -> Any:
    if isinstance(value, list):
        return [_point_provider(item, url) for item in value]
    return [_point_provider(value, url)]


def _point_inside(value: Any, url: str) -> Any:
    """Return a value whose `provider` keys are pointed, at any depth."""
    if isinstance(value, list):
        return [_point_inside(item, url) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: _point_grader(item, url) if key == "provider" else _point_inside(item, url) for key, item in value.items()
    }


def _point_grader(value: Any, url: str) -> Any:
    # Graders may be one provider or one for each kind: {text: ..., embedding: ...}.
    if isinstance(value, dict) and "id" not in value:
        return {key: _point_provider(item, url) for key, item in value.items()}
    return _point_provider(value, url)


def _point_provider(value: Any, url: str) -> Any:
    if isinstance(value, str):
        config = _config_of(value, {}, url)
        return {"id": _ADDRESS.sub(url, value), "config": config} if config else _ADDRESS.sub(url, value)
    if isinstance(value, dict) and isinstance(value.get("id"), str):
        return {
            **value,
            "id": _ADDRESS.sub(url, value["id"]),
            "config": _config_of(value["id"], _mapping(value.get("config")), url),
        }
    if isinstance(value, dict) and len(value) == 1:  # {"openai:chat:gpt-4o": {config: ...}}
        ((name, rest),) = value.items()
        return {name: {**_mapping(rest), "config": _config_of(name, _mapping(_mapping(rest).get("config")), url)}}
    return value


def _config_of(name: str, config: dict[str, JsonValue], url: str) -> dict[str, JsonValue]:
    vendor = name.partition(":")[0]
    if vendor in _WITH_V1:
        return {**_without_host(config), "apiBaseUrl": f"{url}/v1"}
    if vendor in _BARE:
        return {**_without_host(config), "apiBaseUrl": url}
    if vendor == "huggingface":  # promptfoo has no base URL for it, only the address of one model
        return {**config, "apiEndpoint": f"{url}/models/{name.rpartition(':')[2]}"}
    if vendor == _BEDROCK:
        return {**config, "endpoint": url}
    if isinstance(config.get("url"), str):
        return {**config, "url": _ADDRESS.sub(url, str(config["url"]))}
    return config


def _without_host(config: dict[str, JsonValue]) -> dict[str, JsonValue]:
    return {key: value for key, value in config.items() if key not in ("apiHost", "host")}


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
