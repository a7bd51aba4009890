"""Dataclasses as JSON objects and back, by the types of their fields.

An object has the fields that differ from their defaults. Fields may be text, numbers, truth values, enumerations of
text, literals, free JSON values, mappings of free JSON values, tuples of these, other dataclasses, and None.
"""

import json
import math
from collections.abc import Callable, Hashable, Mapping
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from enum import Enum
from functools import cache
from types import UnionType
from typing import Literal, TypeAlias, cast, get_args, get_origin

from evolve.core.model.json_value import JsonValue
from evolve.core.text.did_you_mean import did_you_mean

_NEWER = "a newer version may have written it: read it with that version"
_MAX_QUOTE = 60
"""Characters of a wrong value in a message, so that one line shows both the place and the value."""

_NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def plain_fields(value: object) -> dict[str, object]:
    """Return a dataclass's fields that differ from their defaults, for `json.dumps`.

    Numbers that JSON cannot express become `"NaN"`, `"Infinity"` or `"-Infinity"`; in a field of numbers they are read
    back as numbers, in a free JSON value they stay text.
    """
    return _plain(value)


def plain_value(value: object) -> object:
    """Return a value of a field, for `json.dumps`; see `plain_fields`."""
    return _jsonable(value)


def read_fields(kind: type, value: JsonValue, problems: list[str]) -> object:
    """Return the dataclass of an object.

    Args:
        kind: the dataclass.
        value: what `json.loads` returned.
        problems: gets every problem with its place; the result is None when there are any.
    """
    return _reader(kind)(value, kind.__name__, problems)


def hint_for(name: str, known: Mapping[str, object]) -> str:
    """Return what to do about an unknown name."""
    return did_you_mean(name, known) or _NEWER


# --- writing


class _Part:
    """One field of a kind: its name, its reader, and its default when a line leaves it out."""

    __slots__ = ("default", "is_required", "name", "reader")

    def __init__(self, field: Field[object]) -> None:
        self.name = field.name
        self.default = field.default
        self.is_required = field.default is MISSING and field.default_factory is MISSING
        self.reader = _read_as(field.type)


@cache
def _parts(kind: Hashable) -> tuple[_Part, ...]:
    return tuple(_Part(field) for field in fields(cast("type", kind)))


def _plain(value: object) -> dict[str, object]:
    """Returns a dataclass's fields that differ from their defaults."""
    found: dict[str, object] = {}
    for part in _parts(cast("Hashable", type(value))):
        item = getattr(value, part.name)
        # `True == 1 == 1.0` in Python, and a free JSON value must be read back with its type.
        if item is not part.default and (item != part.default or type(item) is not type(part.default)):
            found[part.name] = _jsonable(item)
    return found


def _jsonable(value: object) -> object:
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value).replace("inf", "Infinity").replace("nan", "NaN")
    if isinstance(value, Mapping):
        return {name: _jsonable(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_jsonable(item) for item in value]
    return _plain(value)


# --- reading

_Read: TypeAlias = Callable[[JsonValue, str, list[str]], object]
"""Converts a JSON value; takes its place for messages and the list to which problems are added."""


def _read_as(hint: object) -> _Read:
    """Returns the reader for a field of this type."""
    if hint == JsonValue:
        return lambda value, _place, _problems: value
    if get_origin(hint) is Mapping:
        return _mapping
    if get_origin(hint) is tuple:
        return _Items(_read_as(get_args(hint)[0]))
    if get_origin(hint) is Literal:
        return _OneOf(get_args(hint))
    if isinstance(hint, UnionType):
        return _OrNone(_read_as(next(item for item in get_args(hint) if item is not type(None))))
    if isinstance(hint, type) and issubclass(hint, Enum):
        return _Word(hint)
    if isinstance(hint, type) and is_dataclass(hint):
        return _reader(hint)
    return _SCALARS[cast("type", hint)]


@cache
def _reader(kind: type) -> "_Fields":
    return _Fields(kind)


class _Fields:
    """Reads an object as a dataclass."""

    def __init__(self, kind: type) -> None:
        self._kind = kind
        self._parts = _parts(kind)
        self._names = {part.name: part for part in self._parts}

    def __call__(self, value: JsonValue, place: str, problems: list[str]) -> object:
        if not isinstance(value, dict):
            return _wrong(value, place, "an object", problems)
        before = len(problems)
        unknown = [name for name in value if name not in self._names]
        problems.extend(f"{place}: unknown field {name!r} ({hint_for(name, self._names)})" for name in unknown)
        found: dict[str, object] = {}
        for part in self._parts:
            if part.name in value:
                found[part.name] = part.reader(value[part.name], f"{place}.{part.name}", problems)
            elif part.is_required:
                problems.append(f"{place}: the field {part.name!r} is missing")
        return None if len(problems) > before else self._kind(**found)


@dataclass(frozen=True, slots=True)
class _Items:
    """Reads a list as a tuple."""

    item: _Read

    def __call__(self, value: JsonValue, place: str, problems: list[str]) -> object:
        if not isinstance(value, list):
            return _wrong(value, place, "a list", problems)
        return tuple(self.item(part, f"{place}[{at}]", problems) for at, part in enumerate(value))


@dataclass(frozen=True, slots=True)
class _OneOf:
    """Reads one of several words."""

    words: tuple[str, ...]

    def __call__(self, value: JsonValue, place: str, problems: list[str]) -> object:
        return value if value in self.words else _wrong(value, place, f"one of {', '.join(self.words)}", problems)


@dataclass(frozen=True, slots=True)
class _Word:
    """Reads a member of an enumeration by its value."""

    kind: type[Enum]

    def __call__(self, value: JsonValue, place: str, problems: list[str]) -> object:
        words = [str(member.value) for member in self.kind]
        return self.kind(value) if value in words else _wrong(value, place, f"one of {', '.join(words)}", problems)


@dataclass(frozen=True, slots=True)
class _OrNone:
    """Reads null, or what the other reader reads."""

    other: _Read

    def __call__(self, value: JsonValue, place: str, problems: list[str]) -> object:
        return None if value is None else self.other(value, place, problems)


def _mapping(value: JsonValue, place: str, problems: list[str]) -> object:
    return value if isinstance(value, dict) else _wrong(value, place, "an object", problems)


def _text(value: JsonValue, place: str, problems: list[str]) -> object:
    return value if isinstance(value, str) else _wrong(value, place, "text", problems)


def _truth(value: JsonValue, place: str, problems: list[str]) -> object:
    return value if isinstance(value, bool) else _wrong(value, place, "true or false", problems)


def _whole(value: JsonValue, place: str, problems: list[str]) -> object:
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    return value if is_whole else _wrong(value, place, "a whole number", problems)


def _number(value: JsonValue, place: str, problems: list[str]) -> object:
    if isinstance(value, str) and value in _NOT_FINITE:
        return _NOT_FINITE[value]
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return value if is_number else _wrong(value, place, "a number", problems)


def _wrong(value: JsonValue, place: str, expected: str, problems: list[str]) -> object:
    problems.append(f"{place}: expected {expected}, got {json.dumps(value)[:_MAX_QUOTE]}")
    return None


_SCALARS: dict[type, _Read] = {str: _text, bool: _truth, int: _whole, float: _number}
