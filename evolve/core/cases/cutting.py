"""Cuts what was captured to a size that people review: heads and tails of texts and lists, with a mark between."""

import json
import re
from typing import Final

from evolve.core.model.json_value import JsonValue

MAX_TEXT: Final = 6_000
"""Characters of one text."""
MAX_ENTRIES: Final = 60
"""Entries of one list."""
MAX_CASE: Final = 60_000
"""Characters of all vars, as JSON."""

_HEAD: Final = 0.3
"""The end of a log says more than its beginning."""
_BROKEN_HEAD: Final = re.compile(r"<(?:s|se|sec|secr|secre|secret|i|id)?(?::[0-9a-f]{0,6})?\Z")
_BROKEN_TAIL: Final = re.compile(r"\A[a-z]{0,6}:?[0-9a-f]{0,6}>")


def cut(value: JsonValue) -> JsonValue:
    """The value with long texts and lists cut, more of them the larger the whole is. Redact before, never after."""
    texts, entries = MAX_TEXT, MAX_ENTRIES
    smaller = _cut(value, texts, entries)
    while len(json.dumps(smaller, ensure_ascii=False)) > MAX_CASE and texts > 100:
        texts, entries = texts // 2, max(4, entries // 2)
        smaller = _cut(value, texts, entries)
    return smaller


def cut_text(text: str, length: int) -> str:
    """At most `length` characters of a text and a mark that says how many are left out; placeholders stay whole."""
    if len(text) <= length:
        return text
    head = _BROKEN_HEAD.sub("", text[: int(length * _HEAD)])
    tail = _BROKEN_TAIL.sub("", text[len(text) - (length - int(length * _HEAD)) :])
    return f"{head}\n[... {len(text) - len(head) - len(tail)} characters left out ...]\n{tail}"


def _cut(value: JsonValue, texts: int, entries: int) -> JsonValue:
    if isinstance(value, str):
        return cut_text(value, texts)
    if isinstance(value, dict):
        return {key: _cut(part, texts, entries) for key, part in value.items()}
    if isinstance(value, list):
        kept = [_cut(part, texts, entries) for part in _ends(value, entries)]
        head = int(entries * _HEAD)
        left_out = len(value) - len(kept)
        return [*kept[:head], f"[... {left_out} entries left out ...]", *kept[head:]] if left_out else kept
    return value


def _ends(entries: list[JsonValue], count: int) -> list[JsonValue]:
    head = int(count * _HEAD)
    return entries if len(entries) <= count else [*entries[:head], *entries[len(entries) - (count - head) :]]
