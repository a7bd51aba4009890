"""Finds what a text claims to be a password: after `is`, a colon, an arrow or in quotes, up to the end of the clause.

Here the question is not whether the value looks like a password. Any words may be one, so everything in its place is
hidden that states nothing about passwords and is no code, path or reference.
"""
# ruff: noqa: E501, RUF001  (signs of many languages; a pattern broken over lines is harder to compare with what it matches)

import re
from collections.abc import Iterator
from typing import Final

from evolve.core.cases.claim_words import (
    BREAKS,
    CHANGES,
    COMPLEMENTS,
    COPULAS,
    ENDINGS,
    UNDIVIDED_COPULAS,
    WEAK_COPULAS,
    WEAK_IN,
)
from evolve.core.cases.oddness import oddness
from evolve.core.cases.password_cues import PasswordCue, lines_with_cues
from evolve.core.cases.said_of_secrets import is_expression, is_message, is_reference_or_path, states_something
from evolve.core.cases.secret_shapes import FILL, SecretSpan

_SIGN: Final = r"(?:[?？؟](?=[ ]?\S)|:=|=>|->|→|⇒|==?|(?<=[ \t])-(?=[ \t])|[::](?!//)|[—–](?= ))"
_CONNECTOR: Final = re.compile(
    rf"(?i)[\"'`»”*_\])]{{0,4}}(?:[ \t]{{1,2}}\([^()\n]{{1,30}}\))?(?:[ \t]+(?:wi-?fi|wlan|vpn|nas|server|admin|root|router))?"
    rf"(?P<for>(?:(?:[ \t]+|(?<=\w)'s[ \t]+){COMPLEMENTS}(?=[ \t])(?:[ \t]+[^\s:=;!?,→]{{1,40}}){{0,5}}?)?)"
    rf"(?:[ \t]{{0,20}}(?P<sign>{_SIGN})[ \t]{{0,20}}|[ \t]+(?P<copula>{COPULAS})(?:[ \t]*[::][ \t]*|[ \t]+|(?=[\"'«“„]))|(?P<next>[ \t]+(?=[\"'«“„`「『(])|[ \t]*(?=[「『«]))"
    rf"|[ \t]+(?P<weak>{WEAK_COPULAS})(?:[ \t]+|(?=[\"'«“„]))|[ \t]*(?P<undivided>{UNDIVIDED_COPULAS})[ \t]*[::]?[ \t]*)"
)
_UNDIVIDED_CONNECTOR: Final = re.compile(
    rf"[^\s,。,;!?::「『\w]{{0,2}}(?P<undivided>{UNDIVIDED_COPULAS})[ \t]*[::]?[ \t]*"
)
_WITH_OWNER: Final = re.compile(
    rf"(?i)(?:,?[ \t]+[^\s:=;!?.→\"']{{1,30}}){{1,5}}?(?:[ \t]{{0,3}}(?P<sign>{_SIGN})[ \t]{{0,3}}|[ \t]+(?P<copula>{COPULAS})[ \t]+|(?P<next>[ \t]+(?=[\"'«“„`「『])))(?P<for>)"
)
_ENGLISH: Final = re.compile(r"(?i)pass(?!wort|ord)|pw|psk|pin(?!ul)|secret|safe|magic|otp|p/w")
_VERB_LAST: Final = re.compile(r"[\u0370-\u052f\u0590-\u06ff\u0900-\u0eff\uac00-\ud7af]")
"""Scripts of languages in which the password often follows its name at once."""
_ELEMENT: Final = re.compile(r"(?:[\"'][^<>\n]{0,80})?>[ \t]*([^<>\n]{2,200}?)[ \t]*</")
_LISTED: Final = re.compile(r"[\"'][ \t]*,[ \t]*[\"']([^\"'\n]{3,200})[\"']")
"""The value of an option in a command that is written as a list: `["--requirepass", "x"]`."""
_JOINED: Final = re.compile(r"(?<=[\u3040-\u30ff\u3400-\u9fff])[ \t]?([A-Za-z0-9][\w!#$%&*.-]{3,60})(?![\w/:])")
"""A word of Latin letters right after a word for password in Chinese or Japanese."""
_BARE: Final = re.compile(r"[ \t]+([^\W\d_]{4,30})(?=[ \t]*(?:[.,;!?]|$|\n)|[ \t])")
_NUMBER: Final = re.compile(r"(?:[ \t]+[^\W\d_]{2,15}){0,2}[ \t]*[:：]?[ \t]+(\d{4,10})(?![\w:/%-]|[.,]\d)")
"""A number right after a word for a code, or after what it opens."""
_QUOTED: Final = re.compile(
    r"(?P<mark>\\?(?:\"\"\"|'''|[\"'`]))(?P<text>(?:(?!(?P=mark))[^\n]){1,300})(?P=mark)(?!\w)|[«“„「『‘](?P<other>[^»”“」』’\n]{1,300})[»”“」』’]"
)
_NAMES: Final = re.compile(
    r"(?i)(?:user|account|login|host|server|database|role|username|benutzer|konto|utilisateur|usuario)\Z"
)
_INSIDE: Final = re.compile(r"\(([^()\n]{3,60})\)")
_ANNOUNCED: Final = re.compile(
    r"(?:[^\W_]{1,12}[ ]){1,3}[^\W\d_]{3,12}:[ \t]+(?=\S)|(?:this|the following|as follows|folgendes|lo siguiente|le suivant)[ \t]?:[ \t]*"
)
"""`is four words: umbrella ...`"""
_TAIL: Final = re.compile(r"[\s.,;:!?'\"*_`)\]}]+\Z")
_NEXT_NAME: Final = re.compile(r"[ \t]+(?:--?[A-Za-z]|[\w.-]{1,40}[=:](?=\S|\s)|#[ \t]|//[ \t])|[ \t]+\|")
_START: Final = re.compile(
    r"[ \t]*(?:(?:[-+*#>!]|export|set|env|let|var|const|string|//|;)[ \t]*){0,3}[\w.$\[\]\"'/-]{0,60}\Z", re.IGNORECASE
)
_MOST_WORDS: Final = 10
_FEW_WORDS: Final = 5
_SHORTEST_NUMBER: Final = 4
_FAR: Final = 300
"""Characters after a word for password that are read: more than any passphrase has."""
_MOST_CUES: Final = 8
"""Words for password that may be inside what one of them claims: a text of nothing else is read once, not for each."""
_WORD: Final = re.compile(r"\S+")
_LONGEST: Final = 120
_SET_TO: Final = re.compile(
    r"(?i)(?:auf|to|à|a|en|per|in|на)[ \t]+(?P<value>\S{3,40})[ \t]+(?:gesetzt|geändert|umgestellt|changed|set|changé|mis|cambiado|cambiada|mudei|cambiato|сменил\w?|поменял\w?)(?![^\W\d_])"
)
_SPEAKS_OF_ACCOUNT: Final = re.compile(r"(?i)user|login|account|mail|wi-?fi|ssid|host|admin|root|server|zip|[\"'`]")
_CHANGE: Final = re.compile(
    r"(?i)(?<![^\W\d_])(?:from|von|de|da|desde|с|z|fra|från|van)[ \t]+(?P<old>\S[^\n,;]{1,60}?)[ \t]+(?:to|in|auf|zu|à|en|a|para|per|на|til|till|naar|na)[ \t]+(?P<new>\S[^\n,;]{1,60})"
)


