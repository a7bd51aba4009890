"""Extends a secret of letters over the words after it: of a passphrase often only the oddest word is found."""

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from typing import Final

from evolve.core.cases.element_places import COPULAS, NAMES_FOLLOW
from evolve.core.cases.oddness import oddness
from evolve.core.cases.password_cues import cues_of
from evolve.core.cases.said_of_secrets import states_something
from evolve.core.cases.secret_shapes import FILL, SecretSpan

_NEXT: Final = re.compile(r" ([^\W\d_]{2,30}|\d{1,6}(?=[ \t]*(?:\n|\Z)))(?![\w=:@/(\[.-])")
_LETTERS: Final = re.compile(r"[^\W\d_]{2,30}(?: [^\W\d_]{1,30}){0,6}")
_MOST: Final = 5
_NEAR: Final = 160


def grow_secrets(text: str, spans: Iterable[SecretSpan]) -> Iterator[SecretSpan]:
    """Yield each secret, and with it the unlisted words right after it if a word for password is near."""
    ends = [cue.end for cue in cues_of(text)]
    for span in spans:
        end = span.end
        if _LETTERS.fullmatch(text, *span) and _is_named(text, span.start, ends):
            for _ in range(_MOST):
                word = _NEXT.match(text, end)
                if word is None or not _belongs(word[1]):
                    break
                end = word.end()
        yield SecretSpan(span.start, end)


def _belongs(word: str) -> bool:
    lower = word.lower()
    if word.isdigit() or lower in COPULAS or lower in NAMES_FOLLOW or FILL in word:
        return word.isdigit()
    return oddness(word) > 0 and not states_something(word)


def _is_named(text: str, at: int, ends: list[int]) -> bool:
    """Whether a word for password is before the place, on its line."""
    return bisect_left(ends, at + 1) > bisect_left(ends, max(0, text.rfind("\n", 0, at) + 1, at - _NEAR))
