"""Converts an evolution's events to lines of JSON and back, for logs, the archive and the live page.

A line is an object whose `event` names the kind; the other keys are the event's fields, without those that have their
default.
"""

import json
from typing import cast, get_args

from evolve.core.formats.dataclass_json import hint_for, plain_fields, read_fields
from evolve.core.model.errors import InputError, Location, Problem
from evolve.core.model.evolution_events import EvolutionEvent
from evolve.core.model.json_value import JsonValue

KIND = "event"
"""The key that names the kind."""

_KINDS: dict[str, type] = {kind.__name__: kind for kind in get_args(EvolutionEvent)}


def to_line(event: EvolutionEvent) -> str:
    """Return the event as one line of ASCII JSON, without a line end.

    Numbers that JSON cannot express are written as `"NaN"`, `"Infinity"` or `"-Infinity"`; in a field of numbers they
    are read back as numbers, in a free JSON value they stay text.
    """
    return json.dumps({KIND: type(event).__name__, **plain_fields(event)}, separators=(",", ":"), allow_nan=False)


def from_line(text: str, where: Location | None = None) -> EvolutionEvent:
    """Return the event of a line.

    Raises:
        InputError: the line is no event that this version knows; with every problem, at `where`.
    """
    value = _object(text, where)
    kind = value.pop(KIND, None)
    known = _KINDS.get(kind) if isinstance(kind, str) else None
    if known is None:
        raise InputError(Problem(f"{KIND}={kind!r}: unknown event", where, hint_for(str(kind), _KINDS)))
    problems: list[str] = []
    event = read_fields(known, value, problems)
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
