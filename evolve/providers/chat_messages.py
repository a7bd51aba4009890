"""Turns a rendered prompt into chat messages, or chat messages into one text."""

import json
import re

from evolve.core.formats.yaml12 import parse_yaml
from evolve.core.model.errors import CannotEvaluate, InputError
from evolve.core.model.json_value import JsonValue

_MESSAGES_IN_JSON = re.compile(r"\[\s*\{\s*\"(role|content)\"")
"""Broken JSON with this beginning is reported; any other text in brackets is a plain prompt."""


def chat_messages(prompt: str) -> list[JsonValue]:
    """Return the messages of a prompt: those of a JSON array or YAML list, or any other text as one user message.

    Raises:
        CannotEvaluate: it begins like a list of messages but is not well-formed.
    """
    start = prompt.lstrip()[:200]
    if start.startswith("- role:"):
        return _yaml_messages(prompt)
    if start.startswith("["):
        try:
            value = json.loads(prompt)
        except (ValueError, RecursionError) as exc:
            if _MESSAGES_IN_JSON.match(start):
                raise CannotEvaluate(
                    f"the prompt looks like a list of chat messages but is not valid JSON: {exc}"
                ) from exc
        else:
            if _are_messages(value):
                return list(value)
    return [{"role": "user", "content": prompt}]


def _yaml_messages(prompt: str) -> list[JsonValue]:
    try:
        value = parse_yaml(prompt, "prompt")
    except InputError as exc:
        raise CannotEvaluate(f"the prompt looks like a list of chat messages but is not valid YAML: {exc}") from exc
    if not isinstance(value, list) or not _are_messages(value):
        raise CannotEvaluate("the prompt looks like a list of chat messages, but not every item has a role")
    return value


def _are_messages(value: JsonValue) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) and "role" in item for item in value)


def plain_text(prompt: str) -> str:
    """Return the prompt as one text: the contents of its messages, with blank lines between them, or itself."""
    messages = chat_messages(prompt)
    if messages == [{"role": "user", "content": prompt}]:
        return prompt
    return "\n\n".join(_content(message) for message in messages)


def _content(message: JsonValue) -> str:
    content = message.get("content") if isinstance(message, dict) else None
    if isinstance(content, list):
        return "\n".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else ""
