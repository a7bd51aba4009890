"""Finds the text in quotes behind a secret's name in the notation of any language: what is between is signs and types."""
# ruff: noqa: E501  (a pattern broken over lines is harder to compare with what it matches)

import re
from collections.abc import Callable, Iterator
from typing import Final

from evolve.core.cases.cued_rules import matches, rule
from evolve.core.cases.password_shapes import is_passphrase, is_shown_password
from evolve.core.cases.secret_phrases import is_reference
from evolve.core.cases.secret_shapes import SecretSpan
from evolve.core.cases.secret_words import is_reason

_NAME: Final = r"(?P<name>pass\w{0,10}|pwd?|pswd|secret\w{0,6}|token|key|cred\w{0,10}|psk|pin|auth)(?:\\{0,3}[\"'\]])*"
"""The last word of a name: to search for whole names would take longer."""
_NAME_START: Final = re.compile(r"[\w:$@.-]*\Z")
_OPENS: Final = re.compile(r"[(\[{][ \t]{0,3}(?:\\?[\"'])?\Z")
_TYPE: Final = r"(?:string|str|text|bytes?|s|value|val|some|just|ok|of|new|varchar|char|symbol|data|plain|secretstring|content|default|current)"
_SIGNS: Final = r"[^\w\"'\n,;]{1,12}"
_QUOTED: Final = r"(?:\\{0,3}\"(?P<double>[^\"\\\n]{3,300})\\{0,3}\"|\\{0,3}'(?P<single>[^'\\\n]{3,300})\\{0,3}')"
_RULES: Final = (
    # ["password"]=>\n  string(11) "x", s:8:"password";s:11:"x", "password": {"value": "x"}, password = Some("x")
    rule(
        rf"(?i){_NAME}[^\w\"'\n]{{0,12}}(?:\n[ \t]{{0,40}})?(?:\\{{0,3}}[\"'])?{_TYPE}(?:\\{{0,3}}[\"'])?[^\w\"'\n]{{1,6}}(?:\d{{1,4}}[^\w\"'\n]{{1,4}})?{_QUOTED}",
        lines=1,
    ),
    # {password,<<"x">>}, (password . "x"), :db/password "x", password ~> "x"
    rule(rf"(?i){_NAME}{_SIGNS}{_QUOTED}"),
    rule(rf"(?i){_NAME}(?P<pair>),[^\w\"'\n]{{0,6}}{_QUOTED}[^\w\"'\n]{{0,4}}[)\]}}]"),
)
_LABEL: Final = re.compile(r"(?i)secret|token|key|cred\w*")
"""Before a name of a thing, `secret "db-creds" not found`, these words name its kind."""
_LONGEST: Final = 60
"""Characters of a name before its last word."""
_OTHER: Final = re.compile(
    r"(?i)https?://.*|/[\w./-]+|[\w.-]+\.(?:ya?ml|json|txt|pem|key|crt|conf|env|py|js)|[a-z]+(?:_[a-z]+)+|[A-Z]+(?:_[A-Z]+)+"
)


def find_named_literals(text: str, is_name: Callable[[str], bool]) -> Iterator[SecretSpan]:
    """Yield every text in quotes that is the value of a secret's name."""
    for match in matches(text, _RULES):
        group = "double" if match["double"] is not None else "single"
        if _is_value_of_a_name(text, match, group, is_name) and _is_secret(match[group]):
            yield SecretSpan(*match.span(group))


def _is_value_of_a_name(text: str, match: re.Match[str], group: str, is_name: Callable[[str], bool]) -> bool:
    start = _NAME_START.search(text, max(0, match.start() - _LONGEST), match.start())
    head = start[0] if start else ""
    if "pair" in match.groupdict() and not _OPENS.search(text, max(0, match.start() - 80), match.start() - len(head)):
        return False
    between = text[match.end("name") : match.start(group)]
    if not head and _LABEL.fullmatch(match["name"]) and not between.strip(" \t\\\"'"):
        return False
    return is_name(re.split(r"[:$@/]", head + match["name"])[-1])


def _is_secret(value: str) -> bool:
    if is_reference(value) or is_reason(value) or _OTHER.fullmatch(value):
        return False
    return is_shown_password(value) or " " not in value or is_passphrase(value)
