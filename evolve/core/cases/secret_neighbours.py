"""Finds words that look like passwords close to a word for a secret, whatever is between them.

The other rules know a syntax; this one holds for the syntaxes that nobody has listed. It asks more of the value: letters
and digits mixed, and no known shape of another thing.
"""
# ruff: noqa: E501  (a pattern broken over lines is harder to compare with what it matches)

import re
from collections.abc import Iterator
from typing import Final

from evolve.core.cases.cued_rules import matches, remembered, rule
from evolve.core.cases.secret_shapes import FILL, SecretSpan
from evolve.core.cases.secret_words import FOREIGN_WORDS

_NAME: Final = rule(
    r"(?i)(?:pass(?:word|wd|phrase|code|wort|w)|passw[oö]rd|secret|credential|pwd|(?:pre-?shared|api|access|private|auth|signing|encryption|"
    rf"master|account|shared)[ _-]?key|(?<![A-Za-z])(?:pass|pw|psk|pin|token)|(?<=[a-z])(?=P)(?:pass|pw|psk|pin)|(?<![A-Za-z])identify(?= )|token(?![A-Za-z])(?!s[\"\']?[ \t]*[:=][ \t]*\d)|{FOREIGN_WORDS})[s\d]?(?![A-Za-z]{{3}})"
)
_WORD: Final = re.compile(r"[^\s\"'`,;()<>\[\]{}|=\\は]+")
_AHEAD: Final = 70
"""Characters after the name that are read: the rest of a short line, or the line below when the name ends its own."""
_WORDS_AHEAD: Final = 6
_BEHIND: Final = re.compile(
    r"(?:\b(?:echo|send|type|enter|use|print|printf)[ \t]+|[=:][ \t]?)[\"']?([^\s\"']{6,100})[\"']?[^\n\"']{0,30}\Z"
)

_OTHER_THINGS: Final = re.compile(
    r"(?:.*[/\\].*)|.*::.*|.*@[\w.-]+|[vV]?\d+(?:[.:_-]\w+)*|\d+[A-Za-z%]{1,3}|.*\.(?:\w{1,5}|internal|local|service)|"
    r"[A-Z]{2,9}-?[\d.]{1,10}|\w+=\d+|(?:[\w-]*:){3,}.*|(?:\d+:)?\d+(?:\.\d+)+[-+~.\w]*|[A-Za-z]{1,9}[-_]?\d{1,2}|(?:[a-z]+[-_])+[a-z]{0,8}\d{1,3}|(?i:(?:id_|sha-?|md5|hmac-?|aes-?|rsa-?|argon2|bcrypt|pbkdf2|ed25519|scram-|rfc|utf-?|"
    r"base64|x509|oauth|p12|pkcs|s3|k8s|ipv|hs|rs|es|line|sqlstate|error|http|v)\S{0,40})|0x[0-9a-fA-F]+|\$.*|#\d+|[\d.:,TZ+-]+|"
    r"[0-9a-f]{7,64}|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|\w+\.\w+.*|-.*|%.*"
)
"""Paths, addresses, versions, units, hosts, error codes, names with a number, algorithms, hashes, options."""


_CALL: Final = re.compile(r"[\w.$]+\(")
_OPTION: Final = re.compile(r"(?<!\S)(?:-[pP]|-pw|/p:)[ \t]?[\"']?([^\s\"'=:,]{7,100})")
"""The letter that most programs use for a password; for others its value is a port, a path or a number."""
_ACCOUNT: Final = rule(
    r"(?i)\b(?:log(?:in|ged in|on)|auth\w*|account|user|credentials?|as)\b[ \t:=]{1,3}[\w.@-]{1,40}[ ]?[:/][ ]?([^\s\"',;/:]{6,100})"
)


_SHORTEST: Final = 6
_MIXED: Final = re.compile(r"\A(?=.*[^\W\d_])(?:.*\d|.+[!#$%&*^~?+])", re.DOTALL)
"""Letters, with a digit or with a sign after the first character."""


def find_neighbour_secrets(text: str) -> Iterator[SecretSpan]:
    """Yield every word near a secret's name that looks like a password."""
    yield from (SecretSpan(*match.span(1)) for match in _OPTION.finditer(text) if _is_password(match[1]))
    yield from (SecretSpan(*match.span(1)) for match in matches(text, (_ACCOUNT,)) if _is_password(match[1]))
    for name in matches(text, (_NAME,)):
        yield from _after(text, name.end())
        before = _BEHIND.search(text, max(0, name.start() - _AHEAD), name.start())
        if before and _is_password(before[1]):
            yield SecretSpan(*before.span(1))


def _after(text: str, at: int) -> Iterator[SecretSpan]:
    line_end = text.find("\n", at + 3, at + _AHEAD)
    end = min(len(text), at + _AHEAD) if line_end < 0 else line_end
    for number, word in enumerate(_WORD.finditer(text, at, min(len(text), end + _AHEAD))):
        if word.start() >= end or number >= _WORDS_AHEAD:
            return
        if number == 0 and word.start() == at and text[at].isupper() | text[at].isdigit() and "$" in word[0]:
            continue  # the rest of a name in code: `Token2Service$Builder`
        if FILL in word[0]:
            return  # the secret of this name is masked already
        shown = word[0].rstrip(".,:!?)").lstrip(":")
        if shown and _is_password(shown):
            start = word.start() + word[0].index(shown)
            yield SecretSpan(start, start + len(shown))
            return


@remembered
def _is_password(word: str) -> bool:
    """Whether a word mixes letters and digits, or signs, as passwords do, and is no other known thing."""
    if len(word) < _SHORTEST or not _MIXED.search(word):
        return False
    return _CALL.match(word) is None and _OTHER_THINGS.fullmatch(word) is None
