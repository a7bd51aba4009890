"""Cleans text that a program wrote: it is data, and must not steer a terminal, a prompt or a reader's eyes."""

import re

_ESCAPES = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)?|[PX^_][^\x1b]*(\x1b\\)?|[@-Z\\-_])")
"""Escape sequences of terminals: colours, cursor moves, titles, clipboards."""
_INVISIBLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")
"""Control characters other than tab and line feed, and those that turn or hide text."""


def clean_tail(text: str, limit: int = 64 * 1024) -> str:
    """Return the end of a text without escape sequences, control, bidirectional and invisible characters.

    Args:
        text: as a program wrote it.
        limit: characters that are kept, from the end.
    """
    # A line that was written again and again with a carriage return shows its last state.
    lines = (line.rstrip("\r").rpartition("\r")[2] for line in _ESCAPES.sub("", text[-4 * limit :]).split("\n"))
    return _INVISIBLE.sub("", "\n".join(lines))[-limit:]
