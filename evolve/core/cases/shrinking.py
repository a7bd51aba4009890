"""Makes a failing input small: delta debugging (ddmin, Zeller & Hildebrandt 2002) on its texts, lines before words.

Whoever runs the search asks the agent; this module only says what to ask next. A generator yields smaller vars and is
sent whether they fail the same way; what it returns is the smallest that did.
"""

import re
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from evolve.core.model.json_value import JsonValue

Vars = Mapping[str, JsonValue]
Search = Generator[dict[str, JsonValue], bool, "Shrunk"]
"""Yields vars to try, takes whether they still fail the same way, returns what was found."""

_LINES: Final = re.compile(r"[^\n]*\n|[^\n]+")
_WORDS: Final = re.compile(r"\S+\s*|\s+")
_Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Shrunk:
    """The outcome of a search."""

    vars: dict[str, JsonValue]
    questions: int
    is_minimal: bool
    """Whether no line and no word can be left out by itself; False when the questions ran out before."""


class _OutOfQuestionsError(Exception):
    pass


def shrink(vars: Vars, *, max_questions: int) -> Search:
    """Leaves out lines, then words, of every text in the vars, as long as the failure stays the same.

    Numbers, truth values, single words, keys and the length of lists never change.

    Args:
        vars: they fail; that is not asked again.
        max_questions: so many smaller vars are tried at most.
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
    """Whether a failure is real: it came back `k` times in `n` tries; None while more tries can still change that.

    Args:
        outcomes: of the tries so far, True where it failed the same way; those after the n-th do not count.
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
        """Shrinks each text by itself, until a whole round leaves out nothing more."""
        changed = True
        while changed:
            changed = False
            for path in list(_texts(self.vars, ())):
                before = _at(self.vars, path)
                yield from self._text(path, pattern)
                changed = changed or _at(self.vars, path) != before

    def _text(self, path: _Path, pattern: re.Pattern[str]) -> Generator[dict[str, JsonValue], bool, None]:
        """Ddmin on the parts of one text: first one of n parts, then all but one of them, then more parts."""
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
        """What still fails and in how many pieces to go on; None when every piece is needed."""
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
            self._known.clear()  # other texts were answered beside a longer one
        return _at(self.vars, path) == text


def _divide(parts: Sequence[str], count: int) -> list[list[str]]:
    """The parts in `count` pieces of nearly the same size."""
    bounds = [len(parts) * at // count for at in range(count + 1)]
    return [list(parts[start:end]) for start, end in pairwise(bounds) if end > start]


def _texts(value: JsonValue, path: _Path) -> Iterable[_Path]:
    """Texts of more than one word: single ones are names, ids and states, without which a report is none."""
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
