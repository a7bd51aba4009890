"""Finds secrets in sections whose name speaks of secrets or accounts: `tokens { agent = "x" }`, `users:` with `anna: x`."""
# ruff: noqa: E501  (a pattern broken over lines is harder to compare with what it matches)

import re
from collections.abc import Iterator
from typing import Final

from evolve.core.cases.cued_rules import cued_text, lines_from, rule
from evolve.core.cases.password_shapes import is_known_thing, is_made_password, is_plain_password, is_shown_password
from evolve.core.cases.random_text import looks_random
from evolve.core.cases.secret_phrases import is_reference
from evolve.core.cases.secret_shapes import SecretSpan
from evolve.core.cases.secret_words import is_sentence

_SECRETS: Final = r"(?:[\w.-]{0,30}[_.-])?(?:passwords?|passphrases?|passwd|chpasswd|htpasswd|secrets?|tokens?|credentials?|creds|(?:api|private|secret|access|encryption|signing|auth)[_-]?keys?|keyring|psks?|pins?|passes)"
_ACCOUNTS: Final = r"(?:[\w.-]{0,30}[_.-])?(?:users?|accounts?|auth|basic_?auth|logins?|userlist|clients|admins?)"
_HEADER: Final = rule(
    rf"(?im)^(?P<indent>[ \t]{{0,40}})(?:-[ \t]+)?(?P<open>\[)?[\"']?(?P<name>{_SECRETS}|{_ACCOUNTS})[\"']?(?P<sign>\][ \t]*|[ \t]*[:=]?[ \t]*\{{[ \t]*|:[ \t]*(?:[|>][+-]?)?)[ \t]*\r?\n(?:[ \t]+(?:list|users|data|stringData):[ \t]*(?:[|>][+-]?)?[ \t]*\r?\n)?",
    lines=2,
)
_INLINE: Final = rule(
    r"(?i)[\"'](?:[\w-]{0,30}_)?(?:passwords|secrets?|tokens|credentials|(?:api_?)?keys)[\"']\s{0,3}:\s{0,3}\{(?P<body>[^{}\n]{1,800})\}"
)
_INLINE_PAIR: Final = re.compile(r"[\"']([\w.-]{1,60})[\"']\s{0,3}:\s{0,3}[\"']([^\"'\n]{3,300})[\"']")
_PROSE: Final = rule(
    r"(?im)^[ \t=#*_>|-]{0,8}(?:\w{1,20}[ \t]){0,3}?(?:credentials?|passwords?|logins?|access data|accounts?|zugangsdaten|passwörter|kennwörter|identifiants|mots de passe|contraseñas|credenciales|credenziali|senhas|пароли|доступы|密码|账号)(?:[ \t]\w{1,20}){0,3}[ \t=#*_:-]{0,8}\r?\n(?:[ \t=-]{0,80}\r?\n)?",
    lines=2,
)
"""A heading or a line that announces accounts."""
_ENTRY: Final = re.compile(r"(?<![^\s:/|,(])([^\s:/|,(\"'][^\s\"']{3,80})[\s)]*\Z")
"""The last word of a line."""
_ENTRIES: Final = 12
_IS_SECRETS: Final = re.compile(rf"(?i){_SECRETS}\Z")
_PAIR: Final = re.compile(
    r"[ \t]*(?:-[ \t]+)?[\"']?(?P<name>[\w.@+-]{1,60})[\"']?[ \t]*(?:=>|:|=)[ \t]*(?:\"(?P<double>[^\"\n]{3,300})\"|'(?P<single>[^'\n]{3,300})'|(?P<bare>[^\s\"'{}\[\]]{3,300}?))[ \t]*[,;]?[ \t]*(?:#.*)?"
)
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|[0-9a-f]{16,128}")
_PLAIN_NAMES: Final = re.compile(
    r"(?i)(?:\w*[_-])?(?:id|name|user|username|login|email|mail|role|roles|host|hostname|url|uri|path|file|type|kind|version|region|namespace|"
    r"group|shell|home|comment|state|status|created\w*|updated\w*|expires?\w*|ttl|key|ref|accessor|policy|policies|scope|scopes|issuer|algorithm|method|provider|realm|port|database|db|engine|driver|image|desc\w*|title|label\w*)"
)
_LINES: Final = 40


def find_section_secrets(text: str) -> Iterator[SecretSpan]:
    """Yield every value in such a section that looks like a secret."""
    for header in cued_text(text).matches(_HEADER):
        if bool(header["open"]) == header["sign"].startswith("]"):
            yield from _values(text, header, is_secrets=_IS_SECRETS.match(header["name"]) is not None)
    for section in cued_text(text).matches(_INLINE):
        for pair in _INLINE_PAIR.finditer(text, *section.span("body")):
            if not _PLAIN_NAMES.fullmatch(pair[1]) and not is_reference(pair[2]) and _is_secret(pair[2], True):
                yield SecretSpan(*pair.span(2))
    for heading in cued_text(text).matches(_PROSE):
        yield from _entries(text, heading.end())


def _entries(text: str, at: int) -> Iterator[SecretSpan]:
    """Yields the last word of each line below a heading if it looks like a password."""
    for start, end in lines_from(text, at, _ENTRIES):
        word = _ENTRY.search(text, max(start, end - 100), end)
        if word and re.search(r"[:/|,]|[ \t]\S+[ \t]", text[start : word.start(1)]):
            value = word[1].rstrip(".,;")
            if is_shown_password(value) and not is_known_thing(value) and not is_reference(value):
                yield SecretSpan(word.start(1), word.start(1) + len(value))
        if not text[start:end].strip() and word is None and text[end + 1 : end + 2] == "\n":
            return


def _values(text: str, header: re.Match[str], *, is_secrets: bool) -> Iterator[SecretSpan]:
    """Yields the values below a header: until a brace, a further section, or a line with less indentation."""
    indent = len(header["indent"])
    for start, end in lines_from(text, header.end(), _LINES):
        line = text[start:end].rstrip("\r")
        body = line.lstrip(" \t")
        is_inside = header["open"] or "{" in header["sign"] or len(line) - len(body) > indent or body.startswith("- ")
        if body.startswith(("}", "[")) or (body and not is_inside):
            return
        pair = _PAIR.fullmatch(line)
        if pair and not _PLAIN_NAMES.fullmatch(pair["name"]):
            group = pair.lastgroup or "bare"
            value = pair[group]
            if not is_reference(value) and not is_sentence(value) and _is_secret(value, is_secrets):
                yield SecretSpan(start + pair.start(group), start + pair.end(group))


def _is_secret(value: str, is_secrets: bool) -> bool:
    if is_secrets:
        return (
            is_plain_password(value)
            or is_shown_password(value)
            or looks_random(value)
            or _UUID.fullmatch(value) is not None
        )
    return is_made_password(value)
