"""Reads fields of Nomad's answers. Many of them have null instead of an empty list, map or text."""

import math
from collections.abc import Mapping
from typing import Final

from evolve.core.model.incidents import JsonFields
from evolve.core.model.json_value import JsonValue

_LONGEST_NUMBER: Final = 32
"""Digits of a number that is written as a text."""


def text(one: JsonFields, name: str) -> str:
    """Return a text; empty where it is missing or no text."""
    value = one.get(name)
    return value if isinstance(value, str) else ""


def number(one: JsonFields, name: str) -> int:
    """Return an integer; 0 where it is missing or none. Details of events hold numbers as texts."""
    value = one.get(name)
    if isinstance(value, str) and value.removeprefix("-").isdecimal():
        # Python reads no text of thousands of digits, and Nomad writes none.
        return int(value) if len(value) <= _LONGEST_NUMBER else 0
    return int(value) if isinstance(value, int | float) and math.isfinite(value) else 0


def fields(one: JsonFields | None, name: str) -> JsonFields:
    """Return an object; empty where it is missing."""
    value = one.get(name) if one is not None else None
    return value if isinstance(value, Mapping) else {}


def many(one: JsonFields, name: str) -> list[JsonFields]:
    """Return the objects of a list; none where it is missing."""
    return objects(one.get(name))


def objects(value: JsonValue) -> list[JsonFields]:
    """Return the objects of a list; none for null."""
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def named(items: list[JsonFields], name: str) -> JsonFields:
    """Return the object with this `Name`; empty where there is none."""
    return next((item for item in items if text(item, "Name") == name), {})
