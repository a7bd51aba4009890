"""Finds words that a person made up as a password, wherever they are: `Bristol-2019`, `Twite_Hill`, `Bl4ckcurrant`.

Such a word has capitals, small letters and a digit or a sign, and one of its words is not of programs and logs. In half a
million words of logs and documentation 23 words of other things have this shape.
"""
# ruff: noqa: E501  (a pattern broken over lines is harder to compare with what it matches)

import re
from collections.abc import Iterator
from typing import Final

from evolve.core.cases.cued_rules import remembered
from evolve.core.cases.oddness import Oddness, oddness
from evolve.core.cases.ordinary_words import is_ordinary_word
from evolve.core.cases.random_text import looks_random
from evolve.core.cases.secret_shapes import SecretSpan

_CANDIDATE: Final = re.compile(
    r"(?<![\w/@.:$=+~#-])(?=[^\s\d]{0,40}\d|[^\s_^&*!#%+~]{1,40}[_^&*!#%+~][A-Z])(?=[^\sA-Z]{0,40}[A-Z])(?=[^\sa-z]{0,40}[a-z])"
    r"[A-Za-z0-9][\w!#$%&*^~+.?-]{5,39}(?![\w/@(:=\[-])"
)
_WORD: Final = re.compile(r"[A-Z]?[a-z]{3,}")
_OTHER: Final = re.compile(r".*(?:[A-Z]{3}|\d[._]\d|[._-]{2}|\.\w+\.)|\d{4}Q\d")
"""Abbreviations, versions, names of modules."""
_MIN_UNLISTED: Final = 4
_MOST_NUMBERS: Final = 2


def find_made_words(text: str) -> Iterator[SecretSpan]:
    """Yield every word that looks made up by a person as a password."""
    for match in _CANDIDATE.finditer(text):
        word = match[0].rstrip(".?")
        if _is_made(word):
            yield SecretSpan(match.start(), match.start() + len(word))


@remembered
def _is_made(word: str) -> bool:
    if looks_random(word) or oddness(word) < Oddness.MADE or _OTHER.match(word):
        return False
    words = _WORD.findall(word)
    unlisted = [one for one in words if len(one) >= _MIN_UNLISTED and not is_ordinary_word(one)]
    if not any(map(str.isdigit, word)):
        return len(unlisted) == len(words) > 1
    return bool(unlisted) and len(re.findall(r"\d+", word)) <= _MOST_NUMBERS
