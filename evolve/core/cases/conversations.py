"""Finds the answer to a question for a password in a conversation: lines of speakers, chat messages as JSON or YAML.

The turn after the question is read, and the next one if it only says to wait. An answer may be a phrase; so what states
nothing is hidden if the whole answer is short, else the words after `it is`, `try`, `with`, and words that are odd.
"""
# ruff: noqa: E501, RUF001  (words of many alphabets; a pattern broken over lines is harder to compare with what it matches)

import re
from bisect import bisect_left
from collections.abc import Iterator
from typing import Final

from evolve.core.cases.cued_rules import cued_text, rule
from evolve.core.cases.oddness import Oddness, oddness
from evolve.core.cases.password_cues import cues_of
from evolve.core.cases.said_of_secrets import is_expression, is_message, is_reference_or_path, states_something
from evolve.core.cases.secret_shapes import FILL, SecretSpan

_THING: Final = r"(?:garage|door|gate|alarm|safe|locker|house|office|wi-?fi|wlan|vault|archive|zip|room|lock|keypad|network|backup|laptop|phone|card|bios|boot)"
_ACCESS: Final = rule(
    rf"(?i)(?<![a-z])(?:log ?in|logon|creds?|credentials?|zugangsdaten|identifiants|credenciales|credenziali|combo|combination|"
    rf"(?:code|key|number|digits)(?: [a-z]+){{0,4}} {_THING}|{_THING} (?:code|key)|get in(?:to)?|getting in|let me in|unlock|(?:the|and) (?:alarm|garage|gate|locker|safe|door)(?=[ \t]*\?)|memorable (?:word|name|date)|(?:recovery|seed|backup) (?:phrase|words|codes?)|need root|root on|bios prompt|boot prompt|ins wlan|zugang|rein|code (?:wi-?fi|de la porte)|wifi|wlan)(?![a-z])|доступ|учётн|登录|ログイン|로그인"
)
_ASKS: Final = re.compile(
    r"(?i)[?？؟]|(?<![a-z])(?:what|who (?:has|knows|got)|which|how do|how to|can you|could you|give me|tell me|send me|remind me|need|please|anyone|forgot|lost|asks? for|looking for|was ist|wie|brauche|welche\w?|c['’]est quoi|quel\w*|cuál|cual|qual|какой|pásame|me pasas|и[?]|enter your|что)(?![a-z])"
)
_NOT_ASKED: Final = re.compile(
    r"(?i)\b(?:policy|rules?|requirements?|page|form|field|button|error|version|why|when|do i need|is it|does it|reset link|change my|(?:code|password|key|login) for[ \t]*\?|return code|exit code|status code|error code)\b"
)
_MESSAGE: Final = re.compile(
    r"[\"'](?:content|text|message|body|msg|say|says|utterance)[\"'][ \t]*:[ \t]*[\"']((?:[^\"\\\n]|\\.){0,1500})[\"'](?=[ \t]*[,}\]])"
)
_TURN: Final = re.compile(
    r"\n+|</?p>|<br ?/?>|(?<=[.?!\w]) (?=(?:SPEAKER_?\d+|Speaker \d|Caller|Operator|Agent|Customer|User|Client|Q|A|B): )"
)
_HEAD: Final = re.compile(
    r"(?i)[ \t]*(?:[-*>—–#|][ \t]*){0,2}(?:\[[^\]\n]{0,30}\][ \t]*)?(?:\d{1,2}:\d\d(?::\d\d)?[ \t]+)?(?:<[@+%]?[\w. -]{1,24}>[ \t]*|\*{0,2}[\"']?[^\W\d][\w .-]{0,24}[\"']?[:>]\*{0,2}(?=\s|\Z)[ \t]*:?[ \t]*|[A-Z][.)][ \t]+)?[\"'“«]?"
)
_META: Final = re.compile(
    r"(?i)[ \t-]*[\"']?(?:role|from|speaker|author|sender|name|time|ts|date|id|type|user)[\"']?[ \t]*:[ \t]*[\"']?[\w .@:-]{0,40}[\"']?,?[ \t]*\Z|[\s{}\[\],]*\Z"
)
_WAIT: Final = re.compile(
    r"(?i)[\W_]*(?:sec|one sec|a sec|second|moment|wait|hold on|hm+|uh+|let me (?:look|check|see)|checking|sure|ok(?:ay)?|moment mal|un momento|секунду)[\W_]*\Z"
)
_FILLER: Final = re.compile(
    r"(?i)(?:(?:sure|yes|yeah|yep|ok(?:ay)?|right|well|uh+|um+|so|i think|i guess|here(?: you go)?|of course|done|you (?:saved|set|chose|use|used)(?: it to)?|(?:i|we) (?:saved|set|chose|use|used|gave|type|typed)(?: it to)?|claro|sí|si|ja|klar|oui|voilà|certo|da|да|конечно|try|use|take|enter|type|with|with the|mit|avec|con|com|probier|nimm|versuch\w*(?: sie)?(?: (?:mal|es mit))?|"
    r"it(?:['’]s| is| was|['’]ll be| should be)(?: still| now| set to| probably)?|that(?:['’]s| is| was| would be| should be)|its|the \w+(?: \w+)? is|es ist|das ist|c['’]est|es|è|это|is)(?![^\W_])[,.:!]?[ \t]*){1,5}"
)
_PAIR: Final = re.compile(
    r"[\w.@-]{2,30}(?:[ \t]*[/|:,][ \t]*(?:then[ \t]+|and[ \t]+)?|[ \t]+(?:and|und|et|y|e|и|with|then|mit)[ \t]+)(?P<value>\S{3,40})"
)
_CLAUSE: Final = re.compile(r"[,;.!?](?=\s|\Z)|[\"'”»](?=\W|\Z)|\s[-–—(]|\\n")
_FUNCTION: Final = re.compile(
    r"(?i)(?:the|a|an|my|your|his|her|our|their|for|in|on|at|of|from|to|not|no|yes|same|here|there|both|all|some|any|you|i|we|it|this|that|ask|see|look|click|go|none|only|just|by|as|der|die|das|im|le|la|les|el|в|на|nothing|nobody|with|and|if)\Z"
)
_SHORT_ANSWER: Final = 4
_MOST_TURNS: Final = 2
_LONGEST_TURN: Final = 400
_DIGITS: Final = re.compile(r"(?<![\w.:/-])\d(?:[ -]?\d){3,9}(?![\w:/%]|[.-]\d)")
_WORD: Final = re.compile(r"[^\s\"'`,;()\[\]{}<>«»“”]+")
_SERIAL: Final = re.compile(r"[a-z]+(?:-[a-z]+)?-?\d{1,3}|v?\d+(?:\.\d+)+\S*|[A-Z]{1,5}-?\d{1,5}")


