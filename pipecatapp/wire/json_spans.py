"""Finds the parts of a JSON object in its text, so that one value is replaced and all other bytes stay as they are."""

import json
import re
from typing import NamedTuple, NoReturn

from evolve.core.model.json_value import JsonValue

_SPACE = re.compile(r"[ \t\n\r]*")


class Span(NamedTuple):
    """One key of an object, with the place of its value in the text."""

    key: str
    start: int
    end: int
    value: JsonValue


class NotAnObject(ValueError):
    """The text is no JSON object; the message says where it stops being one, and quotes nothing of it."""


def spans_of(text: str) -> tuple[Span, ...]:
    """Return the keys of the object that `text` is, in its order; a key may occur twice.

    Raises:
        NotAnObject: it is not one JSON object, or nested too deeply.
    """
    try:
        return _Scanner(text).spans()
    except json.JSONDecodeError as exc:
        raise NotAnObject(f"invalid JSON at character {exc.pos}: {exc.msg}") from None
    except RecursionError:
        raise NotAnObject("invalid JSON: it is nested too deeply") from None
    except ValueError as exc:
        raise NotAnObject(f"invalid JSON: {exc}") from None


def replace_value(text: str, spans: tuple[Span, ...], key: str, value: str) -> str:
    """Return the text with the values of `key` replaced by a string; everything else stays as it is."""
    quoted = json.dumps(value)
    for span in reversed([span for span in spans if span.key == key]):
        text = f"{text[: span.start]}{quoted}{text[span.end :]}"
    return text


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON value")


_DECODER = json.JSONDecoder(parse_constant=_refuse)


class _Scanner:
    """The standard library's decoder does the values, in C; only the outer object is read here."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def spans(self) -> tuple[Span, ...]:
        self._take("{")
        found: list[Span] = []
        while self._next() != "}":
            if found:
                self._take(",")
            found.append(self._span())
        self._take("}")
        if self._next():
            self._fail("expected the end of the text")
        return tuple(found)

    def _span(self) -> Span:
        if self._next() != '"':
            self._fail("expected a key in double quotes")
        key, self._at = _DECODER.raw_decode(self._text, self._at)
        self._take(":")
        self._next()
        start = self._at
        value, self._at = _DECODER.raw_decode(self._text, start)
        return Span(key, start, self._at, value)

    def _next(self) -> str:
        """Skip white space, and return the character there; empty at the end."""
        match = _SPACE.match(self._text, self._at)
        self._at = match.end() if match else self._at
        return self._text[self._at : self._at + 1]

    def _take(self, expected: str) -> None:
        if self._next() != expected:
            self._fail(f"expected {expected!r}")
        self._at += 1

    def _fail(self, message: str) -> NoReturn:
        raise json.JSONDecodeError(message, "", self._at)