def find_claimed_values(text: str) -> Iterator[SecretSpan]:
    """Yield what the text claims to be a password."""
    for start, end, cues in lines_with_cues(text):
        yield from _before(text, start, cues[0].start if cues else start, end)
        is_named = False
        for number, cue in enumerate(cues):
            is_named = is_named or cue.kind != "same"
            if is_named and _is_whole(text, cue, start, end):
                far = cues[number + _MOST_CUES].start if number + _MOST_CUES < len(cues) else end
                yield from _claims(text, cue, start, min(end, far, cue.end + _FAR))


def _before(text: str, start: int, cue: int, end: int) -> Iterator[SecretSpan]:
    """Yields the passwords before the first word for one, where a change of it is spoken of."""
    yield from (SecretSpan(*one.span("value")) for one in _SET_TO.finditer(text, start, end))
    change = _CHANGE.search(text, start, cue) if CHANGES.search(text, start, cue) else None
    if change and not states_something(change["old"]):
        yield SecretSpan(*change.span("old"))


def _is_whole(text: str, cue: PasswordCue, start: int, end: int) -> bool:
    """Whether a word is not the start of a longer one; `pass` counts only where accounts are spoken of."""
    following = text[cue.end : cue.end + 1]
    if following.isalpha() and following.isascii():
        return False
    return cue.kind != "short" or _SPEAKS_OF_ACCOUNT.search(text, start, end) is not None


