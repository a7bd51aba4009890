"""Decides which finds of the rules are no secrets: public keys, code, results of tests, what is said about a password."""
# ruff: noqa: E501  (a pattern broken over lines is harder to compare with what it matches)

import re
from bisect import bisect_right
from collections.abc import Iterable
from typing import Final

from evolve.core.cases.claim_words import has_password_word
from evolve.core.cases.claimed_values import find_statements
from evolve.core.cases.harmless_ids import is_fingerprint, is_public_digest, is_public_key
from evolve.core.cases.said_of_secrets import is_message
from evolve.core.cases.secret_shapes import SecretSpan

_NO_VALUE: Final = re.compile(
    r"[A-Z]\w*<[\w, <>&']+>[,;]?|[A-Z]\w*\[[\w., |\[\]\"']{1,80}\]|[A-Z]\w*\[\w+,?|[A-Z]\w*\([a-z_]+=\d+\)\]?|[A-Z]\w*\.[A-Z_]{3,}\w*|\$_[A-Z]+\[.*|%\(?\w+\)?s?(?:&.*)?|[{\[][\"'\w].*|\$\{.*|!\w+(?: ?[|>]-?)?|"
    r"[,\s]*\[(?:None|null)\b.*|[A-Z_]+:\?\w+|[A-Z]+(?:_[A-Z]+)*_(?:PASS|PASSWORD|PW|PWD|KEY|TOKEN|SECRET)|(?:null|none|nil|true|false|undefined|pass|password)[,;)}]*|"
    r"[\^~v]\d{1,3}\.\d{1,3}\.\d{1,4}(?:-[\w.]{1,20})?|[^\w\s]{1,2}",
    re.DOTALL,
)
"""Types, constants and fields of a request in code, formats, structures, references, versions, single signs."""
_EXPRESSION: Final = re.compile(
    r"(?:str|bytes|string|SecretStr)(?: ?\| ?\w+){0,3} (?:= |\| )|(?:await|new|lambda|async|typeof) \w|(?:self|this|os|env|process|config|settings|request|req|params|forms?|var|data|module)\.[a-z]\w*[\[(.]|"
    r"\w+::\w+\(|[A-Z]\w*\.[a-z]\w*\(|[a-z_]{2,20}\(\w+(?:\.| (?:for|if|or|and)\b|\))|[a-z]\w*(?:\.[a-z]\w*)+ (?:[<>!=]=?|\+|\*|&&|\|\||\?\?) "
)
_NAMES_FOLLOW: Final = re.compile(r"(?:\{\{[ \t]*(?:lookup|query)\([\"']|(?i:unexpected token):?[ \t]+[\"'`]?)\Z")
"""Before the name of a plug-in of Ansible, and before what a parser has found."""
_PLAIN_NAME: Final = re.compile(r"[a-z_]{2,30}(?:\.[a-z_]{2,30}){0,3}|[A-Z_]{2,30}")
_METHOD: Final = re.compile(r"[a-z]\w*(?:\.[A-Za-z_]\w*)+")
_ARGUMENTS: Final = re.compile(r"\((?:\)|[\"'`]|\w{1,40}[,).])")
_TEST_RESULT: Final = re.compile(
    r"(?:\A|\n)[ \t]*(?:PASS|FAIL|XFAIL|XPASS|SKIP)(?:ED)?:?[ \t]+(?=\w{0,40}[Tt]est\w{0,40}|\w{1,40}(?:::|/)\w)"
)
_ARN: Final = re.compile(r"\barn:[a-z-]{2,12}:[\w:/.*+@-]{8,400}")
_KIND: Final = re.compile(r"(?i)(?<![a-z])(?:volume|pod|container|configmap|namespace|service ?account)s?[ \t]+[\"']\Z")
_SECRET_KIND: Final = re.compile(r"(?i)(?<![a-z])secrets?[ \t]+[\"']\Z")
_NOT_THERE: Final = re.compile(
    r"[\"'][ \t]+(?:not found|already exists|does not exist|could not be found|is forbidden|created|configured|deleted|unchanged)\b"
)
"""What a cluster says of an object whose name is in quotes."""
_PASSWORD_BEFORE: Final = re.compile(r"(?i)pass|pwd?\b|\bpin\b|\bcode\b")
_NAME_SHAPE: Final = re.compile(r"[a-z0-9]+(?:[.-][a-z0-9]+)+")
_TAGGED: Final = re.compile(r"!(?:secret|env_var|include\w*|Ref|GetAtt|ImportValue)[ \t]+[\"']?")
"""A tag of YAML before the name of a secret that is kept elsewhere."""
_AFTER_TAG: Final = re.compile(rf"{_TAGGED.pattern}\Z")
_TAGGED_NAME: Final = re.compile(rf"(?:{_TAGGED.pattern})?[A-Za-z_][\w.-]*[\"']?")
_VARIABLE: Final = re.compile(r"\$[A-Z_][A-Z0-9_]{2,}[\"'\\,;)]{0,3}")
_WORDY: Final = r"(?:\d{1,5}|[a-z_-]{2,30}|[A-Z0-9]{2,20}(?:_[A-Z0-9]{2,20}){1,6})"
_FIELD: Final = re.compile(
    rf"(?:mac|bssid)=[0-9A-Fa-f:]{{17}}|(?:rssi|port|channel|freq|pid|uid|gid|seq|ttl|len|size)=-?\d{{1,8}}|"
    rf"(?:reason|status|state|mode|level|proto|method)={_WORDY}|"
    r"WPA\d?[_-](?:PSK|EAP|SAE)[A-Z\d_-]{0,20}|[A-Z]{3,8}\d{5,6}:"
)
"""Fields of a log line that hold no secret, ways to encrypt a network, and codes of errors."""
_REASON: Final = re.compile(r"(?<![\w-])(?:reason|status|state|error_?code)=\Z")
_SWARM_ID: Final = re.compile(r"(?=[a-z]*\d)[a-z0-9]{25}")
_NEXT_COLUMN: Final = re.compile(r"[ \t]{2,}\S")
_CHECKSUM: Final = re.compile(r"checksum/[\w.-]{1,60}[\"']?[ \t]*[:=][ \t]*[\"']?\Z")
"""An annotation of Helm: the digest of a file with secrets."""
_MOUNTED: Final = re.compile(r"(?:kube-api-access|default-token|[a-z0-9-]{2,40}-token)-[a-z0-9]{5}")
"""Names that Kubernetes makes for the volumes of service accounts."""
_METRIC: Final = re.compile(
    r"#[ \t]TYPE[ \t][A-Za-z_:][\w:]*[ \t](?:counter|gauge|histogram|summary|untyped)[ \t\r]*(?=\n|\Z)"
)
"""The line with a metric's type, as Prometheus reads it."""
_VERSION_PAIR: Final = re.compile(r"\"[ \t]*:[ \t]*\"\Z")
_VERSION: Final = re.compile(r"(?:0|[1-9]\d{0,2})(?:\.(?:0|[1-9]\d{0,2})){2}(?:-[\w.]{1,20})?")
"""After its package's name in JSON; the packages of sessions are named `cookie`."""
_BEFORE_RESULT: Final = 20
_LONGEST_EXPRESSION: Final = 200
"""Characters of code that are looked at behind the start of a find: a text without blanks is one long word."""


