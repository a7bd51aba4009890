"""Finds a secret whose name is the header of a block, a comment or a path: `variable "db_password" { default = "x" }`."""
# ruff: noqa: E501  (a pattern broken over lines is harder to compare with what it matches)

import re
from collections.abc import Iterator
from typing import Final

from evolve.core.cases.cued_rules import cued_text, lines_from, rule
from evolve.core.cases.element_places import element_oddness
from evolve.core.cases.line_elements import elements_of
from evolve.core.cases.password_cues import cues_of
from evolve.core.cases.said_of_secrets import is_expression, is_message, is_reference_or_path, states_something
from evolve.core.cases.secret_shapes import FILL, SecretSpan

_OTHER: Final = rule(
    r"(?i)(?<![A-Za-z])(?:secret|token|credentials?|(?:api|access|private|auth|signing|encryption|master)[_-]?key)s?(?![A-Za-z])"
)
"""Further names of secrets in the headers of blocks."""
_HEADER: Final = re.compile(
    r"[\"'>_\d\w-]{0,20}?[\"'>]{0,2}[ \t]*(?:\([^()\n]{0,20}\)[ \t]*)?(?P<sign>\{|:|=|=>|>)?[ \t]*(?:[!&][\w:/.+-]{0,30}[ \t]*){0,2}(?P<block>[|>][\d+-]{0,2})?[ \t]*\r?(?=\n)"
)
"""The rest of a line whose block has the value."""
_FIELD: Final = re.compile(
    r"""(?i)[ \t]*(?:-[ \t]+)?[<"']?(?:default|value|content|contents|data|text|string|plaintext|plain|secret_?string|literal|val|current|raw|body|stringvalue|v)["'>]?[ \t]*(?:=>|[:=]|(?<=>))[ \t]*(?:"(?P<double>[^"\n]{2,300})"|'(?P<single>[^'\n]{2,300})'|(?P<bare>[^\s"'{}\[\]<>|&!][^"'{}\[\]<>\n]{1,200}))"""
)
_LINES: Final = 8
_ALONE: Final = re.compile(r"[^\s:={}\[\]<>-][^:={}\[\]<>\n]{2,80}")
_PAIR: Final = re.compile(r"[\w.\"'-]{1,40}[ \t]{0,3}[:=](?:\s|\Z)")
_COMMENT: Final = re.compile(r"(?:[ \t](?:#|//|--|;)|/\*|<!--|\()[^\n\"'`]{0,40}?\Z")
_COMMENT_WORDS: Final = 50
_QUOTED: Final = re.compile(r"[\"'`]([^\"'`\n\\]{4,80})(?:\\[rn]){0,2}[\"'`]")
_COMMAND: Final = rule(
    r"(?i)(?:--?|\b)[\w-]{0,30}(?:pass|passwd|password|secret|token|key|cred\w*)[\w-]{0,10}?[_-](?:command|cmd|eval)[\"']?[ =:]{1,3}[\"']?(?:(?:ba)?sh -c[ \t]+[\"'\\]{0,2})?(?:echo|printf)[ \t]+(?:-\w+[ \t]+|'?%s(?:\\n)?'?[ \t]+)?[\"'\\]{0,2}([^\"'\n|;&]{2,100}?)[\"'\\ \t]*(?=[\"'|;&\n]|\Z)"
)
_SEGMENT: Final = re.compile(r"(?<=/)(?=[^/\s]*\d)[A-Za-z0-9_.~=-]{8,}|(?<=/)(?=[A-Z]*\d?)[A-Z0-9]{8,}")
_HOOK_URL: Final = rule(r"(?i)https?://[^\s\"'<>]{0,200}?hook[^\s\"'<>]{1,300}")
_WORDS: Final = (
    rule(
        r"(?i)\b(?:OPER|IDENTIFY|GHOST|RECOVER|REGAIN)[ \t]+[\w.@-]{1,30}[ \t]+([^\s]{3,100})[ \t]*\r?(?=$|\n)", lines=0
    ),
    rule(r"(?i)\bbind\b[^\n]{0,120}?\bsimple(?:[ \t]+|[ \t]*[=:][ \t]*)[\"']?([^\s\"']{3,100})"),
    rule(
        r"(?i)(?:maiden name|security answer|first pet|secret answer)[^\n=:]{0,30}?(?:=|:|\bis\b|\bwas\b)[ \t]*[\"']?([^\n\"',;.]{3,60})"
    ),
    rule(
        r"(?i)(?:guard|pairing|confirmation|verification|one[ -]time|login|auth\w*|2fa|mfa|sms)[ -]code(?:[ \t]+is)?[ \t]*[:=]?[ \t]+[\"']?((?=\w*\d)[A-Z\d]{4,10})\b"
    ),
    rule(r"(?i)\b(?:secret|password)[ \t]+(?:level|privilege)[ \t]+\d+[ \t]+(?:\d[ \t]+)?(\S{3,100})"),
    rule(
        r"(?im)^[ \t]*(?:radius|tacacs|aaa|key chain|ntp|ip|crypto|neighbor|isis|ospf)\S*[ \t][^\n]{0,80}?\bkey[ \t]+(?:[057][ \t]+)?(\S[^\n]{2,60}?)[ \t\r]*$"
    ),
    rule(r"(?i)\bkey[ \t]+[\"'`]?([^\W_]{5,40})[\"'`]?[ \t]+(?:to|for)[ \t]+(?:open|unlock|decrypt|start)"),
    rule(
        r"\b(?i:get|log|sign)(?i:s|ged|ned)?(?: back)?[ -]?(?i:in)(?: again)? with (?!Google|Git|Facebook|Apple|Microsoft|Okta|Amazon|Azure|Entra|Active|Kerberos|Keycloak|Linked|Twitter|Slack|Discord|Steam|Face|Touch|Windows|Auth|Duo|Yubi|Smart|Single|Your|The|This|That)([A-Z][a-z]{3,20})(?=[.,;]|[ ](?:now|and (?:has|must|should|then|change)|until|for now|but|or\b))"
    ),
    rule(
        r"(?i)\b(?:NTLM|NT|LM|NTHash|LMHash)(?:[ _-]?hash)?[ \t]*[:=][ \t]*(?:[0-9a-f]{32}:)?([0-9a-f]{32})(?![0-9a-f])"
    ),
    rule(
        r"(?i)\b(?:wi-?fi|wlan|network|guests?)\b[^\n]{0,60}?\b(?:code|key|pass(?:word|code|phrase)?)[ \t](?:is|=|:)[ \t]+((?:[^\W\d_]+[ ]){1,5}\d{1,6})\b"
    ),
    rule(r"\bsecret,(?:[\w-]{1,20}=[^,\s]{0,60},){0,4}data=([^,\s\"']{3,200})"),
    rule(r"AT\+\w{2,12}=\"[^\"\n]{0,60}\",\"([^\"\n]{3,100})\""),
    rule(
        r"\b(?:rclone[ \t]+obscure|mkpasswd|caddy[ \t]+hash-password[ \t]+(?:-p|--plaintext)|doveadm[ \t]+pw[ \t]+-p|wpa_passphrase[ \t]+\S{1,40})[ \t]+[\"']?([^-\s\"'][^\s\"']{2,100})"
    ),
    rule(r"(?m)^(?:[^\s>]{0,12}>[ \t]*)?PASS[ \t]+(\S[^\n\r]{2,60})"),
    rule(r"(?m)(?:^|[ \t])\w{2,10}>[ \t]*(?:pass|PASS|password)[ \t]+(\S{3,100})"),
    rule(
        r"(?i)\b(?:safe|lock(?:er|box)?|door|gate|alarm|vault|padlock|bike|suitcase|tresor|schloss|coffre|cadenas|caja fuerte|candado)\b[^\n]{0,40}?\b(?:with|code|combination|pin|is|to|ist|mit|est|avec|es|con)\b[ :]{1,2}(\d[\d -]{2,12}\d)(?![\w:/])"
    ),
    rule(
        r"(?i)(?<![\w-])(?:user|login|account|name)[ \t]+[\w.@-]{1,40}[ \t]+(?:pass|pw|pwd|password|passwd|key)[ \t]+(\S{4,100})"
    ),
    rule(
        r"(?i)(?:type|kind|name|key)=[\"']?[\w.-]{0,30}(?:secret|password|passwd|token)[\"']?(?=[ \t])[^\n]{0,60}?[ \t](?:value|val|data|v)=[\"']?([^\s\"']{3,200})"
    ),
    rule(r"(?i)answer to [\"'“][^\"'”\n]{3,60}[\"'”] (?:is|was) [\"'“]?([^\n\"'”.,;]{3,60})"),
    rule(r"(?i)\bAUTH (?:LOGIN|PLAIN) (?:challenge|response)[^\n:]{0,20}:[ \t]*[\"'](\S[^\"'\n]{2,100})[\"']"),
    rule(
        r"(?i)(?:^|[?&;\s\"'])(?:u|usr|user|username|usuario|login|log|name|email|mail|id|uid)=[^&\s]{1,60}&(?:p|pw|pass|pwd|psw|key|secret|code|k)=([^&\s#\"']{3,100})"
    ),
    rule(r"(?m)(?:^|[:])[ \t]*\"[\w.@-]{1,40}\"[ \t]+(?:\*[ \t]+)?\"([^\"\n]{4,80})\"[ \t]*\r?(?=$|\n)", lines=0),
    rule(r"(?im)\bsecret[ \t]+\"([^\W\d_]{4,40})\"[ \t]*\r?(?=$|\n)", lines=0),
    rule(
        r"(?i)\b(?:set|change|update)[ \t]+(?:secret|password|passwd|key|pw)[ \t]+[\w.@-]{1,30}[ \t]+[\"']?([^\s\"']{4,80})[\"']?(?=[\"']?[ \t]*(?:\r|\n|\Z))"
    ),
    rule(r"(?i)(?:secret|security) question[^\n]{0,100}?\banswer[ \t]*(?:[:=]|is)[ \t]*[\"']?([^\n\"'.,;]{3,60})"),
    rule(
        r"(?i)\bsecret[ \t]+'([^\W\d_]{4,40})'(?![ \t]+(?:not|is|was|missing|in|does|has|could|already|exists|created|deleted|updated|found))"
    ),
    rule(
        r"(?i)(?<![\w-])(?:u|usr|user|username|login)=[^&\s,;]{1,60}[ \t,;]{1,2}(?:p|pw|pass|pwd|psw)=([^&\s#\"',;)]{3,100})"
    ),
    rule(r": (?=[^\s:/]{0,60}[A-Z])(?=[^\s:/]{0,60}[\d!@#$%^&*])([^\s:/]{6,60}): command not found"),
    rule(r"(?i)\bpair(?:ing|ed)?\b[^\n]{0,40}?\b(?:enter|type|code|pin|is|with)\b[ \t:=]{1,3}(\d{4,8})\b"),
)


