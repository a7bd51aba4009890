"""Checks of a reflector's text before a rollout is paid for: complete, short, one thing, and new.

Small reflectors answer with chat, placeholders, or the same rule again; large ones put their JSON into a code fence, or
text around it, which is no reason to refuse it.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from evolve.core.formats.json_text import objects_in
from evolve.core.retrieval.nearest import words

MAX_RULE_CHARS = 240
"""About 40 words: one sentence. A longer rule is usually several, or a copy of a case."""
MAX_SECTION_GROWTH = 1.5
"""How much longer than the old section a new one may be; without a limit sections grow with every rewrite."""
_SHORT_SECTION_CHARS = 400
"""A section may always have this length: half as much again of a one-line section would be too little."""
_NEAR_DUPLICATE = 0.8
"""Jaccard likeness from which a rule repeats another: four of five words are the same."""
_UNCHANGED = 0.98
"""Jaccard likeness from which a section counts as unchanged; one new word in fifty makes it a new one."""
_MIN_RULE_WORDS = 3
"""A rule of one or two words ("Be careful.") cannot name a condition and an answer."""
_PLACEHOLDER = re.compile(r"\[(?:your|insert|name|rule)[^\]]*\]|<(?:your|insert|rule|text)[^>]*>|\.\.\.$", re.I)
"""Text that a model left for someone to fill in, or an answer that trails off in dots."""
_CHAT = re.compile(
    r"^(?:sure|certainly|of course|here(?:'s| is| are)|i (?:will|would|can|have)|as an ai|okay|ok[,.])", re.I
)
"""How chat begins. An instruction does not begin like that."""
_NO_TEXT = ("Cc", "Cs")
"""Unicode categories of control characters and of surrogate halves, which cannot be written as UTF-8."""
_THOUGHT = re.compile(r"<think(?:ing)?>.*?</think(?:ing)?>", re.S | re.I)
"""What a reasoning model wrote before its answer; it may hold drafts of it."""
_FENCED = re.compile(r"```\w*\n(.*?)\n?```", re.S)
_TEMPLATE = re.compile(r"\{\{.*?(?:\}\}|$)|\{%.*?(?:%\}|$)|\{#.*?(?:#\}|$)", re.S)
"""Template syntax; a mark that is never closed counts too."""
_SHOWN_CHARS = 80
"""Characters of a refused text in its reason: enough to recognise it."""

RefusalKind = Literal[
    "empty",
    "no-json",
    "control-characters",
    "fence",
    "chat",
    "long",
    "short",
    "placeholder",
    "template",
    "repeat",
    "heading",
    "no-answer",
    "drops-answer",
    "copy",
]


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a reflector's answer is no proposal."""

    kind: RefusalKind
    """Refusals of one kind have the same cause; their reasons differ in what they quote."""
    reason: str


def read_text(answer: str) -> str | Refused:
    """Return the text of an answer that must hold one JSON object `{"text": "..."}`, in a code fence or not."""
    answer = _THOUGHT.sub("", answer).strip()
    if answer in ("", "null"):
        return Refused("empty", 'the answer is empty; expected a JSON object with "text"')
    texts = {value["text"] for value in objects_in(answer) if isinstance(value.get("text"), str)}
    if len(texts) != 1:
        what = f"{len(texts)} of them" if texts else f"{answer[:_SHOWN_CHARS]!r} (the answer was cut off, or is chat)"
        return Refused("no-json", f'expected a JSON object with "text", got {what}')
    text = "\n".join(str(texts.pop()).splitlines()).strip()
    fenced = _FENCED.fullmatch(text)
    return _check_text(fenced[1].strip() if fenced else text)


def _check_text(text: str) -> str | Refused:
    if not text:
        return Refused("empty", "the text is empty")
    if any(unicodedata.category(char) in _NO_TEXT and char not in "\n\t" for char in text):
        return Refused("control-characters", f"the text has control characters: {text[:60]!a}")
    if "```" in text:
        return Refused("fence", "the text has a code fence")
    if _CHAT.match(text):
        return Refused("chat", f"expected an instruction, got chat: {text[:60]!r}")
    return text


def check_rule(answer: str, rules: Sequence[str], instructions: str = "") -> str | Refused:
    """Return one sentence of at most 240 characters that no present rule repeats.

    Args:
        answer: the reflector's.
        rules: the agent's present ones.
        instructions: all of the agent's own text, whose template syntax a rule may quote.
    """
    text = read_text(answer)
    return text if isinstance(text, Refused) else _checked_rule(text, rules, instructions)


