"""Finds passwords that people made, by the look of the word: strictly anywhere, less strictly where access is spoken of."""

# ruff: noqa: E501, RUF001  (letters of many alphabets; a pattern broken over lines is harder to compare with what it matches)

import re
from collections.abc import Callable, Iterator
from typing import Final

from evolve.core.cases.cued_rules import CuedRule, matches, rule
from evolve.core.cases.password_shapes import (
    is_clear_password,
    is_likely_password,
    is_made_password,
    is_plain_password,
)
from evolve.core.cases.secret_phrases import is_reference
from evolve.core.cases.secret_shapes import SecretSpan
from evolve.core.cases.secret_words import FOREIGN_WORDS, PASSWORD_SPELLINGS, is_sentence

_WORD: Final = re.compile(
    r"(?<![^\s\"'`,;:()<>\[\]{}|=\\“”„«»。\uff0c\uff1a])[^\s\"'`,;:()<>\[\]{}|=\\“”„«»。\uff0c\uff1a]{6,64}(?![^\s\"'`,;:()<>\[\]{}|=\\“”„«»。\uff0c\uff1a])"
)
"""Whole words only: the rest of a longer one is a part of a digest or a token."""

_ACCESS: Final = re.compile(
    rf"(?i)pass(?:word|wd|phrase|code)|(?<![a-z])(?:pass|pwd?|creds?|log[ -]?[io]ns?|logged|sign(?:ed)?[ -]in|credentials?|auth(?:enticat\w+)?|"
    rf"connect as|bind|access|unlock\w*|wi-?fi|ssid|account|sudo|root|admin|vpn|secret|{FOREIGN_WORDS})(?![a-z])"
)
_DIGEST: Final = re.compile(r"(?i)(?:sha-?\d{1,3}|md5|blake2\w?)[-:=]\Z")
_LINE_MAX: Final = 160
"""Characters on each side of a word that are its line: a log of one long line must not be one context."""

_V: Final = r"[\"'`“„«]?([^\s\"'`,;()<>\[\]{}|=\\“”„«»。\uff0c\uff1a]{4,64})"
_PASSWORD: Final = rf"(?:{PASSWORD_SPELLINGS}|pass(?:[ _-]?(?:word|wd|phrase|code))?|pwd?|{FOREIGN_WORDS})"
_IS: Final = r"(?:[ \t]{0,3}(?:=|:|->|→|=>)[ \t]{0,3}|[ \t]+(?:is|was|will be|(?:is |was )?(?:now|still)|ist|est|es|é|è|jest|это|har|är|er)[ \t]+(?:now |still |set to )?:?[ \t]*)"
_CUES: Final = tuple(
    rule(pattern)
    for pattern in (
        rf"(?i)(?<![a-z])(?:{_PASSWORD}|key|psk|wi-?fi|login|credentials?|creds|secret|code|access){_IS}{_V}",
        rf"(?i)(?<![a-z])(?:connect|log[ -]?in|logged in|sign in|bind|auth\w*|try|access|get in)\b[^\n]{{0,60}}?[ \t](?:and|with|using|/)[ \t]+(?:the )?(?:[\w.@-]{{2,30}}[ \t]+(?:and|with|/)[ \t]+)?{_V}",
        rf"(?i)(?<![a-z])(?:typ(?:e|ed|ing)|enter(?:ed)?|tried|try|pasted|use|send|entering)[ \t]+{_V}",
        rf"(?i)(?<![a-z-])(?:key|community|secret|password|passphrase|psk)[ \t]+(?:\d[ \t]+)?{_V}",
        rf"(?i)(?<![a-z])(?:user|admin|root|sa|account|login)[ \t]{{0,2}}[/|][ \t]{{0,2}}{_V}",
        rf"(?i)(?<![a-z])(?:changed?|re-?set|set|rotated?|updated?)(?: it| that| this| her| his)? (?:in)?to[ \t]+{_V}",
        rf"(?i)(?<![a-z])(?:{FOREIGN_WORDS})[ \t]+{_V}",
        rf"(?i)(?<![a-z])(?:seed|salt|pepper|kodeord|snmp[^\n]{{0,12}} community(?: string)?|key-string|md5|preshared|using|with)[ \t:=]+{_V}",
        rf"(?i)(?:sensitive|secret|password|passphrase)(?:string|value)?\([ \t]*{_V}",
        rf"(?i)(?<![a-z]){_PASSWORD}[^\n]{{0,25}}?(?:->|→|:|\bto\b|\bby\b)[ \t]+{_V}",
    )
)  # fmt: skip
"""Places in which a password is expected; the word must still look made."""

