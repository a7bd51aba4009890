"""Checks of a reflector's text before a rollout is paid for: complete, short, one thing, and new.

Small reflectors answer with chat, code fences, placeholders, or the same rule again.
"""

import re
import unicodedata
from collections.abc import Sequence

from evolve.core.formats.json_text import json_or
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
_PLACEHOLDER = re.compile(
    r"\{\{.*?\}\}|\[(?:your|insert|name|rule)[^\]]*\]|<(?:your|insert|rule|text)[^>]*>|\.\.\.$", re.I
)
"""Text that a model left for someone to fill in, or an answer that trails off in dots."""
_CHAT = re.compile(
    r"^(?:sure|certainly|of course|here(?:'s| is| are)|i (?:will|would|can|have)|as an ai|okay|ok[,.])", re.I
)
"""How chat begins. An instruction does not begin like that."""
_NO_TEXT = ("Cc", "Cs")
"""Unicode categories of control characters and of surrogate halves, which cannot be written as UTF-8."""
_VARIABLE = re.compile(r"\{\{-?\s*(.*?)\s*-?\}\}")


def read_text(answer: str) -> tuple[str, str]:
    """Return (text, problem) of an answer that must be `{"text": "..."}`; no problem means a usable text."""
    value = json_or(answer, None)
    if not isinstance(value, dict) or not isinstance(value.get("text"), str):
        cut = answer.strip()[:80]
        return "", f'expected a JSON object with "text", got {cut!r} (the answer was cut off, or is chat)'
    text = "\n".join(str(value["text"]).splitlines()).strip()
    if not text:
        return "", "the text is empty"
    if any(unicodedata.category(char) in _NO_TEXT and char not in "\n\t" for char in text):
        return "", f"the text has control characters: {text[:60]!a}"
    if "```" in text:
        return "", "the text has a code fence"
    if _CHAT.match(text):
        return "", f"expected an instruction, got chat: {text[:60]!r}"
    return text, ""


def check_rule(answer: str, rules: Sequence[str]) -> tuple[str, str]:
    """Return (rule, problem): one sentence of at most 240 characters that no present rule repeats."""
    text, problem = read_text(answer)
    if problem:
        return "", problem
    rule = " ".join(re.sub(r"^(?:\d+[.)]|[-*])\s+", "", text).split())
    if len(rule) > MAX_RULE_CHARS:
        return "", f"expected a rule of at most {MAX_RULE_CHARS} characters, got {len(rule)}"
    if _PLACEHOLDER.search(rule):
        return "", f"the rule has a placeholder: {rule[:80]!r}"
    if len(words(rule)) < _MIN_RULE_WORDS:
        return "", f"expected a rule of at least {_MIN_RULE_WORDS} words, got {rule!r}"
    twin = next((known for known in rules if _likeness(rule, known) >= _NEAR_DUPLICATE), None)
    return ("", f"the rule nearly repeats {twin!r}") if twin else (rule, "")


def check_section(answer: str, old: str) -> tuple[str, str]:
    """Return (body, problem): a section with the old one's template variables, not much longer, not the same."""
    text, problem = read_text(answer)
    if problem:
        return "", problem
    lost = set(_VARIABLE.findall(old)) - set(_VARIABLE.findall(text))
    if lost:
        return "", f"the section lacks the variables {', '.join(sorted(lost))}"
    most = max(len(old) * MAX_SECTION_GROWTH, _SHORT_SECTION_CHARS)
    if len(text) > most:
        return "", f"expected a section of at most {most:.0f} characters, got {len(text)}"
    # A heading would start a new section when the agent's file is read again.
    if re.search(r"^#{1,2} ", text, re.M):
        return "", "the section has a heading"
    return ("", "the section is nearly unchanged") if _likeness(text, old) >= _UNCHANGED else (text, "")


def _likeness(left: str, right: str) -> float:
    """Return the Jaccard likeness of the two texts' words, 0..1."""
    one, other = set(words(left)), set(words(right))
    return len(one & other) / len(one | other) if one | other else 1.0
