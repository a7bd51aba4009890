"""Divides a line into words, texts in quotes and signs, in whatever syntax it is."""
# ruff: noqa: E501, RUF001  (signs of many languages; a pattern broken over lines is harder to compare with what it matches)

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from evolve.core.cases.cued_rules import remembered
from evolve.core.cases.secret_cues import Cue, cue_of

_ELEMENT: Final = re.compile(
    r"""\\?"((?:[^"\\\n]|\\.){1,200}?)\\?"|(?<![\w'’])\\?'((?:[^'\\\n]|\\.|'(?=\w)(?<=\w')){1,200}?)\\?'(?![\w'])|`([^`\n]{1,200})`|[«„“”»「『‘] ?([^»”“«」』’\n]{1,200}?) ?[»”“«」』’]|"""
    r"([A-Za-z][\w+.-]{1,15}://[^\s\"'<>]+)|((?:[^\W_]|[-+/_$%@.~#*])(?:[^\s\"`,;()\[\]{}<>|\\=:“”„«»「」『』。，：！？]|:(?!=)(?=[^\s:\"'`,;=/])(?<=\d:)(?=\d)|[,;](?=[A-Z\d]\w*[.!?]?(?:\s|\Z)))*)|"
    r"(:=|=>|->|==?|<-|→|—|–|：|\.{3,}|[^\s\w])"
)
_TAIL: Final = re.compile(r"(?:[.,:;?)'’]|\.\.\.|(?<=\w)[!](?=!))+\Z")
_QUOTES: Final = 4
_MANY_WORDS: Final = 6
"""Words of a text in quotes that is read as a sentence."""


class Element(NamedTuple):
    """A part of a line."""

    start: int
    end: int
    text: str
    kind: str
    """`word`, `quoted` or `sign`"""

    @property
    def is_sign(self) -> bool:
        """Return whether it is neither a word nor a text in quotes."""
        return self.kind == "sign"


@remembered
def elements_of(line: str) -> tuple[Element, ...]:
    """Return the parts of a line; a text in quotes that speaks of a secret itself is divided too."""
    return tuple(_elements(line, 0))


def _elements(text: str, at: int) -> Iterator[Element]:
    for match in _ELEMENT.finditer(text):
        group = match.lastindex or 0
        start, end = match.span(group)
        if group <= _QUOTES:
            yield from _quoted(match[group], start + at)
        elif group == _QUOTES + 3:
            yield Element(start + at, end + at, match[group], "sign")
        else:
            word = _TAIL.sub("", match[group])
            yield Element(start + at, start + at + len(word), word, "word")
            if len(word) < len(match[group]):
                yield Element(start + at + len(word), end + at, match[group][len(word) :], "sign")


def _quoted(inner: str, at: int) -> Iterator[Element]:
    words = inner.split()
    is_sentence = len(words) > 1 and (
        len(words) > _MANY_WORDS or any(cue_of(word.strip(":=,.")) > Cue.WEAK for word in words)
    )
    if is_sentence or (len(words) == 1 and re.search(r"\w[=:]\S", inner) and "://" not in inner):
        yield from _elements(inner, at)
    else:
        yield Element(at, at + len(inner), inner, "quoted")
