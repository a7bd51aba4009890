"""Finds what is near the name of a secret and is no ordinary word: the answer to syntaxes that nobody has listed.

The other rules know where a syntax puts its secret. This one asks the opposite question: near a word for a secret, each
word is hidden that is not known to be harmless. How near depends on how clear the word for the secret is, and how odd
the other word is.
"""
# ruff: noqa: E501, RUF001  (signs and words of many languages; a pattern broken over lines is harder to compare with what it matches)

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from evolve.core.cases.claim_words import has_password_word
from evolve.core.cases.cue_values import BETWEEN, ValueSearch
from evolve.core.cases.cued_rules import remembered
from evolve.core.cases.element_places import (
    AROUND_VALUES,
    COPULAS,
    MOST_WORDS,
    NAMES_FOLLOW,
    element_oddness,
    is_foreign_line,
    is_label,
)
from evolve.core.cases.line_elements import Element, elements_of
from evolve.core.cases.oddness import Oddness
from evolve.core.cases.ordinary_words import words_of
from evolve.core.cases.said_of_secrets import is_message, states_something
from evolve.core.cases.secret_cues import FOREIGN, FOREIGN_CODES, FOREIGN_KEYS, PHRASES, Cue, cue_of
from evolve.core.cases.secret_shapes import FILL, SecretSpan
from evolve.core.cases.text_lines import lines_of

_HINT: Final = re.compile(
    r"(?i)pass|pw|psk|secret|token|cred|phrase|pin|otp|auth|key|login|logon|code|word|salt|hmac|wpa|sign|[^\x00-\x7f]|mdp|senha|parola|"
    r"heslo|clave|lozinka|sifre|geslo|community|sudo|sandi|combination|session|cookie|seed|hasl|contrasena|adgangs|kodeord|salasana"
)
_OTHER_SUBJECTS: Final = words_of("""
manager policy policies file files hash hashes hint hints length field fields prompt link store vault expiry history
authentication authorization auth rotation rules rule limit limits budget usage count counts type name names path
strength complexity requirements server service endpoint bucket error id ids helper helpers
provider plugin cache agent backend method module mechanism algorithm age last changed
form page dialog box generator checker validator reset change
""")
"""Words after the word for a secret that show that another thing is spoken of: `password manager`."""
_GENERIC: Final = words_of("""
value v val data content contents text string arg d p it its pass pw now new old default literal answer a re is
""")
_NEAR: Final = 14
_PHRASE_WORDS: Final = 6
_SHOWS: Final = words_of("""
in found contain contains equal equals see sees show shows showed expected got and vs != == like matches match
""")
"""Words before a text in quotes that a page or a log shows."""
_CODE: Final = re.compile(r"(?<![\w.:/#-])(?:[A-Z]{1,3}-)?(?:\d{4,8}|\d{1,4}(?:[ -]\d{1,4}){1,4})(?![\w:/%-]|[.,]\d)")
_ASKS: Final = re.compile(
    r"(?i)\b(?:what['’]?s|what is|what was|which|whats|wie lautet|wie ist|was ist|quel est|cuál es|qual è|qual é|jakie jest|какой)\b[^\n?]{0,100}\?[\s\"'”)]*\Z"
)
"""A question for a secret names none: the answer may be on the next line."""
_REQUIRES: Final = re.compile(
    r"(?i)\b(?:at least|mindestens|au moins|al menos|almeno|pelo menos|co najmniej|przynajmniej|не менее|ten minste|minst|alespoň)\b|至少|以上"
)
_PACKAGES: Final = re.compile(
    r"\b(?:pip3?|uv|poetry|npm|yarn|pnpm|apt|apt-get|dnf|yum|apk|brew|cargo|gem|go|conda)[ \t]+(?:install|add|get|i|download|ci)\b"
)
"""A command whose operands are names of packages."""
_MIXED: Final = re.compile(r"(?:[A-Za-z].*\d|\d.*[A-Za-z]|.[!#$%&*^~?])")
_CODE_CUE: Final = re.compile(r"(?i)code|pin|combination|passkey|passcode|otp|tan\b")


class _Reading(NamedTuple):
    """What one line says."""

    spans: tuple[SecretSpan, ...]
    is_open: bool
    """whether it ends with a word for a secret, whose value may be on the next line"""
    points_back: bool
    """whether it says of the line before that it is a secret"""


