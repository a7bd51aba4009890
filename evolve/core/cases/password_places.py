"""Finds passwords by the place in which a sentence, a prompt or a table of accounts puts them, whatever they look like.

A place decides more than the look: after `the password is` also `hunter2` and `correct-horse-battery-staple` are secrets.
Only ordinary words, which say something about the password, are none.
"""
# ruff: noqa: E501, RUF001  (letters of many alphabets; a pattern broken over lines is harder to compare with what it matches)

import re
from collections.abc import Iterator
from typing import Final

from evolve.core.cases.cued_rules import cued_text, remembered, rule
from evolve.core.cases.password_shapes import is_known_thing, is_passphrase, is_plain_password, is_shown_password
from evolve.core.cases.secret_phrases import is_reference
from evolve.core.cases.secret_shapes import SecretSpan
from evolve.core.cases.secret_words import FOREIGN_WORDS, PASSWORD_SPELLINGS, is_sentence

_BARE: Final = r"[^\s\"'`,;()\[\]{}<>|\\=:“”„«»「」『』。\uff0c\uff1a](?:[^\s\"'`,;\\<>“”„«»「」『』。\uff0c\uff1a]|[,;](?=[A-Z\d]\w*[.!?]?(?:[\s)\]}]|\Z))|(?<=\w)'(?=\w)){3,63}"
_V: Final = (
    rf"""(?:"([^"\n]{{4,200}})"|'([^'\n]{{4,200}})'|[«„“`「『] ?([^»”“`」』\n]{{4,200}}?) ?[»”“`」』]|({_BARE}))"""
)
"""A value in quotes of any kind, or one word."""
_P: Final = rf"(?:{PASSWORD_SPELLINGS}|pass(?:[ _-]?(?:word|wd|phrase|code|key))s?|(?<![a-z])(?:pass|pwd?|psk|mdp)|(?:pre-?shared|wi-?fi|wlan|wpa2?|vpn)[ -](?:key|secret)|(?:shared|break[ -]?glass) secret|{FOREIGN_WORDS})(?![a-z]{{4}})\w{{0,3}}"
"""A word for password, with the endings of languages that have them."""
_IS: Final = r"(?:is|used to be|should be|had been|has been|was|are|will be|becomes|ist|lautet|war|wird|est|es|será|era|sera|é|è|e|jest|to|är|er|on|je|este|это|hī|है|هي|هو|είναι|adalah|là|set to|reset to|changed to|now)"
_SIGN: Final = r"(?:[:=→–—]|->|=>|\uff1a)"
_TO: Final = r"(?:to|into|auf|in|à|a|al|para|por|en|em|su|na|на|naar|til|till|på|do|w|v)"
_W: Final = r"(?:[^\W\d_][\w'’@.-]{0,25}|\([^()\n]{1,30}\))"
"""A word, or a remark in brackets, between the word for password and the password."""
_ACCOUNT: Final = (
    r"(?:log(?:in|[ -]?on|ged[ -]in|[ -]in)|sign(?:ed)?[ -]in|creds|credentials?|accounts?|auth(?:enticat\w+)?|access|zugang(?:sdaten)?|anmeldedaten|"
    r"identifiants?|accès|acceso|credencia(?:les|is)|credenziali|accesso|acesso|inloggegevens|toegang|inlogg\w*|innlogging\w*|kirjautumi\w+|přihlášení|bejelentkezés|giriş|logowani\w+|dostęp|konto|логин|доступ|учётк\w+|учетк\w+|"
    r"账号|帳號|账户|用户名|アカウント|ログイン|계정|로그인|idrac|ilo|bmc|ipmi|bios|ssh|vnc|rdp)"
)
"""A word for an account or a door to one; after it the password follows the account's name."""
_NAME: Final = r"[\w.@\\-]{2,40}"
_WITH: Final = r"and|with|using|und|mit|et|avec|y|con|e|com|met|med|och|og|z|ze|ve|ja|és|și|и|с"
"""Words between an account and its password."""

