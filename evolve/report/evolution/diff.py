"""What changed between two prompts, line by line, with the words that differ marked."""

import re
from collections.abc import Iterable, Iterator, Sequence
from difflib import SequenceMatcher
from typing import Literal, NamedTuple

CONTEXT = 2
"""Unchanged lines around a change: enough to find the place in a prompt."""
ALIKE = 0.4
"""Two lines of at least this similarity are one edited line; below it, one was removed and another added."""

_WORD = re.compile(r"\s+|\w+|[^\w\s]")
"""White space, a word, or one sign: together they give the whole line back."""


class Piece(NamedTuple):
    """Part of a line; `is_changed` where its words are not in the other line."""

    text: str
    is_changed: bool


class Line(NamedTuple):
    """One line of a diff; a `gap` replaces unchanged lines that are left out, and its text says how many."""

    kind: Literal["same", "added", "removed", "gap"]
    pieces: tuple[Piece, ...]

    @property
    def text(self) -> str:
        """Return the whole line."""
        return "".join(piece.text for piece in self.pieces)


def diff(before: str, after: str) -> list[Line]:
    """Return the lines that differ, with a few around them; empty when the texts are equal."""
    old, new = before.splitlines(), after.splitlines()
    groups = SequenceMatcher(None, old, new, autojunk=False).get_grouped_opcodes(CONTEXT)
    lines: list[Line] = []
    seen = 0
    for group in groups:
        lines += _gap(group[0][1] - seen)
        seen = group[-1][2]
        for tag, a, b, c, d in group:
            lines += _same(old[a:b]) if tag == "equal" else _change_lines(old[a:b], new[c:d])
    return lines + (_gap(len(old) - seen) if lines else [])


def counts(lines: Iterable[Line]) -> tuple[int, int]:
    """Return how many lines were added and removed."""
    kinds = [line.kind for line in lines]
    return kinds.count("added"), kinds.count("removed")


def _gap(count: int) -> list[Line]:
    text = f"{count} unchanged line{'' if count == 1 else 's'}"
    return [Line("gap", (Piece(text, False),))] if count > 0 else []


def _same(lines: Iterable[str]) -> list[Line]:
    return [Line("same", (Piece(line, False),)) for line in lines]


def _change_lines(old: Sequence[str], new: Sequence[str]) -> list[Line]:
    """Removed lines, then added ones; a removed and an added line at the same place are compared word by word."""
    partners = dict(_pair_edits(old, new))
    removed = [_mark("removed", line, partners[at][0]) if at in partners else _whole("removed", line)
               for at, line in enumerate(old)]  # fmt: skip
    added = [_mark("added", line, partners[at][1]) if at in partners else _whole("added", line)
             for at, line in enumerate(new)]  # fmt: skip
    return removed + added


def _pair_edits(old: Sequence[str], new: Sequence[str]) -> Iterator[tuple[int, tuple[str, str]]]:
    """Pairs of similar lines at the same place in a block."""
    for at, (left, right) in enumerate(zip(old, new, strict=False)):
        if SequenceMatcher(None, left, right, autojunk=False).ratio() >= ALIKE:
            yield at, (right, left)


def _whole(kind: Literal["added", "removed"], line: str) -> Line:
    return Line(kind, (Piece(line, False),))


def _mark(kind: Literal["added", "removed"], line: str, other: str) -> Line:
    """The line, with the words marked that are not in the other line."""
    words = _WORD.findall(line)
    blocks = SequenceMatcher(None, words, _WORD.findall(other), autojunk=False).get_matching_blocks()
    pieces, seen = [], 0
    for start, _, size in blocks:
        if start > seen:
            pieces.append(Piece("".join(words[seen:start]), True))
        if size:
            pieces.append(Piece("".join(words[start : start + size]), False))
        seen = start + size
    return Line(kind, tuple(pieces) or (Piece("", False),))
