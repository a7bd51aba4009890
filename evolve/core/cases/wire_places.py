r"""Finds secrets in what programs send to each other: SASL, mail, databases, accounts in addresses without a scheme."""
# ruff: noqa: E501  (a pattern broken over lines is harder to compare with what it matches)

import re
from collections.abc import Iterator
from typing import Final

from evolve.core.cases.cued_rules import cued_text, rule
from evolve.core.cases.password_shapes import is_shown_password
from evolve.core.cases.secret_phrases import is_reference
from evolve.core.cases.secret_shapes import SecretSpan
from evolve.core.cases.secret_words import is_sentence

_NUL: Final = r"(?:\x00|\\x00|\\0{1,3}(?!\d)|\\u0000|%00|\^@|␀)"
_HOST: Final = r"(?:\d{1,3}(?:\.\d{1,3}){3}|\[[0-9a-fA-F:]{2,40}\]|localhost|[A-Za-z][\w-]{0,40}(?:\.[\w-]{1,40}){0,6}(?=[:/]\w)|[A-Za-z][\w-]{0,40}(?:\.[\w-]{1,40}){0,5}\.[A-Za-z]\w{1,20})"

_SURE: Final = (
    # RFC 4616: authorization identity, NUL, account, NUL, password
    rule(rf"{_NUL}[\w.@+-]{{1,80}}{_NUL}([^\s\"'\\\x00]{{3,200}})"),
    rule(
        r"(?i)\b(?:mechanism|sasl|auth)\W{1,5}PLAIN\b[^\n]{0,80}?\b(?:response|resp|initial|payload|data)\w{0,12}\W{1,4}([A-Za-z0-9+/=]{8,})"
    ),
    rule(
        r"(?m)(?:->|<-|=>|>>|<<|C:|S:|>|\bsent:?|\bsend:?|\bclient:)[ \t]{0,3}[\"']?PASS[ \t]+([^\r\n\"']{3,100}?)[\"']?(?:\\r\\n|\\n)?[ \t]*\r?$"
    ),
    rule(r"(?im)^[ \t]*com2sec6?[ \t]+(?:-Cn[ \t]+\S+[ \t]+)?[\w.-]{1,40}[ \t]+[\w.:/-]{1,60}[ \t]+([^\s#]{2,100})"),
    rule(
        r"(?im)^[ \t]*(?:trap2?sink|informsink|trapcommunity|authcommunity)[ \t]+(?:\S+[ \t]+)*?([^\s#]{3,100})[ \t]*$"
    ),
    rule(r"(?<![\w*])(\*[0-9A-F]{40})(?!\w)"),
)
"""Places that hold nothing else."""

_LIKELY: Final = (
    rule(rf"(?<=\w):(?!//)([^\s/\"'<>@|,:]{{3,100}}(?:@[^\s/\"'<>@|,:]{{1,60}})?)@{_HOST}"),
    rule(r"(?i)(?:password|passwd|passphrase|secret|credentials?|pwd)\w{0,12}\([ \t]*([^\s()\"',]{4,100})[ \t]*\)"),
    rule(r"(?im)^[ \t]*(?:auth|login|identify|pass)[ \t]+([^\s\"':/]{4,100})[ \t\r]*$"),
    rule(
        r"(?i)(?<![\w./:@-])(?:root|admin(?:istrator)?|ubuntu|debian|centos|pi|sa|sysadmin|postgres|oracle|guest|gast|operator|service|support|manager|superuser|user|test|demo|deploy|ops|cisco|ubnt|monitor)(?:[ \t]{0,3}/{1,2}[ \t]{0,3}|:[ \t]{0,1}|[ \t]\|[ \t])([^\s\"'`/|:,;()<>]{4,100})"
    ),
    rule(
        r"(?i)(?:\b(?:addauth|auth|creds?|credentials?|digest|basic|htpasswd|login)[ \t]+)(?:(?:digest|basic|plain)[ \t]+)?(?!(?:sha|md|blake)\w*:)[\w.@-]{1,40}:([^\s\"':]{3,100})"
    ),
    rule(
        r"(?i)\b(?:echo|printf)(?:[ \t]+-\w+)*[ \t]+[\"']?[\w.@-]{1,40}:([^\s\"'|]{3,100})[\"']?[ \t]*\|[ \t]*(?:openssl|base64|xxd|sha\d+sum|md5sum|tee|nc|htpasswd|mkpasswd|sudo)\b"
    ),
)
"""Places that may hold something else."""
_USER: Final = re.compile(
    r"(?<![\w/@.-])(?!(?i:mailto|sips?|ssh|git|acct|xmpp|email|mail|from|to|user|npm|by|for|cc|rcpt|key|id)\Z)[A-Za-z_][\w.-]{0,40}\Z"
)
"""An account before `:password@host`, and no word for an address."""


def find_wire_secrets(text: str) -> Iterator[SecretSpan]:
    """Yield every secret in such a place."""
    cued = cued_text(text)
    for one in _SURE:
        for match in cued.matches(one):
            if not is_reference(match[1]) and not is_sentence(match[1]):
                yield SecretSpan(*match.span(1))
    for one in _LIKELY:
        for match in cued.matches(one):
            if match[0][0] == ":" and not _USER.search(cued.text, max(0, match.start() - 60), match.start()):
                continue
            if not is_reference(match[1]) and is_shown_password(match[1]) and not _is_name(match[1]):
                yield SecretSpan(*match.span(1))


def _is_name(word: str) -> bool:
    """Whether a word is a name in code, a version, a file or a host."""
    return (
        re.fullmatch(
            r"[a-z]+\d{0,3}|[a-z]+(?:[A-Z][a-z]+)+|[\w.]+\(.*|[a-z_]+|v?\d+(?:\.\d+)+\S*|[\w.-]+\.(?:py|js|ts|php|html?|css|conf|json|ya?ml|log|internal|local|com|org|net|io)",
            word,
        )
        is not None
    )
