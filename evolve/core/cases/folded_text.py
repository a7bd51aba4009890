"""Reads letters without their accents, so that `contraseña` and `contrasena` are one word; places do not move."""

# ruff: noqa: RUF001  (letters of many alphabets)

import re
import unicodedata
from typing import Final

_OTHERS: Final = {"ł": "l", "Ł": "L", "ø": "o", "Ø": "O", "đ": "d", "Đ": "D", "ı": "i", "ß": "s", "æ": "a", "œ": "o"}
_BLOCKS: Final = ((0xC0, 0x250), (0x386, 0x3CF), (0x400, 0x460), (0x1E00, 0x2000))
"""Latin, Greek, Cyrillic, Vietnamese."""
_KEPT: Final = "йЙ"
"""A letter of its own, not an accent."""


def _base(char: str) -> str:
    base = unicodedata.normalize("NFKD", char)[0]
    return base if base.isalpha() and char not in _KEPT else char


_TABLE: Final = {
    **{code: _base(chr(code)) for start, end in _BLOCKS for code in range(start, end) if chr(code).isalpha()},
    **{ord(char): base for char, base in _OTHERS.items()},
}


def fold(text: str) -> str:
    """Return the text without accents; it has as many characters."""
    return text if text.isascii() else text.translate(_TABLE)


def folded_pattern(pattern: str) -> str:
    """Return a pattern of words for folded texts; a blank in it is also `_`, `-` or nothing."""
    return re.sub(r"(?<![\[\\]) (?![*+?])", "[ _-]?", fold(pattern))
