"""Finds secrets by the name next to them: `PASSWORD=x`, `"token": "x"`, `--secret x`, `Authorization: x`.

All repetitions in the patterns are bounded, so that hostile text of megabytes cannot make them slow.
"""
# ruff: noqa: E501  (a pattern broken over lines is harder to compare with what it matches)

import re
from collections.abc import Iterator
from typing import Final

from evolve.core.cases.claim_words import is_password_name
from evolve.core.cases.cued_rules import matches, remembered, rule
from evolve.core.cases.secret_layouts import find_layout_secrets
from evolve.core.cases.secret_shapes import SecretSpan
from evolve.core.cases.secret_words import FOREIGN_WORDS, is_reason, is_sentence, looks_made

_WORDS: Final = (
    r"(?:pass(?:word|wd|phrase|code)|pwd|pswd|psswd|paswd|pasword|passwrd|pswrd|authentication_string|secret(?:[_-]?(?:access[_-]?)?key|[_-]?id)?|token|"
    r"(?:api|access|private|auth|account|encryption|signing|master|shared[_-]?access|storage)[_-]?key(?:[_-]?id)?|"
    r"shared[_-]?access[_-]?signature|credentials?|authorization|signature|jwt|passw|"
    rf"psk|wep[_-]?key|requirepass|root[_-]?pw|pre[_-]?shared[_-]?key|passin|{FOREIGN_WORDS})"
)
_SHORT_WORDS: Final = r"(?:pass|pw|pswd|pin|puk|otp|creds?|auth|cookie|session(?:[_-]?(?:id|key|token))?|sig|sid)"
"""Words that count only by themselves or after `_`, `-` or `.`, because of words such as `bypass` and `compass`."""

_NAME: Final = rf"(?:(?:[A-Za-z_][\w.-]{{0,60}}?)?{_WORDS}|(?:[A-Za-z_][\w.-]{{0,60}}?[_.-])?{_SHORT_WORDS})\d{{0,3}}"
_IS_NAME: Final = re.compile(_NAME, re.IGNORECASE)
_QUOTE: Final = r"(?:\\{0,8}[\"'`])"
"""A quote, also in nested JSON texts, where each level adds backslashes."""

_ASSIGNED: Final = rule(
    rf"(?P<name>{_WORDS}|(?<![A-Za-z0-9]){_SHORT_WORDS})\d{{0,3}}(?:{_QUOTE})?\]?[ \t]{{0,20}}"
    rf"(?P<sep>=>|:=|==?|[::](?!//))[ \t]{{0,20}}(?:Some\(|[bNru](?=[\"'])|)(?:(?:Basic|Bearer|Digest|Token|ApiKey|Negotiate)[ \t]{{1,3}})?"
    rf"(?P<quote>{_QUOTE})?",
    re.IGNORECASE,
)
"""Matches from the last word of a name: a search for whole names would try sixty lengths at each letter of a text."""

_FLAG: Final = rule(rf"(?<![\w-])--?{_NAME}[ \t]{{1,3}}(?P<quote>{_QUOTE})?(?=[^\s-])", re.IGNORECASE)
_PAIR: Final = rule(
    rf"[\"'](?:name|key)(?:{_QUOTE})[ \t]{{0,3}}:[ \t]{{0,3}}(?:{_QUOTE}){_NAME}(?:{_QUOTE})\s{{0,40}},\s{{0,40}}"
    rf"(?:{_QUOTE})value(?:{_QUOTE})[ \t]{{0,3}}:[ \t]{{0,3}}(?P<quote>{_QUOTE})?",
    re.IGNORECASE,
    lines=10,
)
_COOKIE: Final = rule(
    rf"(?<![\w-])(?:set-)?cookie2?(?:{_QUOTE})?[ \t]{{0,3}}:[ \t]{{0,3}}(?P<quote>{_QUOTE})?(?=[^\n]{{0,4000}}=)",
    re.IGNORECASE,
)
_SCHEME: Final = rule(r"(?<!\w)(?:bearer|basic)[ \t]{1,3}([\w.~+/-]{8,}=*)", re.IGNORECASE)
_NAME_START: Final = re.compile(r"[\w.-]*\Z")
"""The part of a name before the word that `_ASSIGNED` found, such as `DB_` of `DB_PASSWORD`."""

_LINE_START: Final = re.compile(
    rf"(?:\A|[\n{{,;&?(\[\"'`\\])[ \t]*(?:-[ \t]+|export[ \t]+|set[ \t]+|#[ \t]*)?(?:{_QUOTE})?\Z"
)
"""The start of a line, an item, a parameter or a quoted text: `password: x` after it is an assignment."""

_WINDOW: Final = 200
"""Characters before a name that are read to distinguish an assignment from prose: the start of most lines."""

_UNQUOTED: Final = re.compile(
    r"(?:[^\s,;&|<>\"'`\\)\]}]|\\(?:[:=#!]|x[0-9a-fA-F]{2}|[0-7]{3})|[,;&](?=[A-Z\d]\w*(?:\s|\Z))){1,4096}"
)
"""Until a separator or a bracket that closes the text around it."""