def find_unlisted_secrets(text: str) -> Iterator[SecretSpan]:
    """Yield what is near the name of a secret, and is in no list of harmless words."""
    lines = list(lines_of(text))
    for number, (start, end) in enumerate(lines):
        if end == start or not _HINT.search(text, start, end):
            continue
        reading = _read(text[start:end])
        yield from (SecretSpan(start + one, start + other) for one, other in reading.spans)
        if reading.is_open:
            yield from _on(text, next(_others(text, lines[number + 1 : number + 4]), None))
        if reading.points_back:
            yield from _on(text, next(_others(text, lines[max(0, number - 2) : number][::-1]), None))


def _others(text: str, lines: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    return (line for line in lines if text[slice(*line)].strip())


def _on(text: str, line: tuple[int, int] | None) -> Iterator[SecretSpan]:
    if line is not None:
        yield from (SecretSpan(line[0] + start, line[0] + end) for start, end in _answers(text[slice(*line)]))


@remembered
def _read(line: str) -> _Reading:
    elements = elements_of(line)
    cues = _cues(line, elements)
    spans: list[SecretSpan] = []
    is_open = points_back = False
    speaker = _speaker_end(line)
    quoted = {one.start for one in elements if one.kind == "quoted"}
    is_near = not (_ASKS.search(line) or _REQUIRES.search(line) or _PACKAGES.search(line))
    for at, cue in cues.items():
        if any(FILL in one.text for one in elements[at : at + _NEAR]):
            continue  # its secret is masked already, or is another rule's
        found = ValueSearch(elements, at, cues).spans() + list(_in_call(elements, at, cue))
        if not found:
            near = [span for span in _near(elements, at, cue, cues) if span.start >= speaker]
            found = [span for span in near if is_near or span.start in quoted]
        found += _codes(line, elements, at, cue)
        if not found:
            found = list(_slashed(elements))
        spans += found
        if not found and cue >= Cue.NAMED:
            is_open = is_open or _is_last(elements, at) or _PROMPT.match(line) is not None
            points_back = points_back or (cue is Cue.STRONG and _POINTS.match(line) is not None)
    return _Reading(tuple(spans), is_open, points_back)


def _speaker_end(line: str) -> int:
    match = _SPEAKER.match(line)
    return match.end() if match else 0


_POINTS: Final = re.compile(r"(?i)\s*(?:\[[^\]]*\]\s*)?(?:<?[\w.-]+[>:]\s*)?(?:that|this|it|these|\^)[ '’]")


def _cues(line: str, elements: Sequence[Element]) -> dict[int, Cue]:
    cues = {at: cue for at, one in enumerate(elements) if not one.is_sign and (cue := _cue(one)) is not Cue.NONE}
    for at in [at for at in cues if elements[at + 1 : at + 2] and elements[at + 1].text.lower() in _OTHER_SUBJECTS]:
        del cues[at]
    for pattern in (PHRASES, FOREIGN_CODES, FOREIGN_KEYS, FOREIGN):
        for match in pattern.finditer(line):
            inside = [at for at, one in enumerate(elements) if one.start < match.end() and one.end > match.start()]
            if inside and all(elements[at].end <= match.end() + 3 for at in inside):
                for at in inside[:-1]:
                    cues.pop(at, None)
                cues[inside[-1]] = Cue.STRONG
    return dict(sorted(cues.items()))


def _cue(one: Element) -> Cue:
    if one.kind == "quoted" and " " in one.text:
        return Cue.NONE
    return cue_of(one.text) if not one.text.isupper() or len(one.text) > 2 else Cue.NONE


@remembered
def _is_foreign_cue(word: str) -> bool:
    """Whether a word for password is of another language: what follows may be a word that no list has."""
    return cue_of(word) is Cue.NONE or _ENGLISH.search(word) is None


_ENGLISH: Final = re.compile(
    r"(?i)pass?w(?:or|r|d)|passwd|pass$|pass[^a-z]|phrase|code|pw|psk|secret|cred|key|token|word|pin|otp|wpa|wi-?fi"
)


def _in_call(elements: Sequence[Element], at: int, cue: Cue) -> Iterator[SecretSpan]:
    """Yields the arguments in quotes after the first: `login("kai", "x")`."""
    if elements[at + 1 : at + 2] and elements[at + 1].text == "(" and cue is not Cue.STRONG:
        arguments = [one for one in elements[at + 2 : at + 2 + _NEAR] if one.kind == "quoted"]
        yield from (SecretSpan(one.start, one.end) for one in arguments[1:] if element_oddness(one))


def _is_plain_phrase(text: str) -> bool:
    """Whether a text in quotes is a few words that are no message about passwords."""
    words = text.split()
    return (
        1 < len(words) <= _PHRASE_WORDS
        and all(map(str.isalpha, words))
        and not is_message(text)
        and not has_password_word(text)
    )


def _near(elements: Sequence[Element], at: int, cue: Cue, cues: Mapping[int, Cue]) -> Iterator[SecretSpan]:
    """Yields the odd words around a word for password that are not said to be something else."""
    is_foreign = is_foreign_line(tuple(elements)) or _is_foreign_cue(elements[at].text)
    far = _NEAR if cue is Cue.STRONG else BETWEEN
    for place in range(max(0, at - far), min(len(elements), at + far)):
        one = elements[place]
        if one.is_sign or place in cues or is_label(elements, place) or _is_labelled(elements, place):
            continue
        odd = element_oddness(one)
        if cue is not Cue.STRONG:
            is_secret = odd is Oddness.MADE and _MIXED.search(one.text) is not None
        else:
            is_secret = (
                (one.kind == "quoted" and _is_plain_phrase(one.text) and elements[max(0, place - 1)].text not in _SHOWS)
                or odd is Oddness.MADE
                or (odd > 0 and (one.kind == "quoted" or (one.text.islower() and not is_foreign)))
            )
        if is_secret and not (is_message if one.kind == "quoted" else states_something)(one.text):
            yield SecretSpan(one.start, one.end)


def _slashed(elements: Sequence[Element]) -> Iterator[SecretSpan]:
    """Yields the second of two words with a slash between them: an account and its password."""
    for place, one in enumerate(elements):
        if one.text in ("/", "//") and 0 < place < len(elements) - 1 and not elements[place - 1].is_sign:
            second = elements[place + 1]
            if not second.is_sign and element_oddness(second):
                yield SecretSpan(second.start, second.end)


def _is_labelled(elements: Sequence[Element], place: int) -> bool:
    before = [one for one in elements[max(0, place - 4) : place] if one.text not in AROUND_VALUES]
    if not before:
        return False
    if before[-1].text in ("=", ":", "=>", ":=") and len(before) > 1 and any(map(str.isalpha, before[-2].text)):
        return before[-2].text.lower() not in _GENERIC and cue_of(before[-2].text) < Cue.NAMED
    return before[-1].text.lower() in NAMES_FOLLOW and elements[place].kind == "word"


def _codes(line: str, elements: Sequence[Element], at: int, cue: Cue) -> list[SecretSpan]:
    """Returns the numbers near a word for a code that opens something."""
    one = elements[at]
    is_code = _CODE_CUE.search(one.text) or FOREIGN_CODES.search(line, max(0, one.start - 30), one.end)
    if cue is Cue.WEAK or not is_code:
        return []
    found = _CODE.finditer(line, max(0, one.start - 60), min(len(line), one.end + 60))
    return [SecretSpan(*match.span()) for match in found]


_PROMPT: Final = re.compile(r"\s*(?:[\w@.:~-]{0,40}[$#%]|PS[^>]{0,60}>|[\w.-]{0,20}>)\s")


def _is_last(elements: Sequence[Element], at: int) -> bool:
    rest = elements[at + 1 :]
    words = [one for one in rest if not one.is_sign]
    return (
        len(words) <= MOST_WORDS and not any(map(element_oddness, words)) and not any(one.text in "|;=" for one in rest)
    )


_SPEAKER: Final = re.compile(r"\s*(?:\[[^\]]{0,20}\]\s*)?(?:(?:<[\w. -]{1,20}>|[\w.-]{1,12}[:>])\s+|[>$#*-]\s+)?")


@remembered
def _answers(line: str) -> tuple[SecretSpan, ...]:
    """Returns what is a secret in a line that follows the question for it."""
    prefix = _SPEAKER.match(line)
    at = prefix.end() if prefix else 0
    elements = elements_of(line[at:])
    words = [one for one in elements if not one.is_sign]
    code = _CODE.fullmatch(line[at:].strip())
    if code:
        return (SecretSpan(at + line[at:].index(code[0]), at + line[at:].index(code[0]) + len(code[0])),)
    odd = [one for one in words if element_oddness(one)]
    if not odd or FILL in line:
        return ()
    if len(words) <= 2 and not any(one.text in (":", "=", "->", "=>", "|") for one in elements):
        return (SecretSpan(at + words[0].start, at + words[-1].end),)
    return tuple(
        SecretSpan(at + one.start, at + one.end)
        for one, before in zip(elements[1:], elements, strict=False)
        if before.text.lower() in COPULAS | {"value", ":", "="} and not one.is_sign and element_oddness(one)
    )
