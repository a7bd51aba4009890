"""Small readers of JSON that all dialects share, and the names of finish reasons."""

from collections.abc import Mapping

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
    """The reply is JSON but not the protocol's; the text says what is missing."""


def finish_reason(value: JsonValue) -> str | None:
    """Return the reason by OpenAI's names: stop, length, tool_calls, content_filter; others in lower case."""
    name = value.strip().lower() if isinstance(value, str) else ""
    return _FINISH_REASONS.get(name, name) or None


def mapping(value: object) -> Mapping[str, JsonValue]:
    """Return the mapping, or an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def items(value: JsonValue) -> list[JsonValue]:
    """Return the list, or an empty one for anything else."""
    return value if isinstance(value, list) else []


def texts(config: Mapping[str, JsonValue], key: str) -> dict[str, str]:
    """Return the texts of a mapping in a config."""
    return {name: value for name, value in mapping(config.get(key)).items() if isinstance(value, str)}


def count(value: JsonValue) -> int:
    """Return a number of tokens; 0 for anything that is not a positive number."""
    return int(value) if isinstance(value, int | float) and not isinstance(value, bool) and value > 0 else 0


def given(config: Mapping[str, JsonValue], *names: str) -> dict[str, JsonValue]:
    """Return the named settings that the config has and that are not None."""
    return {name: config[name] for name in names if config.get(name) is not None}


def first(*values: JsonValue) -> JsonValue:
    """Return the first value that is not None."""
    return next((value for value in values if value is not None), None)
