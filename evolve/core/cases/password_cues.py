"""Finds the words for password and for codes that open doors in a text, once for all rules that start from them."""

import re
from collections.abc import Iterator
from typing import Final

from evolve.core.cases.claim_words import CODES, PASSWORDS, SAME
from evolve.core.cases.cued_rules import remembered
from evolve.core.cases.folded_text import fold
from evolve.core.cases.text_lines import lines_of

_CUE: Final = re.compile(
    rf"(?i)(?:(?P<password>{PASSWORDS})|(?P<code>{CODES})|(?P<same>{SAME})|(?P<short>(?<![A-Za-z])(?-i:[Pp]ass)(?=[ \t]{{0,3}}:[ \t]|[ \t](?:wi-?fi|là|is[ \t]|la[ \t]))))"
    r"(?:[_-](?:new|old|value|text|plain))?\d{0,2}"
)


@remembered
def cues_of(text: str) -> tuple[re.Match[str], ...]:
    """Return the matches, from left to right; their places hold for the text itself, their words have no accents.

    The group `same` is what refers to a password named before: `the new one`.
    """
    return tuple(_CUE.finditer(fold(text)))


def lines_with_cues(text: str) -> Iterator[tuple[int, int, list[re.Match[str]]]]:
    """Yield each line that has such words: where it begins and ends, and the words."""
    cues = cues_of(text)
    at = 0
    for start, end in lines_of(text) if cues else ():
        first = at
        while at < len(cues) and cues[at].start() < end:
            at += 1
        if at > first:
            yield start, end, [cue for cue in cues[first:at] if cue.end() <= end]