_DIRECT: Final = (
    rule(rf"(?im){_P}[^\n]{{0,60}}[:?.][ \t]*\r?\n(?:[ \t]*\r?\n)?[ \t]*(?:[>$#:*][ \t]+)?{_V}[ \t]*\r?$(?:\n[ \t]*[>$#:*][ \t]+{_V}[ \t]*\r?$)?", lines=3),
    rule(rf"(?im){_P}[^\n?]{{0,30}}\?[ \t\"']*(?:(?:A|answer|antwort|re)[ \t]*)?[:>-]{{0,2}}[ \t]*{_V}[ \t]*\r?$"),
    rule(rf"(?i)(?:user|login|username|account)/(?:pass(?:word|wd)?|pw)[ \t]*(?:is|are|:|=)[ \t]*{_NAME}/{_V}"),
    rule(rf"(?i){_P}[^\n]{{0,80}}\n[^\n]{{0,20}}\b(?:value|new|generated)[ \t]*(?:value)?[:=][ \t]*{_V}", lines=1),
    rule(rf"(?i){_P}(?:[ \t]+{_W}){{0,6}}?[ \t]*{_SIGN}[ \t]*(?:(?:it'?s|c'est|es ist)[ \t]+)?{_V}"),
    rule(rf"(?i){_P}(?:[ \t]+{_W}){{0,8}}?[ \t]+{_IS}[ \t]+(?:now|still|set to|temporarily|:)?[ \t]*{_V}"),
    rule(rf"(?i){_P}[^\n]{{0,40}}?(?:\bit'?s\b|\bc'est\b|\bes ist\b)[ \t]+{_V}"),
    rule(rf"(?i){_P}(?:[ \t]*(?:是|为|為|は|이|가|은|는|을|를|を|改成了?|设为|设置为)[ \t]*:?)[ \t]*{_V}"),
    rule(rf"(?i)(?<![a-z]){_ACCOUNT}(?:[ \t]*[:=]|[ \t]+(?:is|are|as|with|on|for|to|by|was|ist|est|es|är|er|jest|è|é|je))*[ \t]*(?:the[ \t]+user[ \t]+)?[(\[]?{_NAME}(?:[ \t]*(?:/{{1,2}}|[|])[ \t]*|[ \t]+(?:{_WITH})[ \t]+|:){_V}"),
    rule(rf"(?i)(?<![a-z])(?:u(?:ser(?:[ _]?name)?)?|login|uname)[ \t]*[:=][ \t]*{_NAME}[ \t,;/|]{{1,4}}(?:p(?:w|wd|ass)?)[ \t]*[:=][ \t]*{_V}"),
    rule(rf"(?i)\b(?:ssid|wi-?fi|wlan|wpa\d?)\b[^\n]{{0,40}}?(?:\b(?:key|code|is|pw)\b[ \t:=]*(?:is[ \t]+)?|/[ \t]*){_V}"),
    rule(rf"(?i)\b(?:wi-?fi|wlan|ssid|hotspot)\b[^\n:=]{{0,30}}[:=][ \t]*{_V}[ \t]*\r?$", re.MULTILINE),
    rule(rf"(?i)<key>[^<\n]{{0,40}}{_P}[^<\n]{{0,20}}</key>\s{{0,20}}<string>([^<\n]{{3,200}})</string>", lines=2),
)  # fmt: skip
"""Places right after a word for password or an account; there even an ordinary word may be one, and several in quotes."""

_NEAR: Final = (
    rule(rf"(?i)(?<![a-z]){_ACCOUNT}[^\n]{{0,30}}?[ \t,(:]{_NAME}[ \t]+(?:/{{1,2}}|{_WITH})[ \t]+{_V}"),
    rule(rf"(?i)(?<![\w./-])(?:root|admin(?:istrator)?|superuser|sudo)(?:[ \t]+{_W}){{0,4}}?[ \t]+{_IS}[ \t]+(?:now[ \t]+)?{_V}"),
    rule(rf"(?i)\b(?:door|gate|alarm|safe|entry|access|unlock|pairing|locker|garage)[ -](?:code|combination)s?[ \t:=]+(?:(?:is|was|now|for the \w+)[ \t:]+)*{_V}"),
    rule(rf"(?i)(?<![a-z-])(?:secret|token|api[ -]key|credentials?)(?:[ \t]+{_W}){{0,6}}?[ \t]+(?:is|was|ist|est|es|=|→|->)[ \t]+{_V}"),
    rule(rf"(?i)(?<![a-z-])(?:key|code|clé|clave|schlüssel)[ \t]+(?:for|to|of|für|zu|de|del|du|per)[ \t]+(?:{_W}[ \t]+){{0,5}}{_W}(?:[ \t]*[:=]|[ \t]+{_IS})[ \t]+{_V}"),
    rule(rf"(?m){_P}(?:[^\n]{{0,60}}?:)?[ \t]+((?:[A-Z][a-z]+|\d{{1,6}})(?:[ \t](?:[A-Z][a-z]+|\d{{1,6}})){{1,5}})[ \t]*\r?$"),
    rule(rf"(?im)(?:passphrase|{_P})[ \t]*(?::|=|[ \t](?:is|was))[ \t]+([a-z]{{3,12}}(?:[ \t][a-z]{{3,12}}){{3,7}})[ \t]*\.?\r?$"),
    rule(rf"(?i)\b(?:wi-?fi|wlan|community|pre-?shared|snmp)(?:[ \t]+string)?[ \t]*[:= ][ \t]*{_V}"),
    rule(rf"(?i)\b(?:type|enter|press|use)[ \t]+{_V}(?=[^\n]{{0,40}}\b(?:prompt|press|asked|when it asks|hit (?:enter|return))\b)"),
    rule(rf"(?i)\b(?:asked|prompted|prompt)\b[^\n]{{0,30}}?\b(?:type|enter|use|answer)[ \t]+{_V}"),
)  # fmt: skip
"""Places in which a word that is not ordinary is a password. What is between is bounded, so that hostile text is no problem."""

