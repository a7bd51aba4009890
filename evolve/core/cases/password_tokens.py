"""Finds words with the shape of a password anywhere: `Zx9!kLm2`, `gr33nhouse`, `1q2w3e4r`, `v9Kq2mXtB7sLw4`.

Each shape is one that the ids and names of programs do not have; what two of them share (`gpu-node-07` and
`blue-falcon-77`) is hidden by the words around it only, see `presented_tokens` and `conversations`.
"""

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from evolve.core.cases.cued_rules import remembered
from evolve.core.cases.oddness import Oddness, oddness
from evolve.core.cases.ordinary_words import is_ordinary_word
from evolve.core.cases.secret_shapes import FILL, SecretSpan

_TOKEN: Final = re.compile(
    r"(?<![\w/@.:$=+~#%&?{\[(<>\\^*!|-])(?=[^\s\d]{0,40}\d)[A-Za-z0-9!@#$][^\s\"'`,()\[\]{}<>|\\/:=\ue000]{6,39}(?![\w/(:=\[{])"
)
_JAVA: Final = re.compile(r"(?:[A-Z][a-z]+\d*)+(?:\$(?:[A-Z][a-z]+\d*)+)+")
_END: Final = ".?!,;"
_SIGN: Final = re.compile(r"[A-Za-z0-9][!@#$%&*^][A-Za-z0-9]|\w{6}[!$*]\Z")
_ADDRESS: Final = re.compile(r"[\w.+-]+@[\w.-]+\.[a-z]+|.*%[0-9A-F]{2}|.*@\d")
_LETTERS: Final = re.compile(r"[A-Za-z]{3}")
_FROM_LEET: Final = str.maketrans("013457@$", "oieastas")
_LEET_WORD: Final = re.compile(r"[A-Za-z0-9@$]+")
_LEET_DIGIT: Final = re.compile(r"(?<=[A-Za-z])[013457@$]{1,2}(?=[A-Za-z])|^[05](?=[a-z]{3})")
_MOST_LEET: Final = 0.5
_MIN_WORD: Final = 6
_NO_LEET: Final = re.compile(
    r"(?i)(?:[\da-f]+(?:-[\da-f]+)*\Z|x\d|(?:en[opsx]|wl[psx]|eth|wwp)\d|log4|s3|k3s|mp[34]|h5|p2p|web3|x5|x86|utf|sha|md5|ip[46]|ipv|ec2|int\d|uint|float|base|l[34]|i18|http|lib|py|v\d)"
)
_WALKS: Final = (
    "qwer",
    "wert",
    "asdf",
    "zxcv",
    "1q2w",
    "q2w3",
    "1qaz",
    "qaz2",
    "2wsx",
    "zaq1",
    "!qaz",
    "lkj",
    "poiu",
    "0okm",
)
_SHORTEST_RANDOM: Final = 8
_LONGEST_RANDOM: Final = 19
"""Longer words of letters and digits are searched by `random_text`."""
_RANDOM_CHANGES: Final = 0.6
_MIN_RANDOM_KINDS: Final = 2
_GROUPS: Final = re.compile(r"(?=.*\d)(?=.*[A-Z])[A-Z0-9]{4,6}(?:-[A-Z0-9]{4,6}){2,5}")
_MIN_MIXED_GROUPS: Final = 2


def find_password_tokens(text: str) -> Iterator[SecretSpan]:
    """Yield every word that has the shape of a password."""
    for match in _TOKEN.finditer(text):
        word = match[0].rstrip(".?,;") if match[0][-1] in _END else match[0]
        if is_password_token(word):
            yield SecretSpan(match.start(), match.start() + len(word))


@remembered
def is_password_token(word: str) -> bool:
    """Return whether a word without blanks has a shape that passwords have and ids have not."""
    if FILL in word or _ADDRESS.match(word):
        return False
    return _has_signs(word) or _is_leet(word) or _is_walk(word) or _is_random(word) or _is_voucher(word)


