"""Divides a text into lines; a very long line into several, at a blank."""

from collections.abc import Iterator
from typing import Final

LONGEST_LINE: Final = 600
"""Characters that are read as one line: rules look at all words around a name."""


def lines_of(text: str) -> Iterator[tuple[int, int]]:
    """Yield where each line begins and ends, without its line break."""
    at = 0
    for line in text.split("\n"):
        end = at + len(line)
        while end - at > LONGEST_LINE:
            blank = text.rfind(" ", at + LONGEST_LINE // 2, at + LONGEST_LINE)
            cut = blank if blank > 0 else at + LONGEST_LINE
            yield at, cut
            at = cut
        yield at, end
        at = end + 1
