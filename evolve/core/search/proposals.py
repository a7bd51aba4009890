"""What a reflector's text must be before it costs a rollout: whole, short, one thing, and new.

Small reflectors answer with chat, code fences, placeholders, or the same rule again.
"""

import re
import unicodedata
from collections.abc import Sequence

from evolve.core.formats.json_text import json_or
from evolve.core.retrieval.nearest import words

MAX_RULE_CHARS = 240
MAX_SECTION_GROWTH = 1.5
_NEAR_DUPLICATE = 0.8
_PLACEHOLDER = re.compile(
    r"\{\{.*?\}\}|\[(?:your|insert|name|rule)[^\]]*\]|<(?:your|insert|rule|text)[^>]*>|\.\.\.$", re.I
)
_CHAT = re.compile(
    r"^(?:sure|certainly|of course|here(?:'s| is| are)|i (?:will|would|can|have)|as an ai|okay|ok[,.])", re.I
)
_NO_TEXT = ("Cc", "Cs")
"""Control characters and halves of surrogate pairs."""
_VARIABLE = re.compile(r"\{\{-?\s*(.*?)\s*-?\}\}")


def read_text(answer: str) -> tuple[str, str]:
    """Return (text, problem) of an answer that must be `{"text": "..."}`; no problem means a usable text."""
    value = json_or(answer, None)
    if not isinstance(value, dict) or not isinstance(value.get("text"), str):
        cut = answer.strip()[:80]
        return "", f'no JSON object with "text" (cut off, or chat): {cut!r}'
    text = "\n".join(str(value["text"]).splitlines()).strip()
    if not text:
        return "", "empty"
    if any(unicodedata.category(char) in _NO_TEXT and char not in "\n\t" for char in text):
        return "", f"characters that no text has: {text[:60]!a}"
    if "```" in text:
        return "", "a code fence in the text"
    if _CHAT.match(text):
        return "", f"chat instead of an instruction: {text[:60]!r}"
    return text, ""


def check_rule(answer: str, rules: Sequence[str]) -> tuple[str, str]:
    """Return (rule, problem): one sentence of at most 240 characters that no present rule repeats."""
    text, problem = read_text(answer)
    if problem:
        return "", problem
    rule = " ".join(re.sub(r"^(?:\d+[.)]|[-*])\s+", "", text).split())
    if len(rule) > MAX_RULE_CHARS:
        return "", f"a rule of {len(rule)} characters, more than {MAX_RULE_CHARS}"
    if _PLACEHOLDER.search(rule):
        return "", f"a placeholder in the rule: {rule[:80]!r}"
    if len(words(rule)) < 3:
        return "", f"too short for a rule: {rule!r}"
    twin = next((known for known in rules if _likeness(rule, known) >= _NEAR_DUPLICATE), None)
    return ("", f"nearly the same as the rule {twin!r}") if twin else (rule, "")


def check_section(answer: str, old: str) -> tuple[str, str]:
    """Return (body, problem): a section with the old one's template variables, not much longer, not the same."""
    text, problem = read_text(answer)
    if problem:
        return "", problem
    lost = set(_VARIABLE.findall(old)) - set(_VARIABLE.findall(text))
    if lost:
        return "", f"it loses {', '.join(sorted(lost))}"
    if len(text) > max(len(old) * MAX_SECTION_GROWTH, 400):
        return "", f"{len(text)} characters instead of {len(old)}"
    if re.search(r"^#{1,2} ", text, re.M):
        return "", "a heading in the section"
    return ("", "nearly the same as it was") if _likeness(text, old) >= 0.98 else (text, "")


def _likeness(left: str, right: str) -> float:
    """Jaccard likeness of the two texts' words, 0..1."""
    one, other = set(words(left)), set(words(right))
    return len(one & other) / len(one | other) if one | other else 1.0
