"""Makes a failing input small: delta debugging (ddmin, Zeller & Hildebrandt 2002) on its texts, lines before words.

This module only decides what to try next; the caller asks the agent. A generator yields smaller vars, is sent whether
they fail in the same way, and returns the smallest that do.
"""

import re
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from evolve.core.model.json_value import JsonValue

Vars = Mapping[str, JsonValue]
Search = Generator[dict[str, JsonValue], bool, "Shrunk"]
"""Yields vars to try, is sent whether they still fail in the same way, returns what was found."""

_LINES: Final = re.compile(r"[^\n]*\n|[^\n]+")
_WORDS: Final = re.compile(r"\S+\s*|\s+")
_Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Shrunk:
    """The result of a search."""

    vars: dict[str, JsonValue]
    questions: int
    is_minimal: bool
    """Whether no single line or word can be left out; False if the limit of questions was reached first."""


class _OutOfQuestionsError(Exception):
    pass


def shrink(vars: Vars, *, max_questions: int) -> Search:
    """Leave out lines, then words, of every text in the vars, as long as the failure stays the same.

    Numbers, booleans, single words, keys and the length of lists never change.

    Args:
        vars: known to fail; they are not tried again.
        max_questions: how many smaller vars to try at most.
    """
    search = _Search(dict(vars), max_questions)
    is_minimal = True
    try:
        for pattern in (_LINES, _WORDS):
            yield from search.every_text(pattern)
    except _OutOfQuestionsError:
        is_minimal = False
    return Shrunk(search.vars, search.questions, is_minimal)


def reproduces(outcomes: Iterable[bool], k: int, n: int) -> bool | None:
    """Return whether a failure occurred `k` times in `n` tries; None while more tries can still decide it.

    Args:
        outcomes: of the tries so far, True for the same failure; those after the n-th are ignored.
    """
    seen = list(outcomes)[:n]
    failed = sum(seen)
    if failed >= k:
        return True
    return False if failed + n - len(seen) < k else None


class _Search:
    def __init__(self, vars: dict[str, JsonValue], max_questions: int) -> None:
        self.vars, self.questions = vars, 0
        self._max = max_questions
        self._known: dict[tuple[_Path, str], bool] = {}

    def every_text(self, pattern: re.Pattern[str]) -> Generator[dict[str, JsonValue], bool, None]:
        """Shrinks each text by itself, until a whole round removes nothing more."""
        changed = True
        while changed:
            changed = False
            for path in list(_texts(self.vars, ())):
                before = _at(self.vars, path)
                yield from self._text(path, pattern)
                changed = changed or _at(self.vars, path) != before

    def _text(self, path: _Path, pattern: re.Pattern[str]) -> Generator[dict[str, JsonValue], bool, None]:
        """Runs ddmin on one text: tries each of n parts alone, then all but one, then divides into more parts."""
        parts, count = pattern.findall(_at(self.vars, path)), 2
        if parts and (yield from self._fails(path, "")):
            return
        while len(parts) >= 2:
            smaller = yield from self._smaller(path, _divide(parts, count))
            if smaller is not None:
                parts, count = smaller
            elif count >= len(parts):
                return
            else:
                count = min(2 * count, len(parts))

    def _smaller(
        self, path: _Path, pieces: list[list[str]]
    ) -> Generator[dict[str, JsonValue], bool, tuple[list[str], int] | None]:
        """Returns parts that still fail and how many pieces to try next; None when every piece is needed."""
        for piece in pieces:
            if (yield from self._fails(path, "".join(piece))):
                return piece, 2
        for index in range(len(pieces)):
            rest = [part for at, piece in enumerate(pieces) if at != index for part in piece]
            if (yield from self._fails(path, "".join(rest))):
                return rest, max(len(pieces) - 1, 2)
        return None

    def _fails(self, path: _Path, text: str) -> Generator[dict[str, JsonValue], bool, bool]:
        if text == _at(self.vars, path):
            return False  # nothing was left out
        key = (path, text)
        if key not in self._known:
            if self.questions >= self._max:
                raise _OutOfQuestionsError
            self.questions += 1
            candidate = _with(self.vars, path, text)
            self._known[key] = yield candidate
        if self._known[key]:
            self.vars = _with(self.vars, path, text)
            self._known.clear()  # outcomes for other texts were measured with the longer text
        return _at(self.vars, path) == text


def _divide(parts: Sequence[str], count: int) -> list[list[str]]:
    """Returns the parts in `count` pieces of nearly equal size."""
    bounds = [len(parts) * at // count for at in range(count + 1)]
    return [list(parts[start:end]) for start, end in pairwise(bounds) if end > start]


def _texts(value: JsonValue, path: _Path) -> Iterable[_Path]:
    """Yields the paths of texts of more than one word: single words are names, ids and states that a report needs."""
    if isinstance(value, str) and len(value.split()) > 1:
        yield path
    elif isinstance(value, list):
        for index, part in enumerate(value):
            yield from _texts(part, (*path, index))
    elif isinstance(value, dict):
        for key, part in value.items():
            yield from _texts(part, (*path, key))


def _at(value: JsonValue, path: _Path) -> str:
    for step in path:
        value = value[step]  # type: ignore[index]  # the path was found in it
    assert isinstance(value, str)
    return value


def _with(value: JsonValue, path: _Path, text: str) -> dict[str, JsonValue]:
    changed = _replace(value, path, text)
    assert isinstance(changed, dict)
    return changed


def _replace(value: JsonValue, path: _Path, text: str) -> JsonValue:
    if not path:
        return text
    if isinstance(value, list):
        return [_replace(part, path[1:], text) if at == path[0] else part for at, part in enumerate(value)]
    assert isinstance(value, dict)
    return {key: _replace(part, path[1:], text) if key == path[0] else part for key, part in value.items()}
