"""The inputs of filters, tests and functions in templates, and limits on what they make."""

from collections.abc import Callable
from typing import Final, TypeAlias

from evolve.core.javascript.values import (
    UNDEFINED,
    Value,
    type_name,
    units,
)
from evolve.core.model.errors import CannotEvaluate

Filter: TypeAlias = Callable[..., Value]

MAX_TEXT: Final = 8_000_000
"""Characters that a template may make, in one value or in total. No prompt comes near; it stops runaway templates."""
MAX_ITEMS: Final = 100_000
"""Items of a list that a template may make; `range(1e9)` would fill the memory."""


def check_size(size: float, limit: int = MAX_TEXT) -> None:
    """Raise CannotEvaluate when a template is about to make more than `limit` characters or items."""
    if size > limit:
        raise CannotEvaluate(f"makes more than {limit:,} {'characters' if limit == MAX_TEXT else 'items'}")


def text_of(value: Value, name: str) -> str:
    """Return the input of a text filter: null, undefined and false are empty, other types are an error."""
    if isinstance(value, str):
        return value
    if value is None or value is UNDEFINED or value is False:
        return ""
    raise CannotEvaluate(f"filter `{name}` needs text, not {a_kind(value)}")


def strict_text(value: Value, name: str) -> str:
    """Return the input of a filter that takes text only."""
    if isinstance(value, str):
        return value
    raise CannotEvaluate(f"filter `{name}` needs text, not {a_kind(value)}")


def a_kind(value: Value) -> str:
    """Return the type with its article, for messages."""
    kind = type_name(value)
    return kind if kind in ("null", "undefined") else f"an {kind}" if kind[0] in "aou" else f"a {kind}"


def items_of(value: Value, name: str) -> list[Value]:
    """Return the input of a list filter: text is the list of its UTF-16 units, what has no length is empty."""
    if isinstance(value, list):
        return value
    there = present(value, name)
    return list(units(there)) if isinstance(there, str) else []


def present(value: Value, name: str) -> Value:
    """Return the input of a filter that null and undefined break."""
    if value is None or value is UNDEFINED:
        raise CannotEvaluate(f"filter `{name}` needs a list, not {a_kind(value)}")
    return value


def suggestion(name: str, known: list[str]) -> str:
    """Return `; did you mean ...?` for a name that is nearly known, else empty text."""
    from difflib import get_close_matches

    close = get_close_matches(name, known, n=1)
    return f"; did you mean `{close[0]}`?" if close else ""
