"""Says what the parts of a line are to each other: label and value, words of one phrase, words of another language."""

from collections.abc import Sequence
from typing import Final

from evolve.core.cases.cued_rules import remembered
from evolve.core.cases.line_elements import Element
from evolve.core.cases.oddness import Oddness, oddness
from evolve.core.cases.ordinary_words import words_of
from evolve.core.cases.secret_words import is_reason

COPULAS: Final = words_of("""
is was are were be been being becomes equals to now still always set reset changed ist war lautet wird est es era
será é è är er on je jest este είναι это stays remains called wurde wurden
""")
"""Words between the word for a secret and the secret."""
ARTICLES: Final = words_of("""
the a an my our your its temporarily new old just like die das der le la el o il et still auf à na til på zu
""")
"""Words that may come before the secret."""
NAMES_FOLLOW: Final = words_of("""
user username for host on at by from in job service database db node named called file account realm domain group
team server of and namespace cluster role table column index library module package class function method page field
principal owner für von pour de para per di mr mrs dear hi hello hallo 用户 ユーザー 사용자 пользователя
пользователь usuario utilisateur benutzer utente для
""")
"""Words before a name that is no password."""
AROUND_VALUES: Final = frozenset("()[]{}<>\"'`*“”„«»「」\\")
"""Signs around a value."""
MOST_WORDS: Final = 8
"""Words of a phrase."""
_FOREIGN_SHARE: Final = 0.45
_ENGLISH: Final = words_of("""
the a an for is to i my and of with it was you your our in on at this that are has have be not from as we they he she
if but or
""")
"""Words that nearly every English sentence has."""


def element_oddness(one: Element) -> Oddness:
    """Return how odd a word is; of a phrase in quotes the oddest word counts, if half of its words are odd."""
    if " " not in one.text:
        return oddness(one.text)
    words = one.text.split()
    if len(words) > MOST_WORDS or is_reason(one.text):
        return Oddness.ORDINARY
    odd = [oddness(word.strip(".,:;!?()[]")) for word in words]
    if 2 * sum(one > 0 for one in odd) < len(odd):
        return Oddness.ORDINARY
    return max(odd, default=Oddness.ORDINARY)


def is_label(elements: Sequence[Element], place: int) -> bool:
    """Return whether a word is the name of the next value."""
    following = elements[place + 1 : place + 2]
    return bool(following) and following[0].text in ("=", ":", "=>", ":=")


def run_end(elements: Sequence[Element], place: int) -> int:
    """Return the last of the words that follow each other from a place on."""
    last = place
    for next_ in range(place + 1, len(elements)):
        one = elements[next_]
        if one.kind != "word" or one.text.startswith("-") or one.start - elements[last].end > 1:
            break
        last = next_
    return last


@remembered
def is_foreign_line(elements: tuple[Element, ...]) -> bool:
    """Return whether many words of a line are not in the lists, so that one of them says nothing."""
    if sum(one.text.lower() in _ENGLISH for one in elements) > 1:
        return False
    words = [oddness(one.text) for one in elements if one.kind == "word" and len(one.text) > 3 and one.text.isalpha()]
    return len(words) > 3 and sum(odd > 0 for odd in words) > _FOREIGN_SHARE * len(words)
