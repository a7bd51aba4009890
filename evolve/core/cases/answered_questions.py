"""Finds the answer to a question for a password, which is on one of the next lines: `what is the login?` `anna / turquoise`."""
# ruff: noqa: E501, RUF001  (words of many alphabets)

import re
from collections.abc import Iterator
from typing import Final

from evolve.core.cases.cued_rules import cued_text, rule
from evolve.core.cases.oddness import oddness
from evolve.core.cases.password_cues import cues_of
from evolve.core.cases.said_of_secrets import is_expression, is_message, is_reference_or_path, states_something
from evolve.core.cases.secret_shapes import FILL, SecretSpan
from evolve.core.cases.text_lines import lines_of

_LOGIN: Final = rule(
    r"(?i)(?<![a-z])(?:log ?in|creds?|credentials?|zugangsdaten|identifiants|credenciales|credenziali|учётн\w+ данн\w+|доступ)"
)
_END: Final = re.compile(
    r"(?P<rest>[^\n]{0,80}?)(?:[ \t]+(?:again|now|currently|these days|then|anyway|please|pls|atm))?[ \t]*(?P<sign>[?？:：؟]|(?<=[?？:：])\s*[*_]{1,2})?[ \t\"')\]*]*\Z"
)
"""The rest of a line that asks."""
_SPEAKER: Final = re.compile(
    r"[ \t]*(?:\[[^\]\n]{0,24}\][ \t]*)?(?:\d{1,2}:\d\d(?::\d\d)?[ \t]+)?(?:(?:<[@+%]?[\w. -]{1,24}>|[@]?[\w.-]{1,16}[:>]|[>$#*•–-]{1,3}|[QqAaRrFf][:.)])[ \t]+){0,2}(?:(?:sure|yes|yeah|ok|it['’]?s|that['’]?s|its|i think|should be|try|sorry|unfortunately|apologies|not sure|leider|tut mir leid|désolée?|lo siento|mi dispiace|desculpe|przepraszam|извините|ja|oui|sí|si|да)[,:!]?[ \t]+){0,3}(?:\w{1,12}：[ \t]*)?"
)
_PAIR: Final = re.compile(
    r"(?P<account>[\w.@\\-]{1,60})[ \t]*(?:[/|:,;]|[ \t]-[ \t]|[ \t]{1,8})[ \t]*(?P<value>\S(?:[^\n]{0,60}\S)?)"
)
_CLAUSE: Final = re.compile(r"[，。；！？]")
"""Ends a clause where words are not divided by blanks."""
_NO: Final = re.compile(
    r"(?i)(?:no|nope|nein|non|нет|não|nee|nej)[,.][ \t]|(?:no idea|i['’]?m not|i (?:do|can|could|did|would)(?:n['’]t|not| not)|i have no|connection (?:closed|reset|refused|timed)|permission denied|error\b|fatal\b|warning\b|usage\b|"
    r"keine ahnung|no lo sé|non lo so|não sei|nie wiem|не знаю)(?![\w])|不知道|わかりません|모르"
)
"""The start of an answer to `do I need a password?`, and of one that names none."""
_MOST_WORDS: Final = 6
_ALONE: Final = re.compile(r"[ \t]*[\"'`*>]{0,3}[ ]?([^\s\"'`:=(){}\[\]<>/\\]{4,60}?)[\"'`*.]{0,3}[ \t\r]*")
_RULER: Final = re.compile(r"[\s=_*~-]+")
_LABEL_WORDS: Final = 5
_WHAT: Final = re.compile(r"(?i)\bwhat(?:['’]?s|[ ]is|[ ]was)\b")
_QUESTION_WORDS: Final = 12
_MOST_BLANK: Final = 2
"""Blank lines that end a question."""
_LABEL: Final = re.compile(r"[\w.-]{1,40}[ \t]?[:=](?:\s|\Z)|[A-Za-z][\w.-]*=|-{3,}|\.{3}|[{}\[\]]+\Z|(?i:https?://)")
_DONE: Final = re.compile(r"(?i)[\"'`]?[\w.-]{0,30}[\"'`]?[ \t]*[:=]")


def find_answered_questions(text: str) -> Iterator[SecretSpan]:
    """Yield what follows a line that asks for a password or is its label."""
    words = sorted(
        {cue.end for cue in cues_of(text) if cue.kind != "same"}
        | {match.end() for match in cued_text(text).matches(_LOGIN)}
    )
    asked: str | None = None
    at = age = 0
    is_spoken = False
    for start, end in lines_of(text) if words else ():
        first = at
        while at < len(words) and words[at] <= end:
            at += 1
        line = text[start:end]
        if not line.strip():
            age += 1
            asked = asked if age < _MOST_BLANK else None
            continue
        if asked is not None and _RULER.fullmatch(line):
            continue
        if at == first and asked is not None:
            yield from _answer(text, start, end, asked)
        elif at == first and is_spoken:
            yield from _alone(text, start, end)
        is_spoken = at > first
        asked, age = (line if is_spoken and _asks(text, words[at - 1], start, end) else None), 0


def _asks(text: str, word: int, start: int, end: int) -> bool:
    """Whether a line with a word for password ends with it, or with a question mark or a colon."""
    found = _END.match(text, word, end)
    if found is None:
        return False
    line = text[start:end].strip()
    most = _QUESTION_WORDS if _WHAT.search(line) else _LABEL_WORDS
    return found["sign"] is not None or (
        not found["rest"].strip() and len(line.split()) <= most and line[0] not in "-/"
    )


def _alone(text: str, start: int, end: int) -> Iterator[SecretSpan]:
    """Yields a word alone on the line after one that speaks of a password, if no list has it."""
    word = _ALONE.fullmatch(text[start:end])
    if word and FILL not in word[1] and oddness(word[1]) and not states_something(word[1]):
        yield SecretSpan(start + word.start(1), start + word.end(1))


def _answer(text: str, start: int, end: int, asked: str) -> Iterator[SecretSpan]:
    prefix = _SPEAKER.match(text, start, end)
    at = prefix.end() if prefix else start
    value = _CLAUSE.split(text[at:end], maxsplit=1)[0].rstrip(" \t\r.,;!\"'`*)")
    bare = value.lstrip("\"'`*_(«“")
    at, value = at + len(value) - len(bare), bare
    is_login = re.search(r"(?i)log ?in|cred|zugang|identifiant|credenci|credenzi", asked) is not None
    if not value or FILL in value or _LABEL.match(value) or is_reference_or_path(value) or is_expression(value):
        return
    if _NO.match(value):
        return
    pair = _PAIR.fullmatch(value)
    if (
        is_login
        and pair
        and len(pair["value"].split()) <= 3
        and not states_something(pair["value"])
        and not is_message(value)
    ):
        yield SecretSpan(at + pair.start("value"), at + pair.end("value"))
    elif not is_login and len(value.split()) <= _MOST_WORDS and not states_something(value) and not is_message(value):
        yield SecretSpan(at, at + len(value))
