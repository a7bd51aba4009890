"""Says how little a word belongs into a text of programs: not at all ordinary words, ids and names; most, made passwords."""
# ruff: noqa: E501  (a pattern broken over lines is harder to compare with what it matches)

import re
from enum import IntEnum
from typing import Final

from evolve.core.cases.cued_rules import remembered
from evolve.core.cases.ordinary_words import is_ordinary_word, parts_of_name
from evolve.core.cases.secret_shapes import FILL


class Oddness(IntEnum):
    """How likely a word is something that a person or a generator made up."""

    ORDINARY = 0
    """a word of programs and logs, or an id, a number, a path of a known shape"""
    UNLISTED = 1
    """a name or a word that is in no list: `tangerine`, `kai`, `billing-worker`"""
    MADE = 2
    """unlisted, and with digits or signs inside: `Bristol-2019`, `d0lphin-cove`"""


_SHORTEST: Final = 4
_LONGEST: Final = 120
_HARMLESS: Final = re.compile(
    r"[\W\d_]+|"  # numbers and signs
    r"\d+(?:[.,:_x-]\d+)*[A-Za-z%µ]{0,5}|v?\d+(?:[.:_+~-]\w+)+|[a-z]{1,4}\d{1,3}|\d\d[A-Z]\d\d|[A-Z]{1,9}[-_]?[\d.]{1,10}|[a-z]{1,3}-?\d{2,8}|#\d+|"
    r"0x[\da-fA-F]+|[\da-f]{7,}|[\dA-F]{7,}|[\da-fA-F]{8}(?:-[\da-fA-F]{4}){3}-[\da-fA-F]{12}|(?i:sha\d*|md5|blake2\w*|h1)[-:=].*|[\da-f]{7,40}\.{2,3}[\da-f]{7,40}|"
    r".*://.*|[/~.]{0,2}/.*|(?:[\w@.+-]+/){2,}.*|.*\\.*|[A-Za-z]:|"
    r"-{1,2}[A-Za-z][\w-]*|[$%@<{&*\[].*|.*[$({\[]|"
    r"[^@\s]+@[\w-]+(?:\.[\w-]+)*|(?:[\w-]+\.)+(?:com|org|net|io|dev|example|test|local|internal|lan|svc|localhost|invalid|cluster|consul|nomad|"
    r"py|js|ts|tsx|go|rs|c|h|cc|cpp|java|rb|sh|ps1|ya?ml|json|toml|ini|conf|cfg|cnf|log|txt|html?|xml|so|deb|rpm|whl|jar|gz|zip|tar|service|socket|"
    r"timer|mount|sock|sql|pem|key|crt|md|php|css|lock|bak|env|tf|hcl|j2|exe|dll|gguf|safetensors)(?:\.\d+)*|"
    r"[A-Z][A-Z\d]*(?:[-_.][A-Z\d]+)*|(?:sha|md|aes|rsa|hmac|scram|[Aa]rgon|bcrypt|ed255|ecdsa|tls|ssl|http|oauth|utf|rfc|base|iso|pbkdf|x50|pkcs|ipv)[\w.-]*",
)
"""Numbers, dates, versions, sizes, hex, UUIDs, digests, URLs, paths, options, references, addresses, hosts, files, names of
constants, algorithms."""
_SIGNS: Final = re.compile(r".[!#$%&*^~?+;@=|].|.[!$#*^]\Z")
_SWITCHES: Final = re.compile(r"[a-z]\d|\d[A-Za-z]")
_LEET: Final = re.compile(r"(?i)\A[a-z]{0,20}(?:[a-z][013457$@]{1,2}[a-z])[a-z\d$@]{2,}")
_NUMBERED: Final = re.compile(r"[A-Za-z]+(?:[-_.][A-Za-z]+)*(?:[-_.]\d{1,2}|\d)|[A-Za-z]{1,6}\d{1,2}")
"""One of several things: `knoten-7`, `web_backend_12`."""
_NAME: Final = re.compile(r"[a-z\d]+(?:[-_.][a-z\d]+){2,}|[A-Z]?[a-z]+(?:-[a-z\d]+){2,}(?:\.[a-z\d-]+)*")
"""A name of several parts, one of which is ordinary: `default-token-9xkqp`, `claude-3-5-sonnet-20241022`."""
_MIXED: Final = re.compile(r"(?=.*[a-z])(?=.*[A-Z])(?=.*\d)")
_MIN_UNLISTED: Final = 3


@remembered
def oddness(word: str) -> Oddness:
    """Return how odd a word without blanks is."""
    if not _SHORTEST <= len(word) <= _LONGEST or FILL in word or _HARMLESS.fullmatch(word):
        return Oddness.ORDINARY
    parts = parts_of_name(word)
    unlisted = [part for part in parts if len(part) >= _MIN_UNLISTED and not is_ordinary_word(part)]
    has_digit, has_sign = any(map(str.isdigit, word)), _SIGNS.search(word) is not None
    if not unlisted:
        is_made = (
            (has_sign and has_digit) or _LEET.search(word) or (_MIXED.match(word) and len(_SWITCHES.findall(word)) > 1)
        )
        return Oddness.MADE if is_made else Oddness.ORDINARY
    is_name = len(unlisted) < len(parts) and not has_sign and (not has_digit or _NAME.fullmatch(word))
    if is_name or _NUMBERED.fullmatch(word) or not (has_digit or has_sign or _has_inner_capital(word)):
        return Oddness.UNLISTED
    return Oddness.MADE


def _has_inner_capital(word: str) -> bool:
    return any(map(str.isupper, word[1:])) and not word.isupper()
