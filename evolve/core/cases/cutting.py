"""Cuts captured data to a size that people can review: heads and tails of texts and lists, with a mark between."""

import json
import re
from typing import Final

from evolve.core.model.json_value import JsonValue

MAX_TEXT: Final = 6_000
"""Characters of one text: about a hundred lines of a log."""
MAX_ENTRIES: Final = 60
"""Entries of one list, such as a job's events: the first and the last ones explain the failure."""
MAX_CASE: Final = 60_000
"""Characters of all vars as JSON. A larger file is not reviewed, and it costs tokens in every run."""

_HEAD: Final = 0.3
"""Share that the head gets: the end of a log explains more than its beginning."""

_MIN_TEXT: Final = 100
"""Stops the halving: with texts this short, only a huge number of texts is left to cut."""

_MIN_ENTRIES: Final = 4
"""Lists keep at least one entry of the head and some of the tail."""

_BROKEN_HEAD: Final = re.compile(r"<(?:s|se|sec|secr|secre|secret|i|id)?(?::[0-9a-f]{0,6})?\Z")
_BROKEN_TAIL: Final = re.compile(r"\A[a-z]{0,6}:?[0-9a-f]{0,6}>")
"""Halves of `<secret:1a2b3c>` or `<id:1a2b3c>` at a cut: half a placeholder would not be recognised as one later."""


def cut(value: JsonValue) -> JsonValue:
    """Return the value with long texts and lists cut; the larger the whole, the shorter each part.

    Redact before cutting: half of a secret is not recognised.
    """
    texts, entries = MAX_TEXT, MAX_ENTRIES
    smaller = _cut(value, texts, entries)
    while len(json.dumps(smaller, ensure_ascii=False)) > MAX_CASE and texts > _MIN_TEXT:
        texts, entries = texts // 2, max(_MIN_ENTRIES, entries // 2)
        smaller = _cut(value, texts, entries)
    return smaller


def cut_text(text: str, length: int) -> str:
    """Return at most `length` characters of a text plus a mark with the number left out; placeholders stay whole."""
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