_WORD_FOR_PASSWORD: Final = rule(rf"(?i){_P}")
_DOOR: Final = rule(
    rf"(?i)(?<![a-z])(?:{_ACCOUNT}|bind|connect(?:ed)?|unlock(?:ed|s)?|get in|decrypt|encrypt|open(?:s|ed)?|denied|restore|mount)(?![a-z])"
)
"""Words for what a password opens."""

_VERB: Final = r"\b(?:type|typed|typing|enter|entered|entering|use|used|using|try|tried|send|sendline|sent|pasted?|with|pick|choose|set)"
_AFTER: Final = tuple(re.compile(pattern) for pattern in (
    rf"(?i)\A[ \t]+{_V}",
    rf"(?i)\A[ \t]*[(\[]{_V}[)\]]",
    rf"(?i)\A[ \t]+[\w-]{{2,15}}[ \t]+{_V}[ \t]*\Z",
    rf"(?i)\b(?:from|von|de|с|da)[ \t]+{_V}[ \t]+{_TO}[ \t]+{_V}",
    rf"(?i)[ \t]{_TO}[ \t]+{_V}",
    rf"(?i)[ \t]{_IS}[ \t]+(?:now[ \t]+)?{_V}",
    rf"(?i){_VERB}[ \t(]+{_V}",
    rf"(?i)\b(?:old|new|alt|neu|was|before|after|given|tried|got|received|actual|expected)[ \t]*[:= ][ \t]*{_V}",
))  # fmt: skip
"""Where the password is in the rest of the line after the word for it."""
_ANYWHERE: Final = (re.compile(rf"(?<=[\s\"'`(\[{{<>=:|])({_BARE})"),)
"""Where nothing but the look of a word shows that it is the password; names of other things are none."""
_IS_FIELD: Final = re.compile(r"[A-Za-z_]\w*=(?:0x)?[\da-fA-F.]*\Z|.*::|(?:sips?|mailto|xmpp|acct|tel|urn):")
"""A name with a number, a path of names in code, an address: `SQLSTATE=08001`, `std::password`, `sip:200@pbx`."""
_BEFORE: Final = tuple(re.compile(pattern) for pattern in (
    rf"(?i){_V}(?:[ \t]+[a-z]{{2,8}})?[ \t]+(?:is|was|as|ist|als|est|comme|es|como|é|è|come)(?:[ \t]+[^\W\d_]{{1,12}}){{0,4}}[ \t]+\Z",
    rf"(?i){_V}[ \t]+(?:\(|for (?:the |your |its )?)\Z",
    rf"[\[(]u?[\"'][\w.@-]{{1,40}}[\"'],[ ]?u?(?=[\"']){_V}",
        rf"(?i){_VERB}[ \t(]+{_V}",
    rf"(?i)\b(?:old|new|alt|neu|was|before|after)[ \t]*[:=][ \t]*{_V}",
))  # fmt: skip
_AT_DOOR: Final = tuple(re.compile(pattern) for pattern in (
    rf"(?i)\b(?:with|using|mit|avec|con|com)[ \t]+(?:{_NAME}[ \t]+(?:and|/|und|et|y|e)[ \t]+)?{_V}",
    rf"(?i)\b(?:given|tried|got|supplied|provided|received|entered|attempted)[ \t]*[:= ][ \t]*{_V}",
))  # fmt: skip
_SEGMENT: Final = 80
"""Characters of the line before and after the word that are read."""

