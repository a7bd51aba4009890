"""Filter expressions of lists: `Status == "dead" and ID matches "^web"`."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from .shapes import Json

Test = Callable[[Json], bool]
TOKEN = re.compile(r'\s*("(?:[^"\\]|\\.)*"|`[^`]*`|==|!=|\(|\)|[^\s()=!"`]+|.)')


class BadFilter(Exception):
    """The expression cannot be read, or names a field that records do not have."""


def matcher(text: str) -> Test:
    """The test that an expression describes; an empty one lets everything through. Raises BadFilter."""
    if not text.strip():
        return lambda _: True
    parser = _Parser(text)
    test = parser.any_of()
    if parser.tokens:
        raise parser.unexpected()
    return test


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = TOKEN.findall(text.strip())

    def unexpected(self) -> BadFilter:
        at = len(self.text) - sum(map(len, self.tokens)) + 1
        expected = 'no match found, expected: "!=", "==", "contains", "in", "is", "matches" or a value'
        return BadFilter(f"failed to create result paginator: failed to read filter expression: 1:{at}: {expected}")

    def _take(self) -> str:
        if not self.tokens:
            raise self.unexpected()
        return str(self.tokens.pop(0))

    def _takes(self, *words: str) -> bool:
        if self.tokens[: len(words)] == list(words):
            del self.tokens[: len(words)]
            return True
        return False

    def any_of(self) -> Test:
        first = self._all_of()
        if self._takes("or"):
            second = self.any_of()
            return lambda one: first(one) or second(one)
        return first

    def _all_of(self) -> Test:
        first = self._one()
        if self._takes("and"):
            second = self._all_of()
            return lambda one: first(one) and second(one)
        return first

    def _one(self) -> Test:
        if self._takes("not"):
            inner = self._one()
            return lambda one: not inner(one)
        if self._takes("("):
            inner = self.any_of()
            if not self._takes(")"):
                raise self.unexpected()
            return inner
        return self._comparison()

    def _comparison(self) -> Test:
        left = self._take()
        if self._takes("is", "not", "empty"):
            return lambda one: bool(field_of(one, left))
        if self._takes("is", "empty"):
            return lambda one: not field_of(one, left)
        is_negated = self._takes("not")
        operator = self._take()
        if operator == "in":
            name, value = _plain(self._take()), _plain(left)
            test: Test = lambda one: value in (field_of(one, name) or ())  # noqa: E731
        else:
            test = _comparison(operator, left, _plain(self._take()), self)
        return (lambda one: not test(one)) if is_negated else test


def _comparison(operator: str, name: str, value: str, parser: _Parser) -> Test:
    tests: dict[str, Test] = {
        "==": lambda one: _word(field_of(one, name)) == value,
        "!=": lambda one: _word(field_of(one, name)) != value,
        "matches": lambda one: re.search(value, _word(field_of(one, name))) is not None,
        "contains": lambda one: value in (field_of(one, name) or ()),
    }
    if operator not in tests:
        raise parser.unexpected()
    return tests[operator]


def _plain(token: str) -> str:
    return token[1:-1] if token[:1] in ('"', "`") else token


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else "" if value is None else str(value)


def field_of(record: Json, path: str) -> Any:
    """The value of `Meta.key` or `Status`; raises BadFilter where the first part is no field."""
    first, *rest = path.split(".")
    if first not in record:
        why = f'couldn\'t find key: struct field with name "{first}"'
        raise BadFilter(f"failed to read result page: error finding value in datum: /{first} at part 0: {why}")
    found: Any = record[first]
    for part in rest:
        found = (found or {}).get(part) if isinstance(found, dict) or found is None else None
    return found