def check_rules(answer: str, rules: Sequence[str], instructions: str = "") -> tuple[str, ...] | Refused:
    """Return the rules of an answer that has one in each line; those that are none are left out.

    Args:
        answer: the reflector's.
        rules: the agent's present ones.
        instructions: all of the agent's own text, whose template syntax a rule may quote.

    Returns:
        at least one rule, each as `check_rule` returns it, or why the first line is none.
    """
    text = read_text(answer)
    if isinstance(text, Refused):
        return text
    found: tuple[str, ...] = ()
    refused: list[Refused] = []
    for line in filter(str.strip, text.splitlines()):
        rule = _checked_rule(line.strip(), (*rules, *found), instructions)
        if isinstance(rule, Refused):
            refused.append(rule)
        else:
            found = (*found, rule)
    return found or refused[0]


def _checked_rule(text: str, rules: Sequence[str], instructions: str) -> str | Refused:
    rule = " ".join(re.sub(r"^(?:\d+[.)]|[-*])\s+", "", text).split())
    if len(rule) > MAX_RULE_CHARS:
        return Refused("long", f"expected a rule of at most {MAX_RULE_CHARS} characters, got {len(rule)}")
    if len(text) == MAX_RULE_CHARS and text[-1].isalnum():
        return Refused("long", f"the rule was cut off at {MAX_RULE_CHARS} characters: {rule[-_SHOWN_CHARS:]!r}")
    if _PLACEHOLDER.search(rule):
        return Refused("placeholder", f"the rule has a placeholder: {rule[:_SHOWN_CHARS]!r}")
    if brought := _brought(rule, instructions):
        return brought
    if len(words(rule)) < _MIN_RULE_WORDS:
        return Refused("short", f"expected a rule of at least {_MIN_RULE_WORDS} words, got {rule!r}")
    twin = next((known for known in rules if _likeness(rule, known) >= _NEAR_DUPLICATE), None)
    return Refused("repeat", f"the rule nearly repeats {twin!r}") if twin else rule


def names(text: str, answer: str) -> bool:
    """Return whether a text has the answer as a word of its own."""
    return re.search(rf"(?<![\w-]){re.escape(answer)}(?![\w-])", text) is not None


def section_limit(old: str) -> int:
    """Return how many characters a section may have that replaces `old`."""
    return round(max(len(old) * MAX_SECTION_GROWTH, _SHORT_SECTION_CHARS))


def check_section(answer: str, old: str, instructions: str = "", most: int | None = None) -> str | Refused:
    """Return a section that is not much longer than the old one, and not the same.

    Args:
        answer: the reflector's.
        old: the section that it replaces.
        instructions: all of the agent's own text, whose template syntax a section may quote.
        most: characters that it may have; None for those of `section_limit`.
    """
    text = read_text(answer)
    if isinstance(text, Refused):
        return text
    if brought := _brought(text, f"{old}\n{instructions}"):
        return brought
    most = section_limit(old) if most is None else most
    if len(text) > most:
        return Refused("long", f"expected a section of at most {most} characters, got {len(text)}")
    # A heading would start a new section when the agent's file is read again.
    if re.search(r"^#{1,2} ", text, re.M):
        return Refused("heading", "the section has a heading")
    return Refused("repeat", "the section is nearly unchanged") if _likeness(text, old) >= _UNCHANGED else text


def _brought(text: str, instructions: str) -> Refused | None:
    """Return the refusal of template syntax that the agent's own instructions do not have.

    Instructions are text and never rendered, so a variable in them stays what it is and only misleads the model.
    """
    known = set(map(_spaceless, _TEMPLATE.findall(instructions)))
    new = [mark for mark in _TEMPLATE.findall(text) if _spaceless(mark) not in known]
    if not new:
        return None
    shown = new[0][:_SHOWN_CHARS]
    return Refused("template", f"instructions are text, not a template: write words in place of {shown!r}")


def _spaceless(mark: str) -> str:
    return re.sub(r"[\s-]+", "", mark)


def _likeness(left: str, right: str) -> float:
    """Return the Jaccard likeness of the two texts' words, 0..1."""
    one, other = set(words(left)), set(words(right))
    return len(one & other) / len(one | other) if one | other else 1.0
