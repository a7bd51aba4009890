"""Reads from a regular expression which texts must be in whatever it matches."""

import re
from collections.abc import Sequence
from typing import Any, Final, NamedTuple, cast

try:  # the parser has no public name; without it each rule searches the whole text, which is slower and finds the same
    from re import _constants as _codes  # type: ignore[attr-defined]
    from re import _parser  # type: ignore[attr-defined]
except ImportError:  # pragma: no cover
    _parser = _codes = None

_SHORTEST: Final = 2
_LONG: Final = 3
"""Characters of a cue that few lines have; more do not help."""
_RARE: Final = frozenset("*>+^~`|$\x00\u2400")
_PLAIN_SIGNS: Final = frozenset(" \t\r\n:=,.\"'-()/")
"""A single letter and these signs are on nearly every line."""
_FEW: Final = 6
"""Characters of a set that are tried one by one."""
_MANY: Final = 250
"""Cues of one pattern; to look for more of them takes longer than the pattern."""


class PatternCues(NamedTuple):
    """What is known about the matches of a pattern."""

    texts: frozenset[str]
    """in small letters; one of them is in every match; empty if that is not known"""
    is_start: bool
    """whether each match begins with one of the texts"""
    may_break_lines: bool
    """whether a match may include a line break"""


def read_cues(pattern: str, flags: int) -> PatternCues:
    """Return what is known about the matches of a pattern."""
    if _parser is None:  # pragma: no cover
        return PatternCues(frozenset(), False, True)
    tree = _parser.parse(pattern, flags)
    parsed = list(tree)
    # Of the tree, because a pattern may set flags itself.
    breaks = _may_break_lines(parsed, bool(tree.state.flags & re.DOTALL))
    heads = _heads(parsed)
    if _are_useful(heads):
        return PatternCues(heads, True, breaks)
    cues = _cues(parsed)
    return PatternCues(_shortest(cues) if _are_useful(cues) else frozenset(), False, breaks)


def lower_char(char: str) -> str:
    """Return the small form of a character if it is one character, else the character itself."""
    lower = char.lower()
    return lower if len(lower) == 1 else char


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
    branches = [list(map(_cues, value[1])) for code, value in parsed if code is _codes.BRANCH]
    found += [frozenset().union(*each) for each in branches if all(each)]
    return max(found, key=_quality, default=frozenset())


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
        return frozenset([lower_char(chr(value))])
    if code is _codes.IN and len(value) <= _FEW and all(inner is _codes.LITERAL for inner, _ in value):
        return frozenset(lower_char(chr(char)) for _, char in value)
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