def find_conversation_answers(text: str) -> Iterator[SecretSpan]:
    """Yield the passwords in the turns after one that asks for them."""
    named = {cue.end for cue in cues_of(text) if cue.kind != "same"}
    places = sorted(named | {match.end() for match in cued_text(text).matches(_ACCESS)})
    if not places:
        return
    asked, age, is_named = "", 0, False
    for start, end in _turns(text):
        line = text[start:end]
        if asked and not _WAIT.match(line):
            yield from _answers(text, start, end, asked, is_named=is_named)
            asked = ""
        elif asked and (age := age + 1) > _MOST_TURNS:
            asked = ""
        at = bisect_left(places, start + 1)
        is_place = at < len(places) and places[at] <= end
        if is_place and _ASKS.search(line) and not _NOT_ASKED.search(line):
            asked, age, is_named = line, 0, places[at] in named


def _turns(text: str) -> Iterator[tuple[int, int]]:
    """Yields what each speaker says, without the speaker's name."""
    messages = list(_MESSAGE.finditer(text))
    if len(messages) > 1:
        yield from (message.span(1) for message in messages)
        return
    at = 0
    for found in [*_TURN.finditer(text), None]:
        stop = found.start() if found else len(text)
        if stop > at and not _META.match(text[at : min(stop, at + 120)]):
            head = _HEAD.match(text, at, stop)
            yield head.end() if head else at, min(stop, at + _LONGEST_TURN)
        at = found.end() if found else stop


def _answers(text: str, start: int, end: int, asked: str, *, is_named: bool) -> Iterator[SecretSpan]:
    filler = _FILLER.match(text, start, end)
    at = filler.end() if filler else start
    at += len(text[at:end]) - len(text[at:end].lstrip(" \t\"'`*«“:"))
    clause = _CLAUSE.search(text, at, end)
    stop = clause.start() if clause else end
    value = text[at:stop].rstrip(" \t\r\"'`*.")
    is_whole = not text[stop:end].strip(" \t\r\n.,!\"'`*)")
    if value and FILL in value:
        return
    yield from _second_of_pair(text, at, end)
    words = value.split()
    if words and (filler or is_whole) and _is_answer(value, words, is_named=is_named, is_whole=is_whole):
        yield SecretSpan(at, at + len(value))
    elif filler and words and is_named and oddness(words[0]) and not states_something(words[0]):
        yield SecretSpan(at, at + len(words[0]))
    for word in _WORD.finditer(text, start, end):
        bare = word[0].rstrip(".,;!?:*")
        if _is_odd(bare, 2) and not is_expression(bare):
            yield SecretSpan(word.start(), word.start() + len(bare))
    if is_named or re.search(r"(?i)code|combo|combination|digits|pin", asked):
        yield from (SecretSpan(*found.span()) for found in _DIGITS.finditer(text, start, end))


def _second_of_pair(text: str, at: int, end: int) -> Iterator[SecretSpan]:
    """Yields X of `admin / X`, `scan01 and X`."""
    pair = _PAIR.match(text, at, end)
    word = pair["value"].rstrip(".,;!?*\"'") if pair else ""
    if pair and _is_odd(word, 1) and not is_reference_or_path(word):
        yield SecretSpan(pair.start("value"), pair.start("value") + len(word))


def _is_answer(value: str, words: list[str], *, is_named: bool, is_whole: bool) -> bool:
    if len(words) > _SHORT_ANSWER or _FUNCTION.match(words[0]) or states_something(value) or is_message(value):
        return False
    if is_reference_or_path(value) or is_expression(value) or "/" in value or ":" in value:
        return False
    if is_named and is_whole:
        return True
    return any(_is_odd(word, 1) for word in words)


def _is_odd(word: str, least: int) -> bool:
    """Whether a word may be a password: of one that is only unlisted more is required, such as digits after words."""
    odd = oddness(word)
    if not odd or is_reference_or_path(word) or FILL in word:
        return False
    return odd >= least or (
        odd == Oddness.UNLISTED and "-" in word and not _SERIAL.fullmatch(word) and word[-1].isdigit()
    )
