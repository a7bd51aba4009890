"""Reads a provider's `config`: known keys, types, files and templates; mistakes are InputErrors with a place."""

import json
from collections.abc import Collection, Mapping

from evolve.core.formats.yaml12 import parse_yaml
from evolve.core.model.errors import InputError, Location, Problem
from evolve.core.model.json_value import JsonValue
from evolve.core.model.suite import ProviderSpec
from evolve.core.text.did_you_mean import did_you_mean, with_the_option
from evolve.providers.context import ProviderContext

COMMON_KEYS = frozenset({"basePath", "maxRetries", "timeoutMs"})
"""Keys that every provider accepts: `timeoutMs` limits one whole answer, retries included."""

_ELSEWHERE: Mapping[str, str] = dict.fromkeys(("delay", "prompts", "transform"), "put it one level up, with `id`")
"""Keys of a provider's entry, which have no effect in its config."""


def check_keys(
    spec: ProviderSpec,
    context: ProviderContext,
    known: Collection[str],
    refused: Mapping[str, str] | None = None,
    *,
    hint: str = "",
) -> None:
    """Raise or report a problem for each key of the config that is unknown or refused.

    Args:
        spec: the provider as the suite describes it.
        context: its settings decide whether an unknown key is an error; else they receive a warning.
        known: the keys that this provider accepts, in addition to `COMMON_KEYS`.
        refused: keys that are recognised but not supported, each with the reason; None and False are ignored.
        hint: what to do about an unknown key that resembles no known one.

    Raises:
        InputError: names all such keys, each with a suggestion or the reason; not where the settings receive them.
    """
    refused = refused or {}
    problems = [
        Problem(f"provider {spec.id!r}: config key {key!r} is not supported: {refused[key]}", place_of(spec, key))
        for key in spec.config
        if key in refused and spec.config[key] not in (None, False)
    ]
    for key in spec.config:
        if key not in known and key not in refused and key not in COMMON_KEYS:
            problems += _unknown(spec, context, key, _ELSEWHERE.get(key) or did_you_mean(key, known), hint)
    report = context.settings.report
    if report is not None:
        for problem in problems:
            report(problem)
    elif problems:
        raise InputError(problems)


def _unknown(spec: ProviderSpec, context: ProviderContext, key: str, mistake: str, hint: str) -> list[Problem]:
    """Return the problem of an unknown key; where it is only ignored, warn about it."""
    mode = context.settings.unknown_keys
    message, where = f"provider {spec.id!r}: unknown config key {key!r}", place_of(spec, key)
    if mode == "warn" or (mode == "typos" and not mistake):
        context.settings.warn(Problem(f"{message}, which is ignored", where, mistake or hint))
        return []
    text = mistake or hint
    return [Problem(message, where, with_the_option(text) if mode == "typos" else text)]


def place_of(spec: ProviderSpec, *path: str) -> Location | None:
    """Return the place of the spec, or of a key of its config, in the suite; None if it comes from elsewhere."""
    if spec.place is None:
        return None
    return spec.place.locate(*spec.place.path, *(("config", *path) if path else ()))


def wrong(spec: ProviderSpec, key: str, expected: str) -> InputError:
    """Return the error for a config value of the wrong kind."""
    message = f"provider {spec.id!r}: {key}={json.dumps(spec.config.get(key), default=str)[:80]}: expected {expected}"
    return InputError(Problem(message, place_of(spec, key)))


def text_of(spec: ProviderSpec, key: str, context: ProviderContext) -> str | None:
    """Return a string of the config with `{{ env.NAME }}` filled in; None if it is absent or empty."""
    value = spec.config.get(key)
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise wrong(spec, key, "text")
    return render_text(value, {}, context) or None


def number_of(spec: ProviderSpec, key: str, least: float = 0.0) -> float | None:
    """Return a number of the config, not below `least`; None if it is absent."""
    value = spec.config.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= least:
        raise wrong(spec, key, f"a number, at least {least:g}")
    return float(value)


def texts_of(spec: ProviderSpec, key: str) -> dict[str, str]:
    """Return a mapping of text to text (headers, query parameters); numbers and booleans become text."""
    value = spec.config.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict) or any(isinstance(item, dict | list) for item in value.values()):
        raise wrong(spec, key, "a mapping of names to text")
    return {
        name: item if isinstance(item, str) else json.dumps(item) for name, item in value.items() if item is not None
    }


def render_text(text: str, variables: Mapping[str, JsonValue], context: ProviderContext) -> str:
    """Return the text with its templates filled; text without templates is returned unchanged."""
    return context.templates.render(text, variables) if "{{" in text or "{%" in text else text


def has_templates(value: JsonValue) -> bool:
    """Return whether any string inside is a template."""
    if isinstance(value, str):
        return "{{" in value or "{%" in value
    if isinstance(value, dict):
        return any(has_templates(item) for item in value.values())
    return isinstance(value, list) and any(has_templates(item) for item in value)


def load_references(value: JsonValue, spec: ProviderSpec, context: ProviderContext) -> JsonValue:
    """Return the value with each `file://x.json|yaml|txt` string replaced by the content of the file."""
    if isinstance(value, str) and value.startswith("file://"):
        return read_reference(value, spec, context)
    if isinstance(value, dict):
        return {key: load_references(item, spec, context) for key, item in value.items()}
    if isinstance(value, list):
        return [load_references(item, spec, context) for item in value]
    return value


def read_reference(reference: str, spec: ProviderSpec, context: ProviderContext) -> JsonValue:
    """Return the content behind a `file://` reference: parsed JSON or YAML, or the text of any other file.

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
