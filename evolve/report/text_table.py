"""The texts of a page's data: each is stored once, and rows refer to it by number."""

from typing import Final

from evolve.core.model.json_value import JsonValue
from evolve.report.short_text import cut

TEXT_LIMIT: Final = 40_000
"""Characters of one text; the middle of a longer one is left out and counted."""
TIGHT_LIMIT: Final = 400
"""Characters of one text after all texts together have passed TEXTS_LIMIT; earlier ones keep their length."""
TEXTS_LIMIT: Final = 24_000_000
"""Characters of all texts: a page much larger than this opens slowly, and mail servers refuse it."""


class Texts:
    """Each text once, by number."""

    def __init__(self) -> None:
        self.all: list[JsonValue] = []
        self._numbers: dict[str, int] = {}
        self._size = 0

    def number(self, text: str) -> int:
        """Return the number of a text; the text is cut to the limit."""
        known = self._numbers.get(text)
        if known is not None:
            return known
        kept = cut(text, TEXT_LIMIT if self._size < TEXTS_LIMIT else TIGHT_LIMIT)
        self._size += len(kept)
        self._numbers[text] = len(self.all)
        self.all.append(kept)
        return self._numbers[text]
