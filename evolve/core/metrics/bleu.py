"""BLEU of one sentence.

Source: Papineni, Roukos, Ward, Zhu: "BLEU: a method for automatic evaluation of machine translation", ACL 2002.
As in promptfoo, orders longer than the candidate are left out and the other weights grow, and an order without a match
counts as a precision of 1e-7, so that one missing order does not make the product 0.
"""

import math
from collections.abc import Sequence

from evolve.core.javascript.values import js_strip
from evolve.core.metrics.ngrams import ngrams, overlap, words

_MAX_ORDER = 4
"""The paper's: runs of one to four words."""
_NO_MATCH = 1e-7
"""Promptfoo's precision of an order without a match."""


def bleu_score(candidate: str, references: Sequence[str]) -> float:
    """Return the mean (geometric) of the clipped precisions of 1 to 4 words, times the brevity penalty; 0 for blank."""
    if not js_strip(candidate):
        return 0.0
    got = words(candidate)
    wanted = [words(reference) for reference in references]
    orders = range(1, min(_MAX_ORDER, len(got)) + 1)
    logs = [math.log(_precision(got, wanted, n) or _NO_MATCH) for n in orders]
    return _brevity(len(got), [len(reference) for reference in wanted]) * math.exp(sum(log / len(logs) for log in logs))


def _precision(got: Sequence[str], wanted: Sequence[Sequence[str]], n: int) -> float:
    grams = ngrams(got, n)
    return max(overlap(grams, ngrams(reference, n)) for reference in wanted) / (len(got) - n + 1)


def _brevity(length: int, references: Sequence[int]) -> float:
    closest = min(references, key=lambda reference: (abs(reference - length), reference))
    return 1.0 if length > closest else math.exp(1 - closest / length)
