"""Finds the value of a name that announces a secret: after a sign, after `is`, right after it, after an account."""
# ruff: noqa: RUF001  (signs of many languages)

import re
from collections.abc import Mapping, Sequence
from typing import Final

from evolve.core.cases.element_places import (
    AROUND_VALUES,
    ARTICLES,
    COPULAS,
    MOST_WORDS,
    NAMES_FOLLOW,
    element_oddness,
    is_foreign_line,
    is_label,
    run_end,
)
from evolve.core.cases.line_elements import Element
from evolve.core.cases.oddness import Oddness, oddness
from evolve.core.cases.password_shapes import is_passphrase
from evolve.core.cases.said_of_secrets import states_something
from evolve.core.cases.secret_cues import Cue
from evolve.core.cases.secret_shapes import FILL, SecretSpan
from evolve.core.cases.secret_words import is_reason, is_sentence

_PAIRS: Final = frozenset((":=", "=>", "->", "==", "=", ":", "<-", "→", "—", "–", "：", "...", "|", "»", "⟶", "~"))
_AND: Final = frozenset(("/", "//", "|", "and", "und", "et", "y", "e", "&", "+", ",", ":", "\\"))
"""What is between an account and its password."""
_LISTS: Final = frozenset(("login", "auth", "basic_auth", "credentials"))
"""Names of lists that hold an account and its password."""
BETWEEN: Final = 6
"""Words between the word for a secret and what it is."""
_AFTER_PAIR: Final = 3
"""Ordinary words between `is` and the secret."""
_SHORT_RUN: Final = 4
_SHORT_WORD: Final = 4
_RUN: Final = 7
_OPTION_RUN: Final = 3
_HASH: Final = re.compile(
    r"(?=[A-Z-]*\d)[A-Z\d]{4,8}(?:-[A-Z\d]{4,8}){2,7}|[0-9a-f]{16,128}|[0-9A-F]{16,128}|"
    r"[\da-fA-F]{8}(?:-[\da-fA-F]{4}){3}-[\da-fA-F]{12}"
)
"""Licences, hashes and UUIDs: ids elsewhere, secrets as the value of a secret's name."""


class ValueSearch:
    """Looks for the value of one name, from left to right.

    Args:
        elements: the parts of the line.
        at: where the name is.
        cues: what each word of the line announces.
    """

    def __init__(self, elements: Sequence[Element], at: int, cues: Mapping[int, Cue]) -> None:
        self._elements = elements
        self._at = at
        self._cues = cues
        self._cue = cues[at]
        self._is_option = elements[at].text.startswith("-")
        self._is_pair = False
        self._between = 0
        self._after_pair = 0

    def spans(self) -> list[SecretSpan]:
        """Return where the value is; empty if the name has none."""
        for place in range(self._at + 1, min(len(self._elements), self._at + 2 + 3 * BETWEEN)):
            one = self._elements[place]
            found = self._pass_sign(place) if one.is_sign or FILL in one.text else self._read(place)
            if found is not None:
                return found
        return []

    def _pass_sign(self, place: int) -> list[SecretSpan] | None:
        """Returns nothing to look further, and an empty list where the name can have no value any more."""
        sign = self._elements[place].text
        if FILL in sign:
            return []
        if (sign in _PAIRS and (not (self._is_pair and self._between) or sign == ":")) or _divides_quoted(
            self._elements, self._at, place
        ):
            self._is_pair = True
        elif sign not in AROUND_VALUES:
            return []
        return None

    def _read(self, place: int) -> list[SecretSpan] | None:
        one = self._elements[place]
        if place in self._cues and (self._is_pair or self._cues[place] >= self._cue):
            return []
        if self._links(one, place):
            return None
        if self._cue is Cue.STRONG and not self._between and self._is_in_brackets(place) and element_oddness(one):
            return [SecretSpan(one.start, one.end)]
        if is_label(self._elements, place) and not (self._is_pair and self._between == 0):
            return []
        if self._is_value(one):
            return [_whole(self._elements, place, self._at, is_pair=self._is_pair, is_option=self._is_option)]
        if self._is_pair and (found := self._after_ordinary(place)) is not None:
            return found
        self._between += 1
        return [] if self._between > BETWEEN else None

    def _links(self, one: Element, place: int) -> bool:
        """Whether a word only leads to the value: `is`, `the`, `for grafana:`."""
        word = one.text.lower()
        if word in COPULAS and one.kind == "word":
            self._is_pair = True
        elif not (self._between and is_label(self._elements, place) and not self._is_pair):
            return self._is_pair and word in ARTICLES
        self._between += 1
        return True

    def _is_in_brackets(self, place: int) -> bool:
        around = self._elements[place - 1 : place + 2 : 2]
        return [one.text for one in around] == ["(", ")"]

    def _is_value(self, one: Element) -> bool:
        is_next, is_named = self._between == 0, self._cue >= Cue.NAMED
        if _HASH.fullmatch(one.text):
            return (self._is_pair and is_named) or (is_next and (self._is_option or is_named))
        least = self._least(is_next=is_next)
        if least is not None and element_oddness(one) >= least:
            return not (one.text.isalpha() and states_something(one.text))
        is_text = self._is_pair and is_named and one.kind == "quoted"
        return is_text and is_passphrase(one.text) and not is_sentence(one.text)

    def _least(self, *, is_next: bool) -> Oddness | None:
        """Returns how odd a word must be here; None where no word is the secret."""
        if self._is_pair or (is_next and self._is_option):
            return Oddness.UNLISTED if self._cue >= Cue.NAMED else Oddness.MADE
        if is_next:
            return {Cue.STRONG: Oddness.UNLISTED, Cue.NAMED: Oddness.MADE}.get(self._cue)
        return Oddness.MADE if self._cue is Cue.STRONG else None

    def _after_ordinary(self, place: int) -> list[SecretSpan] | None:
        """Returns what is after an ordinary word in the place of the value: a password, the rest of a phrase."""
        one = self._elements[place]
        is_list = one.kind == "quoted" and self._elements[self._at].text.lower() in _LISTS
        second = _second(self._elements, place) if self._cue >= Cue.NAMED or is_list else None
        if second is not None and element_oddness(second):
            return [SecretSpan(second.start, second.end)]
        if self._between == 0 and _starts_line(self._elements, self._at):
            return _phrase(self._elements, place)
        is_prose = self._cue is Cue.STRONG and one.kind == "word" and one.text.lower() not in NAMES_FOLLOW
        self._after_pair += 1
        return None if is_prose and self._after_pair <= _AFTER_PAIR + 1 else []


