"""Converts an evolution's events to lines of JSON and back, for logs, the archive and the live page.

A line is an object whose `event` names the kind; the other keys are the event's fields, without those that have their
default.
"""

import json
import math
from collections.abc import Callable, Hashable, Mapping
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from functools import cache
from types import UnionType
from typing import Literal, TypeAlias, cast, get_args, get_origin

from evolve.core.model.errors import InputError, Location, Problem
from evolve.core.model.evolution_events import EvolutionEvent
from evolve.core.model.json_value import JsonValue
from evolve.core.text.did_you_mean import did_you_mean

KIND = "event"
"""The key that names the kind."""

_KINDS: dict[str, type] = {kind.__name__: kind for kind in get_args(EvolutionEvent)}
_NEWER = "a newer version may have written it: read it with that version"
_MAX_QUOTE = 60
"""Characters of a wrong value in a message, so that one line shows both the place and the value."""

_NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def to_line(event: EvolutionEvent) -> str:
    """Return the event as one line of ASCII JSON, without a line end.

    Numbers that JSON cannot express are written as `"NaN"`, `"Infinity"` or `"-Infinity"`; in a field of numbers they
    are read back as numbers, in a free JSON value they stay text.
    """
    return json.dumps({KIND: type(event).__name__, **_plain(event)}, separators=(",", ":"), allow_nan=False)


def from_line(text: str, where: Location | None = None) -> EvolutionEvent:
    """Return the event of a line.

    Raises:
        InputError: the line is no event that this version knows; with every problem, at `where`.
    """
    value = _object(text, where)
    kind = value.pop(KIND, None)
    known = _KINDS.get(kind) if isinstance(kind, str) else None
    if known is None:
        raise InputError(Problem(f"{KIND}={kind!r}: unknown event", where, _hint(str(kind), _KINDS)))
    problems: list[str] = []
    event = _reader(known)(value, known.__name__, problems)
    if problems:
        raise InputError([Problem(problem, where) for problem in problems])
    return cast("EvolutionEvent", event)


def _object(text: str, where: Location | None) -> dict[str, JsonValue]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(Problem(f"invalid JSON: {error}", where, "expected one event per line")) from error
    if not isinstance(value, dict):
        raise InputError(Problem(f"expected an object with {KIND!r}, got {type(value).__name__}", where))
    return value


def _hint(name: str, known: Mapping[str, object]) -> str:
    return did_you_mean(name, known) or _NEWER


# --- writing


class _Part:
    """One field of a kind: its name, its reader, and its default when a line leaves it out."""

    __slots__ = ("default", "name", "reader")

    def __init__(self, field: Field[object]) -> None:
        self.name = field.name
        self.default = field.default
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
    if isinstance(value, dict):
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
    if get_origin(hint) is tuple:
        return _Items(_read_as(get_args(hint)[0]))
    if get_origin(hint) is Literal:
        return _OneOf(get_args(hint))
    if isinstance(hint, UnionType):
        return _OrNone(_read_as(next(item for item in get_args(hint) if item is not type(None))))
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
        problems.extend(f"{place}: unknown field {name!r} ({_hint(name, self._names)})" for name in unknown)
        found: dict[str, object] = {}
        for part in self._parts:
            if part.name in value:
                found[part.name] = part.reader(value[part.name], f"{place}.{part.name}", problems)
            elif part.default is MISSING:
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
class _OrNone:
    """Reads null, or what the other reader reads."""

    other: _Read

    def __call__(self, value: JsonValue, place: str, problems: list[str]) -> object:
        return None if value is None else self.other(value, place, problems)


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
