"""Splits a command line into commands and redirections, enough to say what it does."""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

_JINJA: Final = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)
_QUOTED: Final = re.compile(r"'[^']*'|\"(?:\\.|[^\"\\])*\"", re.DOTALL)
_COMMENT: Final = re.compile(r"(?m)(?:^|(?<=\s))#.*$")
_SEPARATOR: Final = re.compile(r"\|\||&&|[;|&\n()]|(?<=\s)(?:then|do|else|if|while|until)(?=\s)")
# Not `2>`, `&>`, `<>` nor `->`: only what writes stdout into a file.
_REDIRECT: Final = re.compile(r"(?<![<>&\d=-])(?:1)?(>>?)\|?\s*([^\s;|&()<>]+)")
# Words before a command that do not change which program runs.
_PREFIX: Final = frozenset(
    ("sudo", "env", "exec", "time", "nohup", "!", "{", "then", "do", "else", "if", "while", "-E", "-n")
)
_STOPS: Final = frozenset(
    ("reboot", "shutdown", "poweroff", "halt", "systemctl reboot", "systemctl poweroff", "init 6", "telinit 6")
)
_ASSIGNMENT: Final = re.compile(r"[A-Za-z_]\w*=.*")


def ends_connection(text: str) -> bool:
    """Return whether a shell text restarts or stops the host, so that nothing can wait for its end."""
    return any(_STOPS & {words[0], " ".join(words[:2])} for words in commands(text))


class Redirect(NamedTuple):
    """Output that goes into a file."""

    appends: bool
    target: str
    at: int
    """Its index in the text."""


def commands(text: str) -> Iterator[tuple[str, ...]]:
    """Yield the simple commands of a shell text, each as its words; a quoted text is one opaque word."""
    for part in _SEPARATOR.split(_opaque(text)):
        words = part.split()
        while words and (words[0] in _PREFIX or _ASSIGNMENT.fullmatch(words[0])):
            words.pop(0)
        if words:
            yield (words[0].rsplit("/", 1)[-1], *words[1:])


def redirects(text: str) -> Iterator[Redirect]:
    """Yield the files that a shell text writes with `>` and `>>`, except devices."""
    plain = _opaque(text, quoted=False)
    for found in _REDIRECT.finditer(plain):
        target = text[found.start(2) : found.end(2)].strip("\"'")
        if not target.startswith("/dev/"):
            yield Redirect(found[1] == ">>", target, found.start())


def _opaque(text: str, *, quoted: bool = True) -> str:
    """Return the text with expressions, quoted parts and comments replaced by as many other characters."""
    text = _JINJA.sub(lambda found: "J" * len(found[0]), text)
    text = text.replace("\\\n", "  ")
    text = _QUOTED.sub(lambda found: _blank(found[0], quoted), text)
    return _COMMENT.sub(lambda found: " " * len(found[0]), text)


def _blank(word: str, quoted: bool) -> str:
    inside = word[1:-1]
    is_word = not re.search(r"[\s;|&()<>#]", inside)
    if quoted and is_word:
        return inside
    return "Q" * len(word) if not is_word else word