def _starts_line(elements: Sequence[Element], at: int) -> bool:
    return all(one.is_sign or one.text in ("export", "set", "env", "-", "+", "~") for one in elements[:at])


def _whole(elements: Sequence[Element], place: int, at: int, *, is_pair: bool, is_option: bool) -> SecretSpan:
    """Returns the place of a value; a phrase without quotes goes to the end of its line or to the next option."""
    one = elements[place]
    last = place
    while (
        one.kind == "word" and last - place < _RUN and _follows(elements, last) and not is_foreign_line(tuple(elements))
    ):
        last += 1
    run = run_end(elements, place)
    if one.text.isalpha() and last < run < place + _SHORT_RUN and _is_phrase(elements[last + 1 : run + 1]):
        last = run
    if last > place:
        return SecretSpan(one.start, elements[last].end)
    if one.text.isalpha() and one.kind == "word" and (is_option or (is_pair and _starts_line(elements, at))):
        last = run_end(elements, place)
        if last - place < (_OPTION_RUN if is_option else MOST_WORDS):
            return SecretSpan(one.start, elements[last].end)
    return SecretSpan(one.start, one.end)


def _is_phrase(rest: Sequence[Element]) -> bool:
    """Whether the words after an odd one belong to it: `beaver dam 7`, and not `turnip is wrong`."""
    return all(len(one.text) < _SHORT_WORD or one.text.isdigit() for one in rest) and not any(
        one.text.lower() in COPULAS | NAMES_FOLLOW | ARTICLES for one in rest
    )


def _follows(elements: Sequence[Element], last: int) -> bool:
    """Whether the next word is an odd one too, with a blank between them."""
    following = elements[last + 1 : last + 2]
    is_next = bool(following) and following[0].kind == "word" and following[0].start == elements[last].end + 1
    return is_next and element_oddness(following[0]) > 0 and not is_label(elements, last + 1)


def _phrase(elements: Sequence[Element], place: int) -> list[SecretSpan]:
    last = run_end(elements, place)
    run = elements[place : last + 1]
    is_rest = last == len(elements) - 1 and 1 < len(run) <= MOST_WORDS and elements[place].kind == "word"
    if is_rest and any(oddness(one.text) for one in run) and not is_reason(" ".join(one.text for one in run)):
        return [SecretSpan(run[0].start, run[-1].end)]
    return []


def _divides_quoted(elements: Sequence[Element], at: int, place: int) -> bool:
    """Whether it is the comma of `"password", "x"`."""
    is_quoted = (
        elements[at].kind == "quoted" and elements[place + 1 : place + 2] and elements[place + 1].kind == "quoted"
    )
    return place == at + 1 and elements[place].text == "," and bool(is_quoted)


def _second(elements: Sequence[Element], place: int) -> Element | None:
    """Returns what follows an account's name and a sign: `admin / x`."""
    following = elements[place + 1 : place + 3]
    is_two = len(following) > 1 and following[0].text.lower() in _AND and not following[1].is_sign
    return following[1] if is_two else None
