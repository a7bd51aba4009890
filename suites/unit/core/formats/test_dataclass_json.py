"""Dataclasses as JSON: what is written is read back, and what does not fit is reported with its place."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import pytest

from evolve.core.formats.dataclass_json import plain_fields, read_fields
from evolve.core.model.json_value import JsonValue


class Colour(StrEnum):
    RED = "red"
    DARK_BLUE = "dark blue"


@dataclass(frozen=True, slots=True)
class Inner:
    name: str
    share: float = 0.0


@dataclass(frozen=True, slots=True)
class Outer:
    colour: Colour
    more: Mapping[str, JsonValue] = field(default_factory=dict)
    inner: Inner | None = None
    parts: tuple[Inner, ...] = ()
    count: int = 0


def read(value: object) -> tuple[object, list[str]]:
    problems: list[str] = []
    return read_fields(Outer, json.loads(json.dumps(value)), problems), problems


@pytest.mark.parametrize(
    "given",
    [
        Outer(Colour.RED),
        Outer(Colour.DARK_BLUE, {"a": [1, 2.5, None, {"b": True}]}, Inner("x", 0.5), (Inner("y"), Inner("z")), 3),
        Outer(Colour.RED, inner=Inner("x", math.inf)),
    ],
)
def test_what_is_written_is_read_back(given: Outer):
    assert read(plain_fields(given)) == (given, [])


def test_defaults_are_left_out():
    assert plain_fields(Outer(Colour.RED, parts=(Inner("x"),))) == {
        "colour": "red",
        "more": {},
        "parts": [{"name": "x"}],
    }


def test_every_problem_has_its_place():
    found, problems = read({"colour": "blue", "more": [], "parts": [{"share": "x"}], "count": 1.5, "cuont": 1})
    assert found is None
    assert problems == [
        "Outer: unknown field 'cuont' (did you mean 'count'?)",
        'Outer.colour: expected one of red, dark blue, got "blue"',
        "Outer.more: expected an object, got []",
        "Outer.parts[0]: the field 'name' is missing",
        'Outer.parts[0].share: expected a number, got "x"',
        "Outer.count: expected a whole number, got 1.5",
    ]