def _claims(text: str, cue: PasswordCue, start: int, end: int) -> Iterator[SecretSpan]:
    change = _CHANGE.search(text, cue.end, min(end, cue.end + _LONGEST))
    if change and len(text[cue.end : change.start()].split()) <= _FEW_WORDS and not states_something(change["old"]):
        yield SecretSpan(*change.span("old"))
        yield from _clause(text, change.start("new"), end)
    elif element := _ELEMENT.match(text, cue.end, end) or _option(text, cue, start, end):
        if not is_message(element[1]) and FILL not in element[1]:
            yield SecretSpan(*element.span(1))
    elif next_ := _JOINED.match(text, cue.end, end) or _NUMBER.match(text, cue.end, end):
        yield SecretSpan(*next_.span(1))
    elif link := _link(text, cue, end):
        if _is_claim(text, cue, link, start):
            yield from _value(text, cue, link, start, end)
    else:
        yield from _unlinked(text, cue, end)


def _link(text: str, cue: PasswordCue, end: int) -> re.Match[str] | None:
    """Returns what leads from the word to the password: a sign, `is`, `for the NAS:`."""
    link = _CONNECTOR.match(text, cue.end, end) or _UNDIVIDED_CONNECTOR.match(text, cue.end, end)
    if link is None and cue.kind != "code" and not _ENGLISH.match(cue.text):
        link = _WITH_OWNER.match(text, cue.end, end)
    return link


def _is_claim(text: str, cue: PasswordCue, link: re.Match[str], start: int) -> bool:
    if _NAMES.search(text, cue.end, _head_end(link)):
        return False
    is_weak = link.groupdict().get("weak") is not None
    return not is_weak or bool(CHANGES.search(text, start, cue.start) or WEAK_IN.match(cue.text))


def _unlinked(text: str, cue: PasswordCue, end: int) -> Iterator[SecretSpan]:
    """Yields what follows a word of another language without a sign."""
    if cue.kind != "password" or _ENGLISH.match(cue.text):
        return
    if _VERB_LAST.match(cue.text):
        stop = _clause_end(text, cue.end, end)
        if text[cue.end : stop].startswith(" ") and not any(map(states_something, text[cue.end : stop].split())):
            yield from _clause(text, cue.end + 1, end)
        return
    bare = _BARE.match(text, cue.end, end)
    if bare and oddness(bare[1]) and not states_something(text[bare.start(1) : end]):
        yield SecretSpan(*bare.span(1))


def _option(text: str, cue: PasswordCue, start: int, end: int) -> re.Match[str] | None:
    is_option = re.search(r"[\"']-{1,2}[\w-]*\Z", text[max(start, cue.start - 40) : cue.start]) is not None
    return _LISTED.match(text, cue.end, end) if is_option else None


def _head_end(link: re.Match[str]) -> int:
    groups = link.groupdict()
    return min(link.start(name) for name, found in groups.items() if name != "for" and found is not None)


