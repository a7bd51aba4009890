"""Decides which expert of a pool answers: the one that has read the prompt's beginning before, unless it is busy."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence

from evolve.core.model.answers import Request
from evolve.core.model.errors import CannotEvaluate
from evolve.core.model.json_value import JsonValue
from evolve.providers.chat_messages import chat_messages

_BEGINNING = 256
"""Characters that stand for the prefix of a prompt without a system message and without a template."""


def prefix_of(request: Request) -> str:
    """Return the part of a prompt that many requests share, which a server keeps in its cache.

    It is the system message (an agent's instructions: one for each candidate), else the template, else the beginning.
    """
    try:
        first = chat_messages(request.prompt)[0]
    except CannotEvaluate:  # the request itself will say so
        first = None
    if isinstance(first, dict) and first.get("role") == "system":
        return _text(first.get("content"))
    return request.raw_prompt or request.prompt[:_BEGINNING]


def _text(content: JsonValue) -> str:
    return content if isinstance(content, str) else str(content)


def rendezvous(key: str, names: Iterable[str]) -> list[str]:
    """Return the names in the key's own order of preference.

    Highest random weight (Thaler and Ravishankar 1998): when a name leaves, only the keys that had it first move, and
    each moves to its second name.
    """
    return sorted(names, key=lambda name: hashlib.sha256(f"{key}\0{name}".encode()).digest(), reverse=True)


def choose(key: str, loads: Mapping[str, int], slots: int) -> str:
    """Return the name that gets the next request.

    Args:
        key: what the request shares with others; equal keys have the same order of preference.
        loads: requests in flight, by name; at least one name.
        slots: requests that one name answers at once. Above it, the least loaded gets the request, of equals the one
            that the key prefers, so that a key spills to the same few names.
    """
    order: Sequence[str] = rendezvous(key, loads)
    home = order[0]
    return home if loads[home] < slots else min(order, key=loads.__getitem__)
