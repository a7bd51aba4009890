"""Several texts that are searched as one: each search of a text has a price that does not depend on its length."""

from bisect import bisect_right
from collections.abc import Sequence
from typing import Final, NamedTuple

from evolve.core.cases.secret_shapes import SecretSpan

PART_END: Final = "\ue001"
"""A sign between the texts; what includes it is in none of them."""
BETWEEN: Final = f"\n\n{PART_END}\n\n"


class PartSpan(NamedTuple):
    """A place in one of the texts."""

    number: int
    start: int
    end: int


class JoinedTexts:
    """Some texts, one after the other.

    Args:
        texts: in their order.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self.text = BETWEEN.join(texts)
        self._starts = [0]
        for text in texts[:-1]:
            self._starts.append(self._starts[-1] + len(text) + len(BETWEEN))
        self._lengths = list(map(len, texts))

    def place(self, span: SecretSpan) -> PartSpan | None:
        """Return in which text a span is; None if it is in several, or between them."""
        number = bisect_right(self._starts, span.start) - 1
        start, end = (at - self._starts[number] for at in span)
        return PartSpan(number, start, end) if start < end <= self._lengths[number] else None
