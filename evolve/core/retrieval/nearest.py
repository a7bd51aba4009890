"""Ranks the texts of a bank by their similarity to a query, with BM25.

The formula is Okapi BM25 as in Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009),
with the non-negative idf ln(1 + (N - n + 0.5) / (n + 0.5)).
"""

import math
import re
from collections import Counter
from collections.abc import Sequence

_WORD = re.compile(r"[A-Za-z][a-z]+|[A-Z]{2,}|(?<!\d)\d{3}(?!\d)")


def words(text: str) -> list[str]:
    """Return the words of a text in lower case; camelCase is split, and the only numbers kept are three-digit codes.

    Exit and HTTP codes have three digits and decide cases; other numbers are ids, ports and times.
    """
    return [word.lower() for word in _WORD.findall(text)]


class Bm25:
    """An index of texts, built once for many queries.

    Args:
        k1: how fast repetitions of a word stop counting.
        b: how much long texts are discounted, 0..1. The defaults are the usual ones of BM25.
    """

    def __init__(self, texts: Sequence[str], *, k1: float = 1.2, b: float = 0.75) -> None:
        self._k1 = k1
        self._counts = [Counter(words(text)) for text in texts]
        lengths = [sum(counts.values()) for counts in self._counts]
        mean = (sum(lengths) / len(lengths) if lengths else 0.0) or 1.0
        self._norms = [k1 * (1 - b + b * length / mean) for length in lengths]
        seen = Counter(word for counts in self._counts for word in counts)
        total = len(texts)
        self._idf = {word: math.log(1 + (total - n + 0.5) / (n + 0.5)) for word, n in seen.items()}

    def scores(self, query: str) -> list[float]:
        """Return one score for each text, in the bank's order; 0 where no word is shared."""
        asked = [(word, self._idf[word]) for word in sorted(set(words(query))) if word in self._idf]
        return [
            sum(idf * counts[word] * (self._k1 + 1) / (counts[word] + norm) for word, idf in asked if word in counts)
            for counts, norm in zip(self._counts, self._norms, strict=True)
        ]
