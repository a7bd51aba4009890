"""Cleans text that a program wrote: it is data, and must not steer a terminal, a prompt or a reader's eyes."""

import re

_ESCAPES = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[PX^_][^\x1b]*(?:\x1b\\)?|[@-OQ-WYZ\\])"
)
"""Escape sequences of terminals: colours, cursor moves, titles, clipboards."""
_INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\ufffe\uffff"
    "\ud800-\udfff]"
)
"""Control characters but tab and line feed, zero-width ones, changes of direction, and lone surrogates: they could hide
text from a reviewer or act on a terminal, and YAML cannot hold most of them."""


def clean_text(text: str) -> str:
    """Return a text without escape sequences and invisible characters, and with line feeds as its only line ends."""
    if text.isascii() and text.isprintable():
        return text
    return _INVISIBLE.sub("", _ESCAPES.sub("", text).replace("\r\n", "\n").replace("\r", "\n"))


def clean_tail(text: str, limit: int = 64 * 1024) -> str:
    """Return the end of a log, cleaned as `clean_text` does; of a line that was written again, its last state.

    Args:
        text: as a program wrote it.
        limit: characters that are kept, from the end.
    """
    # Escape sequences first: one of them may stand between a carriage return and the end of its line.
    lines = (line.rstrip("\r").rpartition("\r")[2] for line in _ESCAPES.sub("", text[-4 * limit :]).split("\n"))
    return clean_text("\n".join(lines))[-limit:]
