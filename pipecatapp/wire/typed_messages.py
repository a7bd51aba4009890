"""Messages as JSON objects with `v`, the version, and `type`; each class is one type, its fields are the message's."""

import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Final

from evolve.core.formats.dataclass_json import plain_value, read_fields

_LONGEST_PROBLEM: Final = 300


class BadMessage(ValueError):
    """A message that is none of this version's; its text is for people and has at most one line."""


def write_typed(message: Any, name: str, version: int) -> str:
    """Return a message as JSON.

    Args:
        message: a dataclass.
        name: of its type.
        version: of the messages.
    """
    own = {field.name: plain_value(getattr(message, field.name)) for field in fields(message)}
    # As ASCII: a model's text may hold half of a surrogate pair, which no encoding of text frames can carry.
    return json.dumps({"v": version, "type": name, **own})


def read_typed(data: str | bytes, types: Mapping[str, type], version: int) -> object:
    """Return the message that a text frame holds.

    Args:
        data: the frame.
        types: classes by the names of their types.
        version: that is expected.

    Raises:
        BadMessage: it is none of these.
    """
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        raise BadMessage("expected JSON") from None
    if not isinstance(value, dict):
        raise BadMessage("expected a JSON object")
    given, name = value.pop("v", None), value.pop("type", None)
    if given != version or isinstance(given, bool):
        raise BadMessage(f"expected version v={version}; reload the page")
    kind = types.get(name) if isinstance(name, str) else None
    if kind is None:
        raise BadMessage(f"unknown type; known: {', '.join(types)}")
    problems: list[str] = []
    message = read_fields(kind, value, problems)
    if problems:
        raise BadMessage(problems[0].splitlines()[0][:_LONGEST_PROBLEM])
    return message