_WORD_OF_ENV: Final = re.compile(r"[^\s\"'`]{1,4096}")
"""A whole word, for `NAME=value` alone on a line and for options: there separators are a part of the value."""

_LINE: Final = re.compile(r"[^\n]+")
_UNTIL_QUOTE: Final = {quote: re.compile(rf"[^\n]*?(?={re.escape(quote)}|\n|\Z)") for quote in ('"', "'", "`")}

_NO_SECRET: Final = re.compile(
    r"<(?:secret|id):[0-9a-f]+>.*|<[A-Za-z_ -]+>|\$\{?\w+\}?|\$\(.*|\{\{.*|%\(?\w+\)?s?%?|"
    r"enabled|disabled|required|optional|on|off|basic|digest|ldap|oauth2?|GPIO_?\d+|P[A-K]\d+|[\w.-]{1,60}:/[\w./-]+|null|none|nil|undefined|true|false|yes|no|\*+|x{3,}|\.{3,}|\[?redacted\]?|\d{1,3}|[\[{(].*",
    re.IGNORECASE | re.DOTALL,
)
"""Placeholders, references to variables, words for "nothing", masks, small numbers, and the start of a structure."""

_CODE: Final = re.compile(
    r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+(?:[(\[ ]|\Z)|[A-Za-z_]\w*[(\[]|/(?:[\w.-]+/)+[\w.-]+\Z|[=!<>]=? "
)
_METAVAR: Final = re.compile(r"[A-Z]+(?:_[A-Z]+)*\]?")
"""What a usage line shows for a value: `--password PASSWORD`."""

_MIN_VALUE: Final = 6
"""Characters of a value after `name:` in the middle of a line, where prose is more likely than an assignment."""


@remembered
def is_secret_word(name: str) -> bool:
    """Return whether a value with this name is a secret; stricter than `is_secret_name`."""
    return _IS_NAME.fullmatch(name) is not None or is_password_name(name)


def is_no_secret(value: str) -> bool:
    """Return whether a value with a secret's name is no secret: empty, a reference, `null`, `***`, a placeholder."""
    return not value or _NO_SECRET.fullmatch(value) is not None


def find_named_secrets(text: str) -> Iterator[SecretSpan]:
    """Yield every value next to a secret's name."""
    for pattern, ends in ((_ASSIGNED, None), (_FLAG, _WORD_OF_ENV), (_PAIR, _UNQUOTED), (_COOKIE, _LINE)):
        after = 0
        for match in matches(text, (pattern,)):
            if match.start() < after:
                continue  # inside the previous value
            for span in _value(text, match, ends or _assignment_pattern(text, match)):
                after = span.end
                yield span
    yield from find_layout_secrets(text, is_secret_word)
    for match in matches(text, (_SCHEME,)):
        if looks_made(match[1]):
            yield SecretSpan(*match.span(1))


def _value(text: str, match: re.Match[str], ends: re.Pattern[str] | None) -> Iterator[SecretSpan]:
    if ends is None:
        return
    quote = match["quote"]
    found = (_UNTIL_QUOTE[quote[-1]] if quote else ends).match(text, match.end())
    if found is None:
        return
    value = found[0].rstrip("\\" if quote else " \t\r.")
    if match.re is _FLAG.pattern and _METAVAR.fullmatch(value):
        return
    if (
        not is_no_secret(value.strip())
        and not (is_reason if quote else is_sentence)(value)
        and not (_is_code(value, quote) and not _is_plain_setting(text, match, value))
    ):
        yield SecretSpan(found.start(), found.start() + len(value))


def _is_plain_setting(text: str, match: re.Match[str], value: str) -> bool:
    """Whether it is an option or an environment variable, whose value is no expression: `--db.password=runner.bean`."""
    name = _NAME_START.search(text[max(0, match.start() - _WINDOW) : match.start()])
    whole = (name[0] if name else "") + match[0].split("=")[0].strip()
    return "/" not in value and "(" not in value and "=" in match[0] and (whole.startswith("--") or whole.isupper())


def _is_code(value: str, quote: str | None) -> bool:
    """Whether an unquoted value is an expression or a file: `output.length > 3`, `os.environ[`, `/etc/passwd`."""
    return not quote and _CODE.match(value) is not None


def _assignment_pattern(text: str, match: re.Match[str]) -> re.Pattern[str] | None:
    """Returns the pattern of an unquoted value; None where the text is prose rather than an assignment."""
    before = _NAME_START.sub("", text[max(0, match.start() - _WINDOW) : match.start()], count=1)
    line = before.rpartition("\n")[2]
    if match["sep"] != ":":
        return _UNQUOTED if line.strip().removeprefix("export") else _WORD_OF_ENV
    is_first = _LINE_START.search(before) is not None
    if is_first and re.search(r"pass.|pwd|secret|authorization", match["name"], re.IGNORECASE):
        return _UNQUOTED if "{" in line else _LINE
    if is_first or match["quote"]:
        return _UNQUOTED
    word = _UNQUOTED.match(text, match.end())
    return _UNQUOTED if word and len(word[0]) >= _MIN_VALUE and looks_made(word[0]) else None
