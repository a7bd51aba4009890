"""Finds values of names that have a secret's word as a part, in any spelling: `gpgPin=`, `$USER3$=`, `app.pw:`."""

import re
from collections.abc import Iterator
from typing import Final

from evolve.core.cases.password_shapes import (
    is_known_thing,
    is_made_password,
    is_passphrase,
    is_plain_password,
    is_shown_password,
)
from evolve.core.cases.secret_phrases import is_reference
from evolve.core.cases.secret_shapes import SecretSpan
from evolve.core.cases.secret_words import is_reason

_STRONG_TEXT: Final = """
pass passwd password passphrase passcode pw pwd psw pswd psswd passwort pin otp puk psk mdp contrasena senha cred creds
credential credentials kennwort vault
"""
_STRONG: Final = frozenset(_STRONG_TEXT.split())
_WEAK_TEXT: Final = """
secret token key apikey auth seed salt pepper cookie session sess sig signature
sid community sign signing hmac pat license licence dsn bearer
"""
_WEAK: Final = frozenset(_WEAK_TEXT.split())
_KEYS_TEXT: Final = """
key token secret salt seed pepper license licence pat hmac sign signing psk login apikey
"""
_KEYS: Final = frozenset(_KEYS_TEXT.split())
"""Last parts of names whose hash-like values are secrets, not ids."""
_SALTS_TEXT: Final = """
secret salt pepper seed
"""
_SALTS: Final = frozenset(_SALTS_TEXT.split())
_PUBLIC_TEXT: Final = """
public primary cache partition foreign sort row object host idempotency fingerprint group dedup hash lock
index id ids registry thumbprint etag checksum commit digest sha unique composite natural surrogate shard bucket s3
trace event message dedupe
"""
_PUBLIC: Final = frozenset(_PUBLIC_TEXT.split())
_MEASURES_TEXT: Final = """
changed created updated at age ttl length len min max count expires expiry expire timeout id time days hours minutes
seconds retries retry port size version date used limit attempts bits iterations rounds uid gid index num number
"""
_MEASURES: Final = frozenset(_MEASURES_TEXT.split())
"""Last parts of names whose numbers are times, counts and sizes."""
_LONG_HEX: Final = re.compile(r"[0-9a-fA-F]{32,128}|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_ASSIGNED: Final = re.compile(
    r"(?:(?<=-D)|(?<=\]\.)|(?<![\w$.-]))(?P<name>[A-Za-z_$][\w$.-]{1,60})"
    r"(?P<end>[\"']?\]?[ \t]{0,20}(?:=>|:=|[=:](?![=/:]))[ \t]{0,20})"
    r"(?:\"(?P<double>[^\"\n]{3,500})\"|'(?P<single>[^'\n]{3,500})'|"
    r"(?P<bare>(?!\$\w{1,9}\$=)(?:[^\s,;&|<>\"'`\\)\]}]|\\x[0-9a-fA-F]{2}|(?<=\w)'(?=\w)){3,500}))"
)
_PARTS: Final = re.compile(r"[A-Z]{2,}(?![a-z])|[A-Z]?[a-z]+|[A-Z]")
_MACRO: Final = re.compile(r"\$(?:USER|ARG)\d{1,3}\$")


def find_assigned_secrets(text: str) -> Iterator[SecretSpan]:
    """Yield every value whose name has a word for a secret as one of its parts."""
    for match in _ASSIGNED.finditer(text):
        group = match.lastgroup or "bare"
        value = match[group].rstrip(".\r")
        if _is_secret(match["name"], match["end"], value):
            yield SecretSpan(match.start(group), match.start(group) + len(value))


def _is_secret(name: str, sign: str, value: str) -> bool:
    if is_reference(value) or is_reason(value) or re.match(r"[\w.]+[(\[]", value):
        return False
    if _MACRO.search(name):
        return "/" not in value
    words = [part.lower() for part in _PARTS.findall(name)]
    parts = set(words)
    if value.isdigit():
        return bool(parts & _STRONG) and len(value) >= 4 and not (_MEASURES & parts)
    if parts & _STRONG:
        is_sure = "=" in sign and words[-1] in _STRONG and is_plain_password(value)
        return is_sure or is_shown_password(value) or (" " in value and is_passphrase(value))
    if _LONG_HEX.fullmatch(value):
        return bool(words) and words[-1] in _KEYS and not parts & _PUBLIC
    if words and words[-1] in _SALTS:
        return is_shown_password(value)
    return bool(parts & _WEAK) and len(value) >= 6 and is_made_password(value) and not is_known_thing(value)
