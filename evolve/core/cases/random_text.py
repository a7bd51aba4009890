"""UUIDs, hashes and other text that no person wrote: ids at best, secrets at worst."""

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from evolve.core.cases.secret_shapes import SecretSpan

_HEX: Final = "[0-9a-fA-F]"
_UUID: Final = re.compile(rf"(?<![0-9A-Za-z]){_HEX}{{8}}(?:-{_HEX}{{4}}){{3}}-{_HEX}{{12}}(?![0-9A-Za-z])")
_HASH: Final = re.compile(rf"(?<![0-9A-Za-z]){_HEX}{{12,}}(?![0-9A-Za-z])")
_TOKEN: Final = re.compile(r"[A-Za-z0-9+/_-]{16,}={0,2}")
_LONGEST_NUMBER: Final = 20
"""Longer runs of digits are ids; shorter ones may be times in nanoseconds or sizes in bytes."""

_SHORTEST: Final = 20
_MAX_PARTS: Final = 100
_CHANGES: Final = 0.3
_CHANGES_OF_CASE: Final = 0.45
"""Share of neighbours of different kinds (small letter, capital, digit). Random base64 has .66, hex .47; words joined
by hyphens or capitals stay below .3."""


def random_parts(text: str) -> Iterator[SecretSpan]:
    """Every UUID, hash and other random-looking word of the text."""
    for match in _UUID.finditer(text):
        yield SecretSpan(*match.span())
    for match in _HASH.finditer(text):
        if not match[0].isalpha() and not _is_number(match[0]):
            yield SecretSpan(*match.span())
    for match in _TOKEN.finditer(text):
        for start, end in _words(match[0]):
            if looks_random(match[0][start:end]):
                yield SecretSpan(match.start() + start, match.start() + end)


def find_encoded_words(text: str) -> Iterator[SecretSpan]:
    """Every word that may be base64 of something."""
    for match in _TOKEN.finditer(text):
        yield SecretSpan(*match.span())


def _is_number(word: str) -> bool:
    """Whether a run of hex digits is a number: a long one, or the start of `9.5367431640625e+25`."""
    return (word.isdigit() and len(word) <= _LONGEST_NUMBER) or re.fullmatch(r"\d+[eE]", word) is not None


def _words(token: str) -> Iterator[SecretSpan]:
    """The token itself; the parts of one that is a path, for there are words in it. Base64 has slashes, too."""
    if not any(len(part) > 2 and part.isalpha() and part.islower() for part in token.split("/")[:_MAX_PARTS]):
        yield SecretSpan(0, len(token))
        return
    at = 0
    for part in token.split("/"):
        yield SecretSpan(at, at + len(part))
        at += len(part) + 1


def looks_random(word: str) -> bool:
    """Whether a word looks as if a machine had drawn its letters."""
    kinds = [_kind(char) for char in word if char.isalnum()]
    if len(kinds) < _SHORTEST or all(kind == "d" for kind in kinds):
        return False
    groups = _pairs(word)
    changes = sum(1 for one, other in groups if _kind(one) != _kind(other)) / max(1, len(groups))
    return changes >= (_CHANGES if "d" in kinds else _CHANGES_OF_CASE)


def _pairs(word: str) -> list[tuple[str, str]]:
    """Neighbours in the word; what a sign parts is none."""
    return [(one, other) for one, other in pairwise(word) if one.isalnum() and other.isalnum()]


def _kind(char: str) -> str:
    if char.isdigit():
        return "d"
    return "u" if char.isupper() else "l"
