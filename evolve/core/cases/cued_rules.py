"""Patterns that are tried only on the lines that contain one of their cues, so that many rules cost little.

The cues of a pattern are texts one of which is in every match, in small letters. They are read from the pattern itself,
so a rule cannot miss what its pattern would find.
"""

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from functools import cache, lru_cache
from typing import Final, NamedTuple, ParamSpec, TypeVar, cast

from evolve.core.cases.pattern_cues import lower_char, read_cues

_FAR: Final = 8000
"""Characters on each side of a cue that are read of a long line: more than any pattern matches."""

_MOST_ANSWERS: Final = 10_000
"""Answers that each cache holds while one value is redacted."""


class CuedRule(NamedTuple):
    """A pattern that is read when it is first used, and compiled when a text has one of its cues.

    Most commands redact nothing, and to compile all patterns takes a quarter of a second.
    """

    text: str
    flags: int
    lines: int | None
    """line breaks that a match has at most; None if that is not limited"""

    @property
    def pattern(self) -> re.Pattern[str]:
        """Return the compiled pattern."""
        return _compiled(self.text, self.flags)


class ReadRule(NamedTuple):
    """A rule with the cues of its pattern."""

    rule: CuedRule
    cues: frozenset[str]
    """one of them is in every match; empty if that is not known"""
    is_start: bool
    """whether each match begins with a cue"""
    lines: int | None

    @property
    def pattern(self) -> re.Pattern[str]:
        """Return the compiled pattern."""
        return self.rule.pattern


def rule(text: str, flags: int = 0, *, lines: int | None = None) -> CuedRule:
    """Return the rule of a pattern.

    Args:
        text: the pattern; its groups are the secrets.
        flags: of the pattern.
        lines: how many line breaks a match has at most; None if that is not limited. Without line breaks in the pattern
            it is not needed.
    """
    return CuedRule(text, flags, lines)


_ALL_CUES: Final[list[str]] = []
"""The cues of all rules that were read, in that order. It only grows at its end, so threads may read it meanwhile."""


@cache
def read(one: CuedRule) -> ReadRule:
    """Return the rule with its cues, which are read from the pattern."""
    cues = read_cues(one.text, one.flags)
    _ALL_CUES.extend(cues.texts)
    return ReadRule(one, cues.texts, cues.is_start, one.lines if cues.may_break_lines else 0)


@cache
def _compiled(text: str, flags: int) -> re.Pattern[str]:
    return re.compile(text, flags)


class CuedText:
    """A text in which the places of each cue are found once for all rules."""

    def __init__(self, text: str) -> None:
        self.text = text
        lower = text.lower()
        # Some capitals have a longer small form; places must stay.
        self._lower = lower if len(lower) == len(text) else "".join(map(lower_char, text))
        self._starts = [0, *(at + 1 for at in _all_of(text, "\n"))]
        self._present: set[str] = set()
        self._looked_for = 0
        self._places: dict[str, list[int]] = {}
        self._sorted: dict[frozenset[str], list[int]] = {}
        self._found: dict[tuple[frozenset[str], int], list[tuple[int, int]]] = {}

    def matches(self, one: CuedRule) -> Iterator[re.Match[str]]:
        """Return the matches of the rule, from left to right."""
        found = read(one)
        # First of all, because a text has a cue of few rules: the rest of the search is for these alone.
        if found.cues and found.cues.isdisjoint(self._cues_here()):
            return iter(())
        return self._matches(found)

    def _matches(self, one: ReadRule) -> Iterator[re.Match[str]]:
        if one.cues and one.is_start:
            yield from self._starting(one)
        elif not one.cues or one.lines is None:
            yield from one.pattern.finditer(self.text)
        else:
            for start, end in self._windows(one.cues, one.lines):
                yield from one.pattern.finditer(self.text, start, end)

    def _starting(self, one: ReadRule) -> Iterator[re.Match[str]]:
        end = 0
        for place in self._places_of(one.cues):
            match = one.pattern.match(self.text, place) if place >= end else None
            if match:
                yield match
                end = max(match.end(), place + 1)

    def _places_of(self, cues: frozenset[str]) -> list[int]:
        if cues not in self._sorted:
            self._sorted[cues] = sorted({place for cue in cues & self._cues_here() for place in self._of(cue)})
        return self._sorted[cues]

    def _cues_here(self) -> set[str]:
        """Returns the cues, of all rules that were read, that are in the text."""
        looked_for = self._looked_for
        if looked_for < len(_ALL_CUES):
            new = _ALL_CUES[looked_for:]
            self._present.update(cue for cue in new if cue in self._lower)
            # Not added to what it is by now: another thread that looked for the same cues has counted them.
            self._looked_for = looked_for + len(new)
        return self._present

    def _windows(self, cues: frozenset[str], lines: int) -> list[tuple[int, int]]:
        """Returns the lines of the cues, with more lines on both sides, merged where they overlap."""
        if (cues, lines) not in self._found:
            self._found[cues, lines] = list(self._merged(self._places_of(cues), lines))
        return self._found[cues, lines]

    def _merged(self, places: Iterable[int], lines: int) -> Iterator[tuple[int, int]]:
        start = end = -1
        for place in places:
            first, last = self._lines(place, lines)
            if first > end:
                if end >= 0:
                    yield start, end
                start = first
            end = max(end, last)
        if end >= 0:
            yield start, end

    def _lines(self, place: int, more: int) -> tuple[int, int]:
        at = bisect_right(self._starts, place)
        start = self._starts[max(0, at - 1 - more)]
        end = self._starts[at + more] - 1 if at + more < len(self._starts) else len(self.text)
        return max(start, place - _FAR), min(end, place + _FAR)

    def _of(self, cue: str) -> list[int]:
        if cue not in self._places:
            self._places[cue] = _all_of(self._lower, cue)
        return self._places[cue]


_Answer = TypeVar("_Answer")
_Arguments = ParamSpec("_Arguments")
_CACHES: Final[list[Callable[[], None]]] = []


def remembered(ask: Callable[_Arguments, _Answer]) -> Callable[_Arguments, _Answer]:
    """Return the function with a cache: logs repeat their words and lines. `forget_texts` empties it."""
    cached = lru_cache(maxsize=_MOST_ANSWERS)(ask)
    _CACHES.append(cached.cache_clear)
    return cast("Callable[_Arguments, _Answer]", cached)


def forget_texts() -> None:
    """Empty all caches: they hold words of the texts, and some of these are secrets."""
    cued_text.cache_clear()
    for clear in _CACHES:
        clear()


def lines_from(text: str, at: int, most: int) -> Iterator[tuple[int, int]]:
    """Yield where the lines from a place on begin and end, without their line breaks; not more than `most`."""
    for _ in range(most):
        end = text.find("\n", at)
        if end < 0:
            yield at, len(text)
            return
        yield at, end
        at = end + 1


@lru_cache(maxsize=4)
def cued_text(text: str) -> CuedText:
    """Return the text with its cues; the scanners read the same text one after the other."""
    return CuedText(text)


def matches(text: str, wanted: Iterable[CuedRule]) -> Iterator[re.Match[str]]:
    """Yield the matches of all rules."""
    cued = cued_text(text)
    for one in wanted:
        yield from cued.matches(one)


def _all_of(text: str, cue: str) -> list[int]:
    """Returns every place of a cue, also of copies that overlap."""
    found = []
    at = text.find(cue)
    while at >= 0:
        found.append(at)
        at = text.find(cue, at + 1)
    return found
