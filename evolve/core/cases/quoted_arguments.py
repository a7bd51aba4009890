"""Finds passwords between quotes in calls that log in, and in the values that a traceback draws below such a call."""

import re
from collections.abc import Iterator
from typing import Final

from evolve.core.cases.cued_rules import cued_text, rule
from evolve.core.cases.password_shapes import is_known_thing, is_made_password, is_shown_password
from evolve.core.cases.secret_phrases import is_reference
from evolve.core.cases.secret_shapes import SecretSpan
from evolve.core.cases.secret_words import is_sentence

_CALL: Final = rule(
    r"(?i)(?:log_?in|log_?on|auth(?:enticate|orize)?|passw(?:or)?d|credentials?|bind|sign_?in|unlock|decrypt|encrypt|connect|userpass|basic_?auth|verify|hash_?pw|checkpw)\w{0,12}\("
)
_LIST: Final = rule(r"(?i)(?<![a-z])(?:args|argv|arguments|params|parameters)\\?[\"']?[ \t]*[:=][ \t]*[\[(]")
_LIST_ITEMS: Final = re.compile(r"[^\n\])]{0,400}")
_ARGUMENTS: Final = re.compile(r"[^\n]{0,400}")
_QUOTED: Final = re.compile(r"\\?\"([^\"\\\n]{5,200})\\?\"|\\?'([^'\\\n]{5,200})\\?'")
_DRAWN: Final = re.compile(r"(?:\n[ \t]*[│|┃├└╰]{1,2}[^\n]{0,300}){1,12}")
_NAMES: Final = re.compile(
    r"(?i)(?:content|user|accept|cache|x|if|set|proxy|www|access|last|retry|strict|transfer|keep|max)-[a-z-]+|[a-z_]+|[A-Z_]+|[\w.-]+:\d+|[\w.+-]+/[\w.+-]+|(?:https?|\w+)://.*|[\w.-]+\.(?:internal|local|com|org|net|io|test|example)"
)
"""Headers, names, addresses, MIME types."""


def find_quoted_arguments(text: str) -> Iterator[SecretSpan]:
    """Yield every text in quotes that looks like a password in such a call."""
    for call in cued_text(text).matches(_CALL):
        line = _ARGUMENTS.match(text, call.end())
        end = line.end() if line else call.end()
        drawn = _DRAWN.match(text, end)
        for quoted in _QUOTED.finditer(text, call.end(), drawn.end() if drawn else end):
            group = quoted.lastindex or 1
            if _is_password(quoted[group]):
                yield SecretSpan(*quoted.span(group))
    for items in cued_text(text).matches(_LIST):
        found = _LIST_ITEMS.match(text, items.end())
        for quoted in _QUOTED.finditer(text, items.end(), found.end() if found else items.end()):
            group = quoted.lastindex or 1
            if is_made_password(quoted[group]) and _is_password(quoted[group]) and not is_known_thing(quoted[group]):
                yield SecretSpan(*quoted.span(group))


def _is_password(value: str) -> bool:
    return (
        is_shown_password(value)
        and not is_reference(value)
        and not is_sentence(value)
        and _NAMES.fullmatch(value) is None
    )