def without_harmless(text: str, spans: Iterable[SecretSpan]) -> list[SecretSpan]:
    """Return the finds that are secrets."""
    found = [span for span in spans if not _is_harmless(text, span)]
    if not any(text[span.start : span.end].isalpha() for span in found):
        return found
    statements = sorted(set(find_statements(text)))
    starts = [one.start for one in statements]

    def is_said(span: SecretSpan) -> bool:
        at = bisect_right(starts, span.start)
        return at > 0 and span.end <= statements[at - 1].end and text[span.start : span.end].isalpha()

    return [span for span in found if not is_said(span)]


def _is_harmless(text: str, span: SecretSpan) -> bool:
    word = text[span.start : span.end]
    if is_public_key(text, span.start) or is_fingerprint(text, span) or is_public_digest(text, span):
        return True
    if _NO_VALUE.fullmatch(word) or _VARIABLE.fullmatch(word) or _FIELD.fullmatch(word):
        return True
    if _is_object(text, span, word) or _is_test(text, span.start) or _is_code(text, span):
        return True
    after = text[span.end : span.end + 2]
    if word.isalpha() and after[:1] == "=" and word.isascii():
        return True  # the name of the next value
    if word.isalpha() and word[0].isupper() and after[:1] == "<" and after[1:].isalpha():
        return True  # a type: `Promise<string>`
    return (word.isalpha() or not word.isascii()) and is_message(word)


