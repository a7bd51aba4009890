"""GLEU of one sentence ("Google BLEU").

Source: Wu et al.: "Google's Neural Machine Translation System", 2016, section 4.3: the smaller of precision and recall
over all runs of 1 to 4 words. As in promptfoo, words are compared in lower case and without full stops at their end.
"""

from collections.abc import Sequence

from evolve.core.metrics.ngrams import ngrams, overlap, words
from evolve.core.model.errors import CannotEvaluate

_ORDERS = range(1, 5)


def gleu_score(candidate: str, references: Sequence[str]) -> float:
    """Return the best score among the references.

    Raises:
        CannotEvaluate: the candidate is empty.
    """
    if not candidate:
        raise CannotEvaluate("gleu: the output is empty")
    got = _words(candidate)
    return max(_score(got, _words(reference)) for reference in references)


def _words(text: str) -> list[str]:
    return [word.rstrip(".") for word in words(text)]


def _score(got: list[str], wanted: list[str]) -> float:
    if got == wanted:
        return 1.0
    matches = sum(overlap(ngrams(got, n), ngrams(wanted, n)) for n in _ORDERS)
    return min(matches / _count(got), matches / _count(wanted))


def _count(tokens: Sequence[str]) -> int:
    return sum(max(0, len(tokens) - n + 1) for n in _ORDERS)
