"""Rules that are tried only on the lines that contain one of their cues, so that many rules cost little."""

import re
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

_ASCII_LOWER: Final = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")
_FAR: Final = 400
"""Characters on each side of a cue that belong to its line: a log of one long line must not be one context."""


class CuedRule(NamedTuple):
    """A pattern whose groups are secrets, and the small-letter words one of which is in every match."""

    cues: tuple[str, ...]
    pattern: re.Pattern[str]
    lines: int = 0
    """lines after that of the cue that a match may include"""


def rule(cues: str, pattern: str, lines: int = 0) -> CuedRule:
    """Return the rule for cues that blanks separate; `~` in a cue is a blank."""
    words = tuple(cue.replace("~", " ") for cue in cues.split())
    return CuedRule(words, re.compile(pattern), lines)


class CuedText:
    """A text in which the lines of a cue are found once for all rules."""

    def __init__(self, text: str) -> None:
        self.text = text
        lower = text.lower()
        # Some capitals have a longer small form; places must stay.
        self._lower = lower if len(lower) == len(text) else text.translate(_ASCII_LOWER)
        self._places: dict[str, list[int]] = {}

    def matches(self, one: CuedRule) -> Iterator[re.Match[str]]:
        """Yield the matches of the rule, from left to right."""
        for start, end in self._windows(one):
            yield from one.pattern.finditer(self.text, start, end)

    def _windows(self, one: CuedRule) -> Iterator[tuple[int, int]]:
        last: tuple[int, int] | None = None
        for place in sorted(place for cue in one.cues for place in self._of(cue)):
            if last and place < last[1] and one.lines == 0 and last[1] - place < _FAR:
                continue
            start, end = self._line(place, one.lines)
            if last and start <= last[1]:
                last = (last[0], max(last[1], end))
                continue
            if last:
                yield last
            last = (start, end)
        if last:
            yield last

    def _line(self, place: int, lines: int) -> tuple[int, int]:
        low = max(0, place - _FAR)
        start = self.text.rfind("\n", low, place) + 1 or low
        end = place
        for _ in range(lines + 1):
            found = self.text.find("\n", end, end + _FAR)
            end = found + 1 if found >= 0 else min(len(self.text), end + _FAR)
        return start, end

    def _of(self, cue: str) -> list[int]:
        if cue not in self._places:
            self._places[cue] = list(_find_all(self._lower, cue))
        return self._places[cue]


def _find_all(text: str, cue: str) -> Iterable[int]:
    at = text.find(cue)
    while at >= 0:
        yield at
        at = text.find(cue, at + len(cue))
