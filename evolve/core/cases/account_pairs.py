"""Finds an account and its password next to each other where access is spoken of: `admin / x`, `(anna:x)`, `guest, x`.

The sign between them and the words around decide; the password may be any word. A list below a heading counts too.
"""
# ruff: noqa: E501, RUF001  (signs of many languages; a pattern broken over lines is harder to compare with what it matches)

import re
from bisect import bisect_left
from collections.abc import Iterator
from typing import Final

from evolve.core.cases.access_words import ACCOUNTS, EDGE, METHODS, access_lines, is_account
from evolve.core.cases.claim_words import BREAKS, has_password_word
from evolve.core.cases.cued_rules import cued_text, remembered, rule
from evolve.core.cases.element_places import element_oddness
from evolve.core.cases.line_elements import elements_of
from evolve.core.cases.oddness import oddness
from evolve.core.cases.ordinary_words import words_of
from evolve.core.cases.password_cues import lines_with_cues
from evolve.core.cases.said_of_secrets import is_reference_or_path, states_something
from evolve.core.cases.secret_shapes import FILL, SecretSpan
from evolve.core.cases.text_lines import lines_of

_NAME: Final = r"(?P<mark>[\"'`*_]{0,3})(?P<account>[A-Za-z0-9À-ɏЀ-ӿ぀-ヿ一-鿿가-힣][\w.@+\\-]{1,60})(?P=mark)"
_SIGNS: Final = r"[ \t]{0,4}(?://?|\||／)[ \t]{0,4}|[ \t]{1,4}(?:[-–—]|->|=>|→|with|using|and then|and|und|et|y|och)[ \t]{1,4}|:[ \t]?|[ \t]{0,4}\((?=[`\"'*]?\S+\))"
_PAIR: Final = re.compile(rf"(?<![\w/.@-]){_NAME}(?P<sign>{_SIGNS})(?=[\"'`*_]{{0,3}}\S)")
_LED_PAIR: Final = re.compile(
    rf"[\"'`*]{{0,2}}{_NAME}(?P<sign>{_SIGNS}|,[ \t]{{1,4}}|[ \t]{{1,3}})(?=[\"'`*_]{{0,3}}\S)"
)
"""After a word such as `login` a comma or a blank is enough."""
_BULLET: Final = re.compile(r"[ \t]*(?:[-*+•>|#]|\d{1,2}[.)])?[ \t]*")
_BRACKETS: Final = re.compile(
    r"[(\[{<\"'`][ \t]*(?P<account>[A-Za-zÀ-ɏ][\w.@\\-]{1,40})[\"']?[ \t]{0,2}(?:[:/|]|,[ \t]|[ \t]{1,2})[ \t]{0,2}[\"']?(?P<value>[^\s\"'()\[\]{}<>,;|][^\"'()\[\]{}<>,;|\n]{2,60}?)[\"']?[ \t]*[)\]}>\"'`]"
)
_HASH: Final = re.compile(r"(?<![\w:])(?:[0-9a-fA-F]{32,128}|\$\w{1,10}\$\S{10,200}?):(?P<value>[^\s:]{3,60})(?=\s|\Z)")
_COMBINED: Final = re.compile(
    r"(?<![\w.@+-])(?:[\w.+-]{1,60}@[\w-]{1,60}(?:\.[\w-]{1,30}){1,4}[ \t]{0,4}[:|;][ \t]{0,4}(?P<mail>[^\s:|;/@]{4,60})(?=[ \t]*(?:\Z|\n|\r|[|]))|"
    r"(?:admin|root|pi|guest|ubuntu|administrator|sa|postgres)[:/](?P<account>[A-Za-z][^\s:/|;,@.()<>\"'`]{3,40})(?![\w:/.]))"
)
"""Lists of accounts with passwords: `lea@example.org:x`; accounts that everybody knows: `pi/x`."""
_HEADING_LINES: Final = 6
_MOST_WORDS: Final = 4
_FEW: Final = 2
_PEOPLE: Final = words_of("""
admin root administrator user guest test demo postgres ubuntu pi gast invité invitado ospite tester viewer anna
""")
"""Accounts that are no label of another value, as `service:checkout` is."""
_KEYS: Final = words_of("user username login account name id group email")
"""Names of fields whose value is an account."""
_LEADS: Final = rule(
    r"(?i)(?<![a-z])(?:log(?:ged)?[ -]?(?:in|on)|login|creds?|credentials?|credenzial\w+|credencia\w+|identifiants|zugangsdaten|as|with|auth|enter|als|comme|como|account|sign in)[?:]?[ \t]+(?:is[ \t]+|are[ \t]+|as[ \t]+|LOGIN[ \t]+)?",
    lines=0,
)
_NO_VALUE: Final = re.compile(
    r"(?i)(?:the|a|an|and|or|of|not|is|was|are|has|had|will|can|at|in|on|to|from|for|with|via|by|as|but|so|please|then|it|its|that|which|who|her|his|my|our|your|und|der|die|das|et|le|la|les|y|el|los|e|o|os|il|i|и|в|на|с)\Z"
)