def find_block_secrets(text: str) -> Iterator[SecretSpan]:
    """Yield every value whose name is in a header or a comment."""
    cued = cued_text(text)
    names = [(cue.start, cue.end) for cue in cues_of(text)] + [match.span() for match in cued.matches(_OTHER)]
    for start, end in names:
        if header := _HEADER.match(text, end):
            yield from _fields(text, header, text.rfind("\n", 0, start) + 1)
        yield from _before_comment(text, start)
    for one in _WORDS:
        yield from (SecretSpan(*match.span(1)) for match in cued.matches(one) if not states_something(match[1]))
    for match in cued.matches(_COMMAND):
        if not is_reference_or_path(match[1]):
            yield SecretSpan(*match.span(1))
    for url in cued.matches(_HOOK_URL):
        yield from (SecretSpan(*part.span()) for part in _SEGMENT.finditer(text, *url.span()))


def _before_comment(text: str, start: int) -> Iterator[SecretSpan]:
    """Yields the text in quotes before a comment that has a word for password."""
    comment = _COMMENT.search(text, max(start - _COMMENT_WORDS, text.rfind("\n", 0, start) + 1), start)
    if comment:
        yield from _commented(text, comment.start())


def _fields(text: str, header: re.Match[str], start_of_line: int) -> Iterator[SecretSpan]:
    """Yields the fields named value or default below a header with more indentation, up to the block's end."""
    first = text[start_of_line : header.start()]
    indent = len(first) - len(first.lstrip(" \t"))
    if "=" in first:
        return
    for start, end in lines_from(text, header.end() + 1, _LINES):
        line = text[start:end]
        body = line.lstrip(" \t")
        if not body or (len(line) - len(body) <= indent and body[0] not in "\"'<- "):
            return
        if header["block"] or (header["sign"] == ":" and _ALONE.fullmatch(body)):
            yield from _line(text, start + len(line) - len(body), end, is_literal=header["block"] is not None)
            continue
        field = _FIELD.match(text, start, end)
        if field:
            group = field.lastgroup or "bare"
            value = field[group].rstrip(" \t\r,;")
            if (
                value
                and FILL not in value
                and not is_expression(value)
                and not (is_message if group != "bare" else states_something)(value)
                and len(value) > 2
            ):
                yield SecretSpan(field.start(group), field.start(group) + len(value))


def _line(text: str, start: int, end: int, *, is_literal: bool) -> Iterator[SecretSpan]:
    """Yields a line of a block. In a literal block any words may be the secret, unless they clearly are a message."""
    value = text[start:end].rstrip(" \t\r")
    is_said = is_message if is_literal else states_something
    if FILL not in value and not _PAIR.match(value) and not is_said(value) and not is_expression(value):
        yield SecretSpan(start, start + len(value))


def _commented(text: str, at: int) -> Iterator[SecretSpan]:
    """Yields the text in quotes before a comment that names it: `send "x"  # password`."""
    start = text.rfind("\n", max(0, at - 300), at) + 1
    found = list(_QUOTED.finditer(text, max(start, at - 300), at))
    for one in found[-1:]:
        odd = any(not part.is_sign and element_oddness(part) for part in elements_of(one[1]))
        if odd and not is_message(one[1]):
            yield SecretSpan(*one.span(1))
