"""Shared by the operators that change rules."""

import json

from evolve.core.formats.json_text import json_or
from evolve.core.model.json_value import JsonValue

MAX_RULES = 10
"""Each rule makes every prompt longer, and a model follows the first ones most."""


def label_text(label: JsonValue) -> str:
    """Return a label as JSON text, as demos show it."""
    return json.dumps(label, ensure_ascii=False)


def answer_text(answer: str) -> str:
    """Return an answer as a rule names it: the bare value if the JSON holds a single text."""
    value = json_or(answer, None)
    while isinstance(value, dict) and len(value) == 1:
        value = next(iter(value.values()))
    return value if isinstance(value, str) else answer