def _kinds(word: str) -> tuple[int, int, int]:
    return sum(map(str.islower, word)), sum(map(str.isupper, word)), sum(map(str.isdigit, word))


def _has_signs(word: str) -> bool:
    """Whether letters, digits and a sign are mixed as in no id: `Zx9!kLm2`, `toor123!`."""
    lower, upper, digits = _kinds(word)
    if not (lower and digits and _SIGN.search(word)) or _is_inner_class(word):
        return False
    if upper and digits and len(word) > _SHORTEST_RANDOM - 1:
        return oddness(word) == Oddness.MADE
    return word[-1] in "!*" and _LETTERS.match(word) is not None and oddness(word) == Oddness.MADE


def _is_inner_class(word: str) -> bool:
    """Whether it is a name of Java such as `Token2Service$Builder`."""
    parts = re.findall("[A-Z][a-z]+", word)
    return "$" in word and _JAVA.fullmatch(word) is not None and all(map(is_ordinary_word, parts))


def _is_leet(word: str) -> bool:
    """Whether digits are in the places of letters of a long word: `Gr33nHouse`, `b4n4n4split`."""
    if _NO_LEET.match(word):
        return False
    return any(_is_leet_part(part) for part in _LEET_WORD.findall(word))


def _is_leet_part(part: str) -> bool:
    bare = part.rstrip("0123456789")
    signs = _LEET_DIGIT.findall(bare)
    plain = bare.translate(_FROM_LEET)
    if not signs or len(plain) < _MIN_WORD or not plain.isalpha() or sum(map(len, signs)) > _MOST_LEET * len(plain):
        return False
    if sum(bare.count(digit) for digit in "013457@$") != sum(map(len, signs)):
        return False
    if re.search(r"\d[A-Z]", bare) or not any(_reads_as_letters(bare, match) for match in _LEET_DIGIT.finditer(bare)):
        return False
    # Abbreviations with numbers have no vowels where a word has them, and are in capitals.
    return sum(one in "aeiouy" for one in plain.lower()) * 5 >= len(plain) and not bare.isupper()


def _reads_as_letters(bare: str, match: re.Match[str]) -> bool:
    """Whether a digit for a vowel is between consonants, one for a consonant next to a vowel (not in `krb5ccname`)."""
    around = bare[max(0, match.start() - 1) : match.start()] + bare[match.end() : match.end() + 1]
    has_vowel = any(one in "aeiouyAEIOUY" for one in around)
    return has_vowel if match[0][0] in "57$" else not has_vowel


def _is_walk(word: str) -> bool:
    """Whether the keys of a word are next to each other: `qwerty!2345`, `1q2w3e4r5t`."""
    low = word.lower()
    return any(walk in low for walk in _WALKS) and not any(
        len(part) > _MIN_WORD and is_ordinary_word(part) for part in re.findall("[a-z]+", low)
    )


def _is_random(word: str) -> bool:
    """Whether capitals, small letters and digits change as by chance: `v9Kq2mXtB7sLw4`."""
    if not _SHORTEST_RANDOM <= len(word) <= _LONGEST_RANDOM or not word.isalnum():
        return False
    if min(_kinds(word)) < _MIN_RANDOM_KINDS:
        return False
    changes = sum(_kind(one) != _kind(other) for one, other in pairwise(word))
    return changes >= _RANDOM_CHANGES * (len(word) - 1)


def _kind(sign: str) -> str:
    return "d" if sign.isdigit() else "u" if sign.isupper() else "l"


def _is_voucher(word: str) -> bool:
    """Whether it is a key in groups: `XK7P-92LM-TTQ4`."""
    if not _GROUPS.fullmatch(word):
        return False
    groups = word.split("-")
    if any(re.fullmatch(r"\d+[KMGT]B", group) for group in groups):
        return False  # a size, in the name of a device
    mixed = sum(not group.isdigit() and not group.isalpha() for group in groups)
    return mixed >= _MIN_MIXED_GROUPS and len({len(group) for group in groups}) == 1
