"""Decides whether a word is an ordinary one of programs and logs.

Near the name of a secret, what is no such word may be the secret.
"""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

from evolve.core.cases.cued_rules import remembered

_ENDINGS: Final = (
    ("s", ""),
    ("es", ""),
    ("ies", "y"),
    ("ed", ""),
    ("ed", "e"),
    ("ing", ""),
    ("ing", "e"),
    ("er", ""),
    ("er", "e"),
    ("ly", ""),
    ("able", ""),
    ("able", "e"),
    ("ness", ""),
)
_STARTS: Final = ("un", "re", "non", "pre", "sub", "multi", "auto", "dis", "mis")
_SHORTEST_STEM: Final = 3
_SHORTEST_WORD: Final = 3
"""Letters; a shorter part of a name is an abbreviation and says nothing."""

_MOST_FORMS: Final = 2
"""Endings and starts of a word: `un-initial-ized`."""

_PART: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[^\W\d_A-Z]+|[^\W\d_]+")


def words_of(text: str) -> frozenset[str]:
    """Return the words of a list that is written as a text."""
    return frozenset(text.split())


def stems(word: str) -> Iterator[str]:
    """Yield the words of which a word in small letters may be a form."""
    for ending, instead in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= _SHORTEST_STEM:
            yield word[: -len(ending)] + instead
    for start in _STARTS:
        if word.startswith(start) and len(word) - len(start) >= _SHORTEST_STEM:
            yield word[len(start) :]


@cache
def ordinary_words() -> frozenset[str]:
    """Return the words of `ordinary_words.txt`."""
    lines = Path(__file__).with_name("ordinary_words.txt").read_text("utf-8").splitlines()
    return frozenset(word for line in lines if not line.startswith("#") for word in line.split())


@remembered
def is_ordinary_word(word: str) -> bool:
    """Return whether a word of letters is a word of programs and logs, or a form of one."""
    return len(word) < _SHORTEST_WORD or _is_known(word.lower(), _MOST_FORMS)


def _is_known(word: str, most: int) -> bool:
    return word in ordinary_words() or (most > 0 and any(_is_known(stem, most - 1) for stem in stems(word)))


def parts_of_name(name: str) -> list[str]:
    """Return the words of a name in code or of any other word: `max_tokens`, `SessionStore`, `open-sesame-5`."""
    return _PART.findall(name)
