"""The model `moe`: an expert is chosen for each request, by its last message."""

import asyncio
from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

from evolve.core.model.json_value import JsonValue
from pipecatapp.core.ports import ExpertChooser

MODEL: Final = "moe"
"""The id under which the gateway chooses."""
ROUTER: Final = "ROUTER_AGENT"
"""Anneal's agent that names the expert, where the configuration names no other."""


class Choice(NamedTuple):
    """Who answers, and why."""

    expert: str
    reason: Literal["chosen", "unsure", "late", "failed", "no choice"]
    """Any but `chosen` means the fallback."""


async def choose_expert(
    chooser: ExpertChooser | None,
    fallback: str,
    request: Mapping[str, JsonValue],
    tags: Mapping[str, tuple[str, ...]],
    limit_s: float,
) -> Choice:
    """Return the expert for a request: the chosen one, or the fallback where the choice is unsure, late or failed.

    Args:
        chooser: who chooses; None for always the fallback.
        fallback: the expert for everything else.
        request: a chat request.
        tags: of the experts that can answer now.
        limit_s: what a choice may take: it comes before the first token of every answer.
    """
    message = last_message(request)
    if chooser is None or not message or tags.keys() <= {fallback}:
        return Choice(fallback, "no choice")
    try:
        async with asyncio.timeout(limit_s):
            chosen = await chooser.choose(message, tags)
    except TimeoutError:
        return Choice(fallback, "late")
    except Exception:  # a choice is a hint: whatever is wrong with it, the fallback answers
        return Choice(fallback, "failed")
    return Choice(chosen, "chosen") if chosen is not None and chosen in tags else Choice(fallback, "unsure")


def last_message(request: Mapping[str, JsonValue]) -> str:
    """Return the text of the user's last message; empty where there is none."""
    messages = request.get("messages")
    for message in reversed(messages if isinstance(messages, list) else []):
        if isinstance(message, dict) and message.get("role") == "user":
            return _text(message.get("content"))
    return ""


def _text(content: JsonValue) -> str:
    if isinstance(content, str):
        return content
    parts = [part.get("text") for part in content or () if isinstance(part, dict)] if isinstance(content, list) else []
    return "\n".join(part for part in parts if isinstance(part, str))
