"""Finds UUIDs, hashes and other random-looking text, which may be ids or secrets."""

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from evolve.core.cases.secret_shapes import SecretSpan

_HEX: Final = "[0-9a-fA-F]"
_UUID: Final = re.compile(rf"(?<![0-9A-Za-z]){_HEX}{{8}}(?:-{_HEX}{{4}}){{3}}-{_HEX}{{12}}(?![0-9A-Za-z])")
_HASH: Final = re.compile(rf"(?<![0-9A-Za-z]){_HEX}{{12,}}(?![0-9A-Za-z])")
_TOKEN: Final = re.compile(r"[A-Za-z0-9+/_-]{16,}={0,2}")
"""16 characters of base64 hold 12 bytes, and 12 hex digits are a short hash; shorter ones are mostly words."""

_LONGEST_NUMBER: Final = 20
"""Digits. Longer runs are ids; shorter ones may be times in nanoseconds or sizes in bytes (2**64 has 20 digits)."""

_SHORTEST: Final = 20
"""Letters and digits. In a shorter word the share of changes is too coarse to separate random text from names."""

_MAX_PARTS: Final = 100
"""Parts of a path to look at for a word: one decides, and a hostile token may have a million slashes."""

_CHANGES: Final = 0.3
_CHANGES_OF_CASE: Final = 0.45
"""Minimum share of neighbours of different kinds (small letter, capital, digit). Random base64 has .66, hex .47; words
joined by hyphens or capitals stay below .3. Without digits more is required: camelCase changes often."""


def random_parts(text: str) -> Iterator[SecretSpan]:
    """Yield every UUID, hash and other random-looking word of the text."""
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
    """Yield every word that may be base64."""
    for match in _TOKEN.finditer(text):
        yield SecretSpan(*match.span())


def _is_number(word: str) -> bool:
    """Whether a run of hex digits is a number: a long one, or the start of `9.5367431640625e+25`."""
    return (word.isdigit() and len(word) <= _LONGEST_NUMBER) or re.fullmatch(r"\d+[eE]", word) is not None


def _words(token: str) -> Iterator[SecretSpan]:
    """Yields the parts of a token that looks like a path, because one of them is a word; else the token itself.

    Base64 has slashes too, so a slash alone does not make a path.
    """
    # Parts of one or two small letters occur in base64 by chance.
    if not any(len(part) > 2 and part.isalpha() and part.islower() for part in token.split("/")[:_MAX_PARTS]):
        yield SecretSpan(0, len(token))
        return
    at = 0
    for part in token.split("/"):
        yield SecretSpan(at, at + len(part))
        at += len(part) + 1


def looks_random(word: str) -> bool:
    """Return whether a word looks random."""
    kinds = _kinds(word)
    letters = kinds.replace("-", "")
    if len(letters) < _SHORTEST or not letters.strip("d"):
        return False
    # Characters with a sign between them are no neighbours.
    pairs = [one + other for one, other in pairwise(kinds) if one != "-" != other]
    changes = sum(1 for pair in pairs if pair in _CHANGED) / max(1, len(pairs))
    return changes >= (_CHANGES if "d" in letters else _CHANGES_OF_CASE)


def _kinds(word: str) -> str:
    """Returns a letter for each character: d for digits, u for capitals, l for other letters, - for signs."""
    if word.isascii():
        return word.translate(_ASCII_KINDS)
    return "".join(map(_kind, word))


def _kind(char: str) -> str:
    if not char.isalnum():
        return "-"
    if char.isdigit():
        return "d"
    return "u" if char.isupper() else "l"


_ASCII_KINDS: Final = {code: _kind(chr(code)) for code in range(128)}
_CHANGED: Final = frozenset(one + other for one in "dul" for other in "dul" if one != other)
