"""Finds the words for password and for codes that open doors in a text, once for all rules that start from them."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from evolve.core.cases.claim_words import CODES, PASSWORDS, SAME
from evolve.core.cases.cued_rules import cued_text, remembered, rule
from evolve.core.cases.folded_text import fold
from evolve.core.cases.text_lines import lines_of

_TAIL: Final = r"(?:[_-](?:new|old|value|text|plain))?\d{0,2}"
_SHORT: Final = r"(?<![A-Za-z])(?-i:[Pp]ass)(?=[ \t]{0,3}:[ \t]|[ \t](?:wi-?fi|là|is[ \t]|la[ \t]))"
_RULES: Final = (
    ("password", rule(rf"(?i){PASSWORDS}{_TAIL}", lines=0)),
    ("short", rule(rf"(?i){_SHORT}", lines=0)),
    ("code", rule(rf"(?i){CODES}{_TAIL}", lines=0)),
    ("same", rule(rf"(?i){SAME}", lines=0)),
)


class PasswordCue(NamedTuple):
    """A word for password in a text."""

    start: int
    end: int
    text: str
    """without accents"""
    kind: str
    """`password`, `code`, `short` for `pass`, or `same` for what refers to a password named before: `the new one`"""


@remembered
def cues_of(text: str) -> tuple[PasswordCue, ...]:
    """Return the words for password from left to right; none overlaps another."""
    folded = cued_text(fold(text))
    found = sorted(PasswordCue(*match.span(), match[0], kind) for kind, one in _RULES for match in folded.matches(one))
    kept: list[PasswordCue] = []
    for cue in found:
        if not kept or cue.start >= kept[-1].end:
            kept.append(cue)
    return tuple(kept)


@remembered
def lines_with_cues(text: str) -> tuple[tuple[int, int, tuple[PasswordCue, ...]], ...]:
    """Return the lines that have such words: where each begins and ends, and the words."""
    return tuple(_lines_with(text, cues_of(text)))


def _lines_with(text: str, cues: tuple[PasswordCue, ...]) -> Iterator[tuple[int, int, tuple[PasswordCue, ...]]]:
    at = 0
    for start, end in lines_of(text) if cues else ():
        first = at
        while at < len(cues) and cues[at].start < end:
            at += 1
        if at > first:
            yield start, end, tuple(cue for cue in cues[first:at] if cue.end <= end)