_NUMBER: Final = rule(
    rf"(?i){_P}(?:[ \t]+{_W}){{0,6}}?[ \t]*(?:{_SIGN}|[ \t]{_IS})?[ \t]*[\[(\"']?(\d{{4,12}})(?![\w/:%]|[.,-]\d)"
)
"""A number of four digits or more right after the word for password, or after what it is."""
_SHAPED: Final = rule(
    r"(?i)(?<![a-z_])(?:(?:access|api|auth|bearer|refresh|acl|bot|secret)[ _-])?(?:token|secret|api[ _-]key|secret[ _-]id)[ \t]+(?:(?:is|was)[ \t]+)?[\"']?([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{32,64})(?![\w-])"
)
"""A UUID or a hash right after the word for a token."""

_TAIL: Final = re.compile(r"(?:[.,:;!?)]|\\[rn])+\Z")
"""Signs of the sentence after a word, and the line break that a script sends."""
_ENDS: Final = re.compile(r"[ \t]*(?:[\"'”“»`.,;!)]|\r?\n|\Z|[(（])")


def find_placed_passwords(text: str) -> Iterator[SecretSpan]:
    """Yield every word in the place of a password that is not an ordinary one."""
    cued = cued_text(text)
    for one in (_SHAPED, _NUMBER):
        yield from (SecretSpan(*match.span(1)) for match in cued.matches(one))
    for rules, is_direct in ((_DIRECT, True), (_NEAR, False)):
        for one in rules:
            for match in cued.matches(one):
                yield from _groups(match, is_direct=is_direct)
    for match in cued.matches(_WORD_FOR_PASSWORD):
        yield from _around(text, match.start(), match.end())
    for match in cued.matches(_DOOR):
        yield from _in_segment(_AT_DOOR, text, match.end(), _line_end(text, match.end()))


def _around(text: str, start: int, end: int) -> Iterator[SecretSpan]:
    """Yields the passwords before and after a word for password."""
    yield from _in_segment(_AFTER, text, end, _line_end(text, end))
    line = text.rfind("\n", max(0, start - _SEGMENT), start) + 1 or max(0, start - _SEGMENT)
    yield from _in_segment(_BEFORE, text, line, start)
    for first, last in ((line, start), (end, _line_end(text, end))):
        for span in _in_segment(_ANYWHERE, text, first, last):
            word = text[span.start : span.end]
            if not is_known_thing(word):
                yield span


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at, at + _SEGMENT)
    return end if end >= 0 else min(len(text), at + _SEGMENT)


def _in_segment(patterns: tuple[re.Pattern[str], ...], text: str, start: int, end: int) -> Iterator[SecretSpan]:
    """Yields what the patterns find in a part of a line; a word that the end of the part cuts is not taken."""
    is_cut = end < len(text) and not text[end].isspace()
    for span in _found_in(patterns, text[start:end]):
        if not is_cut or span.end < end - start:
            yield SecretSpan(start + span.start, start + span.end)


@remembered
def _found_in(patterns: tuple[re.Pattern[str], ...], segment: str) -> tuple[SecretSpan, ...]:
    found = (match for pattern in patterns for match in pattern.finditer(segment))
    return tuple(span for match in found for span in _groups(match, is_direct=False))


def _groups(match: re.Match[str], *, is_direct: bool) -> Iterator[SecretSpan]:
    for group in range(1, match.re.groups + 1):
        word = _TAIL.sub("", match[group] or "")
        if not word or is_reference(word) or _IS_FIELD.match(word):
            continue
        start = match.start(group)
        if (
            is_shown_password(word)
            or (" " in word and _is_words(word))
            or (is_direct and _is_alone(word, match.string, start))
        ):
            yield SecretSpan(start, start + len(word))


def _is_alone(word: str, text: str, at: int) -> bool:
    """Whether ordinary words are the whole rest of a sentence, or are in quotes."""
    if _ENDS.match(text, at + len(word)) is None or is_sentence(word):
        return False
    return is_plain_password(word) or (text[at - 1] in "\"'“„«`" and is_passphrase(word))


def _is_words(words: str) -> bool:
    """Whether several words are a phrase that somebody chose, not a remark about the password."""
    return is_passphrase(words) and not is_sentence(words)
