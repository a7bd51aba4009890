"""Patterns that are tried only on the lines that contain one of their cues, so that many rules cost little.

The cues of a pattern are texts one of which is in every match, in small letters. They are read from the pattern itself,
so a rule cannot miss what its pattern would find.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from functools import cache, lru_cache
from typing import Any, Final, NamedTuple, cast

try:  # the parser has no public name; without it each rule searches the whole text, which is slower and finds the same
    from re import _constants as _codes  # type: ignore[attr-defined]
    from re import _parser  # type: ignore[attr-defined]
except ImportError:  # pragma: no cover
    _parser = _codes = None

_FAR: Final = 8000
"""Characters on each side of a cue that are read of a long line: more than any pattern matches."""
_SHORTEST: Final = 2
_LONG: Final = 3
"""Characters of a cue that few lines have; more do not help."""
_RARE: Final = frozenset("*>+^~`|$")
_PLAIN_SIGNS: Final = frozenset(" \t\r\n:=,.\"'-()/")
"""A single letter and these signs are on nearly every line."""
_FEW: Final = 6
"""Characters of a set that are tried one by one."""
_MANY: Final = 250
"""Cues of one pattern; to look for more of them takes longer than the pattern."""


class CuedRule(NamedTuple):
    """A pattern that is compiled and read when it is first used: most commands redact nothing."""

    text: str
    flags: int
    lines: int | None
    """line breaks that a match has at most; None if that is not limited"""

    @property
    def pattern(self) -> re.Pattern[str]:
        """Return the compiled pattern."""
        return read(self).pattern


class ReadRule(NamedTuple):
    """A compiled pattern with its cues."""

    pattern: re.Pattern[str]
    cues: frozenset[str]
    """one of them is in every match; empty if that is not known"""
    is_start: bool
    """whether each match begins with a cue"""
    lines: int | None


def rule(text: str, flags: int = 0, *, lines: int | None = None) -> CuedRule:
    """Return the rule of a pattern.

    Args:
        text: the pattern; its groups are the secrets.
        flags: of the pattern.
        lines: how many line breaks a match has at most; None if that is not limited. Without line breaks in the pattern
            it is not needed.
    """
    return CuedRule(text, flags, lines)


@cache
def read(one: CuedRule) -> ReadRule:
    """Return the rule with its cues, which are read from the pattern."""
    pattern = re.compile(one.text, one.flags)
    if _parser is None:  # pragma: no cover
        return ReadRule(pattern, frozenset(), False, None)
    parsed = list(_parser.parse(one.text, one.flags))
    lines = one.lines if _may_break_lines(parsed, bool(pattern.flags & re.DOTALL)) else 0
    heads = _heads(parsed)
    if _are_useful(heads):
        return ReadRule(pattern, heads, True, lines)
    cues = _cues(parsed)
    return ReadRule(pattern, _shortest(cues) if _are_useful(cues) else frozenset(), False, lines)


class CuedText:
    """A text in which the places of each cue are found once for all rules."""

    def __init__(self, text: str) -> None:
        self.text = text
        lower = text.lower()
        # Some capitals have a longer small form; places must stay.
        self._lower = lower if len(lower) == len(text) else "".join(map(_lower_char, text))
        self._starts = [0, *(at + 1 for at in _find_all(text, "\n"))]
        self._places: dict[str, list[int]] = {}
        self._sorted: dict[frozenset[str], list[int]] = {}
        self._found: dict[tuple[frozenset[str], int], list[tuple[int, int]]] = {}

    def matches(self, one: CuedRule) -> Iterator[re.Match[str]]:
        """Yield the matches of the rule, from left to right."""
        yield from self._matches(read(one))

    def _matches(self, one: ReadRule) -> Iterator[re.Match[str]]:
        if not one.cues:
            yield from one.pattern.finditer(self.text)
        elif one.is_start:
            yield from self._starting(one)
        elif one.lines is None:
            if any(map(self._of, one.cues)):
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
            self._sorted[cues] = sorted({place for cue in cues for place in self._of(cue)})
        return self._sorted[cues]

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
            self._places[cue] = list(_find_all(self._lower, cue))
        return self._places[cue]


@lru_cache(maxsize=4)
def cued_text(text: str) -> CuedText:
    """Return the text with its cues; the scanners read the same text one after the other."""
    return CuedText(text)


def matches(text: str, wanted: Iterable[CuedRule]) -> Iterator[re.Match[str]]:
    """Yield the matches of all rules."""
    cued = cued_text(text)
    for one in wanted:
        yield from cued.matches(one)


def _find_all(text: str, cue: str) -> Iterator[int]:
    at = text.find(cue)
    while at >= 0:
        yield at
        at = text.find(cue, at + 1)


def _lower_char(char: str) -> str:
    lower = char.lower()
    return lower if len(lower) == 1 else char


# --- reading a pattern


def _are_useful(cues: frozenset[str]) -> bool:
    """Whether there are some cues, and none of them is on nearly every line."""
    return 0 < len(cues) <= _MANY and not any(map(_is_common, cues))


def _shortest(cues: frozenset[str]) -> frozenset[str]:
    """Returns the cues without those that contain another."""
    return frozenset(cue for cue in cues if not any(other in cue for other in cues if other != cue))


def _is_common(cue: str) -> bool:
    if len(cue) < _SHORTEST:
        return cue not in _RARE
    return len(cue) < _LONG and all(char in _PLAIN_SIGNS for char in cue)


def _cues(parsed: Sequence[tuple[Any, Any]]) -> frozenset[str]:
    """Returns texts one of which is in every match of a sequence; none if there are none."""
    found = [_heads(parsed[at:]) for at in range(len(parsed))]
    found += [_cues(inner) for inner in map(_required, parsed) if inner is not None]
    found += [frozenset().union(*map(_cues, value[1])) for code, value in parsed if _is_covered(code, value)]
    return max(found, key=_quality, default=frozenset())


def _is_covered(code: Any, value: Any) -> bool:
    """Whether each branch of an alternative has cues."""
    return code is _codes.BRANCH and all(map(_cues, value[1]))


def _required(item: tuple[Any, Any]) -> Sequence[tuple[Any, Any]] | None:
    """Returns the sequence inside an item that every match has."""
    code, value = item
    if code is _codes.SUBPATTERN:
        return cast("Sequence[tuple[Any, Any]]", value[3])
    if code in (_codes.MAX_REPEAT, _codes.MIN_REPEAT) and value[0] > 0:
        return cast("Sequence[tuple[Any, Any]]", value[2])
    return None


def _heads(parsed: Sequence[tuple[Any, Any]]) -> frozenset[str]:
    """Returns the texts with one of which every match of a sequence begins; the empty text where that is not known."""
    heads = frozenset([""])
    for code, value in parsed:
        chars = _characters(code, value)
        if chars and len(heads) * len(chars) <= _MANY:
            heads = frozenset(head + char for head in heads for char in chars)
        elif code not in (_codes.AT, _codes.ASSERT, _codes.ASSERT_NOT):
            return frozenset(head + tail for head in heads for tail in _tails(code, value))
    return heads


def _characters(code: Any, value: Any) -> frozenset[str]:
    """Returns the characters that an item matches; none if they are many."""
    if code is _codes.LITERAL:
        return frozenset([_lower_char(chr(value))])
    if code is _codes.IN and len(value) <= _FEW and all(inner is _codes.LITERAL for inner, _ in value):
        return frozenset(_lower_char(chr(char)) for _, char in value)
    return frozenset()


def _tails(code: Any, value: Any) -> frozenset[str]:
    inner = _required((code, value))
    if inner is not None:
        return _heads(inner)
    if code is _codes.BRANCH:
        return frozenset().union(*map(_heads, value[1]))
    return frozenset([""])


def _quality(cues: frozenset[str]) -> tuple[int, int]:
    """Returns how good cues are: a long shortest one, then few of them."""
    if not _are_useful(cues):
        return 0, 0
    return min(_LONG, *map(len, cues)), -len(cues)


_BREAKING: Final = ("CATEGORY_SPACE", "CATEGORY_NOT_WORD", "CATEGORY_NOT_DIGIT")


def _may_break_lines(parsed: Sequence[tuple[Any, Any]], dotall: bool) -> bool:
    return any(_item_breaks(code, value, dotall) for code, value in parsed)


def _item_breaks(code: Any, value: Any, dotall: bool) -> bool:
    if code is _codes.LITERAL:
        return bool(value == ord("\n"))
    if code is _codes.NOT_LITERAL:
        return bool(value != ord("\n"))
    if code is _codes.ANY:
        return dotall
    if code is _codes.IN:
        return _class_breaks(value)
    if code is _codes.SUBPATTERN:
        return _may_break_lines(value[3], dotall)
    if code in (_codes.MAX_REPEAT, _codes.MIN_REPEAT):
        return _may_break_lines(value[2], dotall)
    if code is _codes.BRANCH:
        return any(_may_break_lines(branch, dotall) for branch in value[1])
    if code in (_codes.ASSERT, _codes.ASSERT_NOT):
        return value[0] > 0 and _may_break_lines(value[1], dotall)
    return code not in (_codes.AT, _codes.GROUPREF)


def _class_breaks(items: Sequence[tuple[Any, Any]]) -> bool:
    """Whether a set of characters has the line break in it."""
    is_negated = bool(items) and items[0][0] is _codes.NEGATE
    has_break = any(_is_break(code, value) for code, value in items)
    return has_break != is_negated


def _is_break(code: Any, value: Any) -> bool:
    if code is _codes.LITERAL:
        return bool(value == ord("\n"))
    if code is _codes.RANGE:
        return bool(value[0] <= ord("\n") <= value[1])
    return code is _codes.CATEGORY and str(value) in _BREAKING