def find_account_pairs(text: str) -> Iterator[SecretSpan]:
    """Yield the passwords next to their accounts."""
    heading = 0
    spoken = {start for start, _, _ in lines_with_cues(text)} | access_lines(text)
    leads = sorted({match.end() for match in cued_text(text).matches(_LEADS)})
    for start, end in lines_of(text):
        if not text[start:end].strip():
            continue
        is_access = start in spoken
        if is_access or heading > 0:
            led = leads[bisect_left(leads, start) : bisect_left(leads, end)]
            yield from _pairs(text, start, end, led, is_listed=heading > 0)
        heading = _HEADING_LINES if is_access and _is_heading(text[start:end]) else heading - 1
        for found in _COMBINED.finditer(text, start, end):
            group = found.lastgroup or "mail"
            is_group = group == "account" and not (_is_odd(found[group]) or found[group][-1].isdigit())
            if not is_group and not is_no_password(found[group]):
                yield SecretSpan(*found.span(group))
        for found in _HASH.finditer(text, start, end):
            yield SecretSpan(*found.span("value"))


def _is_heading(line: str) -> bool:
    shown = line.strip().rstrip("*_ ")
    return len(shown) < 100 and (
        shown.endswith((":", "："))
        or shown.startswith("#")
        or (len(shown.split()) <= _MOST_WORDS and shown.replace(" ", "").isalpha())
    )


def _pairs(text: str, start: int, end: int, led: list[int], *, is_listed: bool) -> Iterator[SecretSpan]:
    bullet = _BULLET.match(text, start, end)
    first = bullet.end() if bullet else start
    for pair in _PAIR.finditer(text, start, end):
        yield from _second(text, pair, end, is_first=is_listed and pair.start() == first, is_led=False)
    for at in [first, *led] if is_listed else led:
        led_pair = _LED_PAIR.match(text, at, end)
        if led_pair:
            yield from _second(text, led_pair, end, is_first=is_listed and at == first, is_led=at in led)
    for pair in _BRACKETS.finditer(text, start, end):
        value = pair["value"]
        if text[pair.end("account") : pair.end("account") + 2] in ('":', "':") and pair["account"].lower() in _KEYS:
            continue  # `{"user": "jonas"}`
        if (
            is_account(pair["account"])
            and (_is_odd(value) or pair["account"].lower() in ACCOUNTS)
            and not is_no_password(value)
        ):
            yield SecretSpan(*pair.span("value"))


def _second(text: str, pair: re.Match[str], end: int, *, is_first: bool, is_led: bool) -> Iterator[SecretSpan]:
    """Yields what follows an account and a sign."""
    sign, account = pair["sign"].strip(), pair["account"]
    if not (is_account(account) or pair["mark"].strip("*_")) or is_reference_or_path(account):
        return
    at, value = _unit(text, pair.end(), end)
    if pair["sign"] == "(" and account.lower() in _KEYS:
        return  # `USER(JONAS)`
    if not value or len(value.split()) > _MOST_WORDS or is_no_password(value) or _NO_VALUE.match(value.split()[0]):
        return
    is_known = account.lower() in ACCOUNTS or "@" in account
    is_odd = _is_odd(value)
    is_slash = sign in ("/", "//", "|", "／") and (pair["sign"] != sign or is_known or pair["mark"] != "")
    holds = {
        "": is_odd and is_led and (is_known or is_first or _is_whole(text, at + len(value), end)),
        ":": is_odd and pair["sign"] == ":" and (is_first or account.lower() in _PEOPLE or oddness(account) > 0),
        ",": is_led and (is_odd or (is_known and len(value.split()) <= _FEW)),
        "(": is_odd or is_known,
        "=>": is_odd,
        "->": is_odd,
    }.get(sign, (is_slash or is_first or (is_led and is_odd)) and (is_odd or is_known or is_first))
    if holds or (is_first and is_odd and sign in ("", ":")):
        yield SecretSpan(at, at + len(value))


def _is_whole(text: str, at: int, end: int) -> bool:
    return not text[at:end].strip(EDGE)


def _unit(text: str, at: int, end: int) -> tuple[int, str]:
    """Returns where the value begins, and the value: up to its quote or the end of the clause."""
    quoted = re.compile(r"(?:[\"'`]|\*{1,2})([^\"'`*\n]{2,100})(?:[\"'`]|\*{1,2})").match(text, at, end)
    if quoted:
        return quoted.start(1), quoted[1]
    stop = BREAKS.search(text, at, end)
    value = re.split(r":(?=\s|\Z)", text[at : stop.start() if stop else end])[0]
    lead = len(value) - len(value.lstrip("\"'`*"))
    return at + lead, value[lead:].rstrip(EDGE)


@remembered
def is_no_password(value: str) -> bool:
    """Return whether a text is something that is said, a way to log in, an address or a number."""
    words = [word.strip(EDGE).lower() for word in value.split()]
    return (
        FILL in value
        or states_something(value)
        or words[-1] in METHODS
        or has_password_word(value)
        or re.search(r"[=:@/\\(]", value) is not None
        or len(value) < 3
        or (value.replace(".", "").isdigit())
    )


@remembered
def _is_odd(value: str) -> bool:
    return any(not one.is_sign and element_oddness(one) for one in elements_of(value.strip(EDGE)))