_PLAIN: Final = rule(
    rf"(?i)(?<![a-z]){_PASSWORD}{_IS}[\"'`“„«]?([a-z]{{5,30}})[\"'`”“»]?(?=[ \t]*(?:[.,;!)]{{1,3}}(?:\s|$)|\n|$))",
    lines=3,
)
_PIN: Final = rule(
    r"(?i)(?:(?<![a-z])(?:pin|otp|totp|puk|tan|passcode|pass code)|(?:access|door|verification|security|unlock|login|one[ -]time|"
    r"auth\w*|confirmation|alarm|pairing|2fa|mfa|backup|recovery|gate|safe)[ -]code)(?:s|[ -]?code)?(?:[ \t=:#]|\b(?:is|was|for|of|to|set|"
    r"the|my|your|ist|est|es|é|è|code)\b|[a-z]{2,12}(?=[ \t])){1,8}[^\n\d]{0,3}?(?:\d(?:nd|st|rd|th)[ \t][a-z]+:[ \t]?)?[\"']?(\d{4,10})(?![\w.:-])"
)
_FOREIGN_PIN: Final = rule(
    r"(?i)\b(?:code|codice|código|codigo|kode?|geheimzahl|código)[ \t]+(?:du|de la|de|del|della|do|da|d['’]|für|vom|zum|til|til l|dla|do)[ \t]?"
    r"[^\W\d]\w{2,20}(?:[ \t]*:|[ \t]+(?:est|es|è|é|ist|er))[ \t]*(\d{4,10})(?!\w)"
)
_BELOW: Final = rule(
    rf"(?im)(?:{_PASSWORD}|secret|token|key|credentials?)[^\n]{{0,30}}:[ \t]*\r?\n(?:[ \t]*\r?\n)?[ \t]*([^\s:=]{{6,100}})[ \t]*\r?$",
    lines=3,
)
"""A word alone on the line below `Password:`."""
_SEND: Final = rule(r"(?i)\bsend(?:_user|line)?[ \t(]+(?:-\w?-? ?)?(?:[\"']([^\"'\\\n$]{3,80})|\{([^{}\\\n$]{3,80}))")
_EXPECTS: Final = re.compile(r"(?i)(?:assw|assphrase|PIN)[^\n]{0,40}\n?[^\n]{0,60}\Z")
_BEFORE_SEND: Final = 120
"""Characters before `send` in which the prompt is."""


def find_password_words(text: str) -> Iterator[SecretSpan]:
    """Yield every word that looks like a person's password, and every word where the text expects one."""
    yield from _looks(text)
    for pattern in _CUES:
        yield from _shown(text, pattern, is_made_password)
    yield from _shown(text, _PLAIN, lambda word: is_plain_password(word) and not is_sentence(word))
    yield from (SecretSpan(*match.span(1)) for match in matches(text, (_PIN, _FOREIGN_PIN)))
    yield from _shown(
        text, _BELOW, lambda word: is_made_password(word) or re.fullmatch(r"[0-9a-f]{16,}", word) is not None
    )
    for match in matches(text, (_SEND,)):
        if not is_reference(match[1] or match[2]) and _EXPECTS.search(
            text, max(0, match.start() - _BEFORE_SEND), match.start()
        ):
            yield SecretSpan(*match.span(match.lastindex or 0))


def _looks(text: str) -> Iterator[SecretSpan]:
    line_end, speaks = -1, False
    for match in _WORD.finditer(text):
        word = match[0].rstrip(".?”")
        if "&" in word and text[match.end() : match.end() + 1] == "=":
            word = word.rpartition("&")[0]  # of a query: the rest is the name of the next value
        if word.isalpha():
            continue
        if match.start() > line_end:
            line_end, speaks = _speaks_of_access(text, match.start())
        if _DIGEST.search(text, max(0, match.start() - 12), match.start()):
            continue
        for start, part in _parts(word):
            if is_clear_password(part) or (speaks and is_likely_password(part)):
                yield SecretSpan(match.start() + start, match.start() + start + len(part))


def _parts(word: str) -> Iterator[tuple[int, str]]:
    """Yields the word, or what is after the account in `account/password`."""
    account, slash, rest = word.partition("/")
    if slash and re.fullmatch(r"[A-Za-z][\w.@-]{1,19}", account) and "/" not in rest:
        yield from ((len(account) + 1, part) for part in (rest, rest.rpartition("@")[0]) if is_clear_password(part))
    elif not slash:
        yield 0, word


def _speaks_of_access(text: str, at: int) -> tuple[int, bool]:
    """Returns where the line around a place ends, and whether it speaks of access."""
    start = max(text.rfind("\n", max(0, at - _LINE_MAX), at) + 1, at - _LINE_MAX, 0)
    found = text.find("\n", at, at + _LINE_MAX)
    end = found if found >= 0 else min(len(text), at + _LINE_MAX)
    return end, _ACCESS.search(text, start, end) is not None


def _shown(text: str, pattern: CuedRule, is_password: Callable[[str], bool]) -> Iterator[SecretSpan]:
    for match in matches(text, (pattern,)):
        word = match[1].rstrip(".:?")
        if word and not is_reference(word) and is_password(word):
            yield SecretSpan(match.start(1), match.start(1) + len(word))
