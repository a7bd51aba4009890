"""What a tool said, made fit for a prompt and a page: clean, without secrets, and not too long."""

import re
from collections.abc import Iterable, Mapping
from threading import Lock
from typing import Final

from evolve.core.cases.redaction import CannotRedact, Redactor, environment_secrets
from evolve.core.text.inert_text import clean_text

MAX_BYTES: Final = 16 * 1024
"""Of one result: what a small model can still read."""
MAX_LINES: Final = 400
SEARCHED_BYTES: Final = 4 * MAX_BYTES
"""What is searched for secrets. More than is shown: a cut would leave half of a secret, which no rule knows."""
_BLANKS: Final = re.compile(r"(?<=[^\S\n]{200})[^\S\n]+")
"""What follows the 200th blank in a row: it says nothing, and to search pages of blanks for secrets takes seconds."""
WITHHELD: Final = "the output is withheld: it could not be searched for secrets"


class OutputFilter:
    """Cleans, masks and cuts outputs; for any number of threads."""

    def __init__(self, env: Mapping[str, str], secrets: Iterable[str] = (), *, key: bytes = b"") -> None:
        """Take what is secret.

        Args:
            env: the process's variables; values of those that hold secrets are masked.
            secrets: further values that are always masked.
            key: for the digits of the placeholders.
        """
        # An answer about a shop or a colleague is of no use without its phone number: personal data stay.
        self._redactor = Redactor((*environment_secrets(env), *secrets), keeps_personal_data=True, key=key)
        self._lock = Lock()  # a redactor remembers texts while it works

    def apply(self, text: str) -> str:
        """Return the text without control characters and secrets, of at most MAX_BYTES and MAX_LINES.

        Whatever cannot be searched is withheld as a whole.
        """
        cleaned = _BLANKS.sub("", clean_text(text))
        part = cut_bytes(cleaned, SEARCHED_BYTES)
        try:
            with self._lock:
                masked = self._redactor.redact(part)
        except CannotRedact:
            return WITHHELD
        return cap(str(masked), cut_before=len(part) < len(cleaned))


def cap(text: str, *, max_bytes: int = MAX_BYTES, max_lines: int = MAX_LINES, cut_before: bool = False) -> str:
    """Return the beginning of a text, with a last line that says so where something is missing.

    Args:
        text: any text.
        max_bytes: of the result in UTF-8, without that line.
        max_lines: of the result, without that line.
        cut_before: whether the text is the beginning of a longer one.
    """
    lines = text.split("\n", max_lines)
    shown = cut_bytes("\n".join(lines[:max_lines]), max_bytes)
    if len(shown) == len(text) and not cut_before:
        return text
    return f"{shown}\n[cut: only the first {len(shown.encode()):,} bytes are shown]"


def cut_bytes(text: str, limit: int) -> str:
    """Return as many characters from the beginning as fit into a number of bytes in UTF-8."""
    if len(text) * 4 <= limit:
        return text
    return text[:limit].encode("utf-8", "replace")[:limit].decode("utf-8", "ignore")