def _value(text: str, cue: PasswordCue, link: re.Match[str], start: int, end: int) -> Iterator[SecretSpan]:
    at, groups = link.end(), link.groupdict()
    quoted = _QUOTED.match(text, at, end)
    if quoted:
        group = "text" if quoted["text"] else "other"
        if not is_message(quoted[group]) and FILL not in quoted[group]:
            yield SecretSpan(*quoted.span(group))
        return
    if groups.get("next") is not None:
        inside = _INSIDE.match(text, at, end)
        if inside:
            yield from _unless_stated(text, *inside.span(1))
        return
    if announced := _ANNOUNCED.match(text, at, end):
        at = announced.end()
    is_assigned = groups.get("sign") not in (None, "—", "–", "-")
    if is_assigned and is_expression(text[at:end]):
        return
    if is_assigned and not groups["for"] and _START.match(text, start, cue.start):
        yield from _rest_of_line(text, at, end)
    elif groups.get("sign") in ("=", ":=", "=="):
        yield from _cell(text, at, end)
    else:
        yield from _clause(text, at, end, is_undivided=groups.get("undivided") is not None)


def _rest_of_line(text: str, at: int, end: int) -> Iterator[SecretSpan]:
    """Yields what is after a name alone at the start of a line: all words, up to a comment or the next name."""
    first = _WORD.match(text, at, end)
    if first and any(map(str.isdigit, first[0])):
        end = first.end()  # no word of a phrase
    stop = _NEXT_NAME.search(text, at, end)
    yield from _unless_stated(text, at, min(end, stop.start() if stop else end))


_ONE: Final = re.compile(r"[^\s,;&|<>\"'`\\)\]}]{1,200}")
_SEVERAL: Final = re.compile(r"[^\s,;(){}\[\]\"'=&]+(?: [^\s,;(){}\[\]\"'=&]+){1,6}(?=[,;}\])])")


def _cell(text: str, at: int, end: int) -> Iterator[SecretSpan]:
    """Yields a value after `=`: one word, or several up to a sign that divides it from the next: `{pw=walking stick, n=4}`."""
    cell = _SEVERAL.match(text, at, end) or _ONE.match(text, at, end)
    if cell:
        yield from _unless_stated(text, at, cell.end())


def _clause_end(text: str, at: int, end: int) -> int:
    name = _NEXT_NAME.search(text, at, end)
    stop = name.start() if name else end
    found = BREAKS.search(text, at, stop)
    return found.start() if found else stop


def _clause(text: str, at: int, end: int, *, is_undivided: bool = False) -> Iterator[SecretSpan]:
    """Yields the rest of a clause."""
    stop = _clause_end(text, at, end)
    if is_undivided and (ending := ENDINGS.search(text, at + 1, stop)):
        yield from _unless_stated(text, at, ending.start())
        return
    words = list(_WORD.finditer(text, at, stop))[:_MOST_WORDS]
    if words:
        yield from _unless_stated(text, words[0].start(), words[-1].end())


def _unless_stated(text: str, at: int, stop: int) -> Iterator[SecretSpan]:
    value = _TAIL.sub("", text[at:stop])
    if value and value[0] not in "{[" and FILL not in value and not states_something(value) and not _is_number(value):
        yield SecretSpan(at, at + len(value))


def _is_number(value: str) -> bool:
    return (value.isdigit() and len(value) < _SHORTEST_NUMBER) or is_reference_or_path(value)


_STATEMENT_END: Final = re.compile(r"[,.;:!?](?=\s|\Z)|\s\(|\s[-–—]\s|\s(?:but|aber|mais|pero|mas|ma|но)\s")


def find_statements(text: str) -> Iterator[SecretSpan]:
    """Yield the clauses that say something about a password: `is stored in the keychain`."""
    for _, end, cues in lines_with_cues(text):
        for cue in cues:
            link = _CONNECTOR.match(text, cue.end, end)
            if link and link.groupdict().get("copula"):
                found = _STATEMENT_END.search(text, link.end(), min(end, link.end() + _FAR))
                stop = found.start() if found else end
                if states_something(text[link.end() : stop]):
                    yield SecretSpan(link.end(), stop)