def _is_object(text: str, span: SecretSpan, word: str) -> bool:
    """Whether the text around a place shows that the name or the id of an object is there."""
    start_of_line = text.rfind("\n", 0, span.start) + 1
    near = max(0, span.start - _BEFORE_RESULT)
    metric = _METRIC.match(text, start_of_line)
    if _is_in_arn(text, span) or (metric is not None and span.end <= metric.end()):
        return True
    if _TAGGED_NAME.fullmatch(word) and (_TAGGED.match(word) or _AFTER_TAG.search(text, near, span.start)):
        return True
    if _PLAIN_NAME.fullmatch(word) and _NAMES_FOLLOW.search(text, near, span.start):
        return True
    if _CHECKSUM.search(text, max(0, span.start - _LONGEST_EXPRESSION), span.start):
        return True
    if _SWARM_ID.fullmatch(word) and span.start == start_of_line and _NEXT_COLUMN.match(text, span.end):
        return True
    if _MOUNTED.fullmatch(word) and text[near : span.start].rstrip(" \t\"'")[-1:] not in (":", "="):
        return True
    if _VERSION.fullmatch(word) and _VERSION_PAIR.search(text, near, span.start):
        return True
    if re.fullmatch(_WORDY, word) and _REASON.search(text, near, span.start):
        return True
    return _is_named_object(text, span, word)


def _is_named_object(text: str, span: SecretSpan, word: str) -> bool:
    """Whether a cluster's message names an object: `volume "x"`, `secret "x" not found`."""
    near = max(0, span.start - _BEFORE_RESULT)
    if not _NAME_SHAPE.fullmatch(word) or _PASSWORD_BEFORE.search(text, max(0, near - _BEFORE_RESULT), span.start):
        return False
    if _KIND.search(text, near, span.start):
        return True
    return _SECRET_KIND.search(text, near, span.start) is not None and _NOT_THERE.match(text, span.end) is not None


def _is_in_arn(text: str, span: SecretSpan) -> bool:
    """Whether a place is inside the name of an object of AWS, also of a secret: the name opens nothing."""
    start = text.rfind("arn:", max(0, span.start - _LONGEST_EXPRESSION), span.start)
    found = _ARN.match(text, start) if start >= 0 else None
    return found is not None and len(text[span.start : span.end].rstrip("\"'])}>,;")) + span.start <= found.end()


def _is_test(text: str, at: int) -> bool:
    """Whether the result and the name of a test are there: `PASS: test_login`."""
    found = _TEST_RESULT.finditer(text, max(0, at - _BEFORE_RESULT), at + _BEFORE_RESULT)
    return any(match.end() == at for match in found)


def _is_code(text: str, span: SecretSpan) -> bool:
    """Whether an expression begins there, or a variable for a password is there: `await hash(`, `adminPassword`."""
    if text[max(0, span.start - 1) : span.start] in ("'", '"', "`"):
        return False
    word = text[span.start : span.end].rstrip(",;)")
    if _METHOD.fullmatch(word) and _ARGUMENTS.match(text, span.end):
        return True
    is_name = word.isidentifier() and word.isascii() and not word.islower() and not word.isupper()
    end = span.start + _LONGEST_EXPRESSION
    return _EXPRESSION.match(text, span.start, end) is not None or (is_name and has_password_word(word))
