"""Reads the fields of a JSON answer with their types. `null` and a missing key stand for empty: both APIs mean that."""

from collections.abc import Mapping
from typing import TypeAlias

from evolve.core.model.json_value import JsonValue

JsonObject: TypeAlias = Mapping[str, JsonValue]


class WrongShape(ValueError):
    """An answer's field has another type than the API gives it."""


class Fields:
    """One JSON object, read by name and type."""

    __slots__ = ("_data",)

    def __init__(self, value: JsonValue) -> None:
        if not isinstance(value, dict):
            raise WrongShape(f"an object is expected, not {type(value).__name__}")
        self._data = value

    def __repr__(self) -> str:
        return f"Fields({', '.join(sorted(self._data))})"

    @property
    def raw(self) -> JsonObject:
        """The object as it came."""
        return self._data

    def has(self, name: str) -> bool:
        """Return whether the field is there and not null."""
        return self._data.get(name) is not None

    def text(self, name: str) -> str:
        """Return a text; empty where it is missing."""
        value = self._data.get(name)
        if value is not None and not isinstance(value, str):
            raise _wrong(name, "a text", value)
        return value or ""

    def key(self, name: str) -> str:
        """Return a text that must be there, such as an ID."""
        value = self.text(name)
        if not value:
            raise WrongShape(f"{name} is missing")
        return value

    def number(self, name: str) -> int:
        """Return an integer; 0 where it is missing."""
        value = self._data.get(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
            raise _wrong(name, "an integer", value)
        return value or 0

    def flag(self, name: str) -> bool:
        """Return a truth value; False where it is missing."""
        value = self._data.get(name)
        if value is not None and not isinstance(value, bool):
            raise _wrong(name, "true or false", value)
        return bool(value)

    def choice(self, name: str) -> bool | None:
        """Return a truth value, or None where it is not decided yet."""
        return self.flag(name) if self.has(name) else None

    def fields(self, name: str) -> "Fields":
        """Return an object; an empty one where it is missing."""
        value = self._data.get(name)
        return Fields({} if value is None else value)

    def many(self, name: str) -> tuple["Fields", ...]:
        """Return a list of objects."""
        return many(self._data.get(name))

    def texts(self, name: str) -> tuple[str, ...]:
        """Return a list of texts."""
        return texts(self._data.get(name))

    def named(self, name: str) -> dict[str, "Fields"]:
        """Return the objects of a map by their keys."""
        return {key: Fields(value) for key, value in self.fields(name).raw.items()}

    def text_map(self, name: str) -> dict[str, str]:
        """Return a map of texts."""
        found = self.fields(name)
        return {key: found.text(key) for key in found.raw}

    def counts(self, name: str) -> dict[str, int]:
        """Return a map of integers."""
        found = self.fields(name)
        return {key: found.number(key) for key in found.raw}


def many(value: JsonValue) -> tuple[Fields, ...]:
    """Return the objects of a list; none for null."""
    if value is not None and not isinstance(value, list):
        raise WrongShape(f"a list is expected, not {type(value).__name__}")
    return tuple(Fields(one) for one in value or ())


def texts(value: JsonValue) -> tuple[str, ...]:
    """Return the texts of a list; none for null."""
    if value is not None and (not isinstance(value, list) or not all(isinstance(one, str) for one in value)):
        raise WrongShape("a list of texts is expected")
    return tuple(str(one) for one in value or ())


def _wrong(name: str, wanted: str, value: JsonValue) -> WrongShape:
    # The value itself stays out: it may be a secret.
    return WrongShape(f"{name}: {wanted} is expected, not {type(value).__name__}")
