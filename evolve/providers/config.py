"""Reads a provider's `config`: known keys, right types, files and templates; mistakes are InputErrors with a place."""

import json
from collections.abc import Collection, Mapping

from evolve.core.formats.yaml12 import parse_yaml
from evolve.core.model.errors import InputError, Location, Problem
from evolve.core.model.json_value import JsonValue
from evolve.core.model.suite import ProviderSpec
from evolve.core.text.did_you_mean import did_you_mean
from evolve.providers.context import ProviderContext

COMMON_KEYS = frozenset({"basePath", "maxRetries", "timeoutMs"})
"""Keys that every provider takes: `timeoutMs` bounds one whole answer, retries included."""


def check_keys(
    spec: ProviderSpec,
    context: ProviderContext,
    known: Collection[str],
    refused: Mapping[str, str] | None = None,
    *,
    hint: str = "",
) -> None:
    """Returns when every key of the config is known.

    Raises:
        InputError: all keys that are not, each with a suggestion; `refused` ones with their reason.
    """
    refused = refused or {}
    problems = [
        Problem(f"provider {spec.id!r}: config key {key!r} is not supported: {refused[key]}", place_of(spec, key))
        for key in spec.config
        if key in refused and spec.config[key] not in (None, False)
    ]
    if context.settings.unknown_keys == "error":
        problems += [
            Problem(
                f"provider {spec.id!r}: unknown config key {key!r}",
                place_of(spec, key),
                did_you_mean(key, known) or hint,
            )
            for key in spec.config
            if key not in known and key not in refused and key not in COMMON_KEYS
        ]
    if problems:
        raise InputError(problems)


def place_of(spec: ProviderSpec, *path: str) -> Location | None:
    """Where the spec, or a key of its config, stands in the suite; None when it comes from elsewhere."""
    if spec.place is None:
        return None
    return spec.place.locate(*spec.place.path, *(("config", *path) if path else ()))


def wrong(spec: ProviderSpec, key: str, expected: str) -> InputError:
    """The error for a config value of the wrong kind."""
    message = f"provider {spec.id!r}: {key}={json.dumps(spec.config.get(key), default=str)[:80]}: expected {expected}"
    return InputError(Problem(message, place_of(spec, key)))


def text_of(spec: ProviderSpec, key: str, context: ProviderContext) -> str | None:
    """A string of the config with `{{ env.NAME }}` filled in; None when it is absent or empty."""
    value = spec.config.get(key)
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise wrong(spec, key, "text")
    return render_text(value, {}, context) or None


def number_of(spec: ProviderSpec, key: str, least: float = 0.0) -> float | None:
    """A number of the config, not below `least`; None when it is absent."""
    value = spec.config.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= least:
        raise wrong(spec, key, f"a number, at least {least:g}")
    return float(value)


def texts_of(spec: ProviderSpec, key: str) -> dict[str, str]:
    """A mapping of text to text (headers, query parameters); numbers and booleans become text."""
    value = spec.config.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict) or any(isinstance(item, dict | list) for item in value.values()):
        raise wrong(spec, key, "a mapping of names to text")
    return {
        name: item if isinstance(item, str) else json.dumps(item) for name, item in value.items() if item is not None
    }


def render_text(text: str, variables: Mapping[str, JsonValue], context: ProviderContext) -> str:
    """The text with its templates filled; text without any is returned as it is."""
    return context.templates.render(text, variables) if "{{" in text or "{%" in text else text


def has_templates(value: JsonValue) -> bool:
    """Whether any string inside is a template."""
    if isinstance(value, str):
        return "{{" in value or "{%" in value
    if isinstance(value, dict):
        return any(has_templates(item) for item in value.values())
    return isinstance(value, list) and any(has_templates(item) for item in value)


def load_references(value: JsonValue, spec: ProviderSpec, context: ProviderContext) -> JsonValue:
    """The value with each `file://x.json|yaml|txt` string replaced by what the file holds."""
    if isinstance(value, str) and value.startswith("file://"):
        return read_reference(value, spec, context)
    if isinstance(value, dict):
        return {key: load_references(item, spec, context) for key, item in value.items()}
    if isinstance(value, list):
        return [load_references(item, spec, context) for item in value]
    return value


def read_reference(reference: str, spec: ProviderSpec, context: ProviderContext) -> JsonValue:
    """What a `file://` reference holds: parsed JSON or YAML, or the text of any other file.

    Raises:
        InputError: outside the suite's reach, missing, too large, not UTF-8, or not well-formed.
    """
    path = reference.removeprefix("file://")
    text = context.files.read_text(path)
    if path.endswith(".json"):
        try:
            value: JsonValue = json.loads(text)
        except (ValueError, RecursionError) as exc:
            raise InputError(Problem(f"provider {spec.id!r}: not valid JSON: {exc}", Location(path))) from exc
        return value
    return parse_yaml(text, path) if path.endswith((".yaml", ".yml")) else text
