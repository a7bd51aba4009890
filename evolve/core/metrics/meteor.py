"""METEOR with the stages "exact" and "stem".

Sources: Banerjee, Lavie: "METEOR: An Automatic Metric for MT Evaluation with Improved Correlation with Human
Judgments", 2005; Lavie, Agarwal: "METEOR: An Automatic Metric for MT Evaluation with High Levels of Correlation with
Human Judgments", 2007 (the parameters alpha, beta, gamma; those of 2005 are the defaults).
Stems are Porter's (1980). There is no synonym stage: it needs WordNet. Words are compared in lower case and without
full stops at their end.
"""

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from evolve.core.metrics.ngrams import words
from evolve.core.model.libraries import import_optional


def meteor_score(
    candidate: str, references: Sequence[str], *, alpha: float = 0.9, beta: float = 3.0, gamma: float = 0.5
) -> float:
    """Return the best score among the references.

    With m matched words in c chunks: P = m / candidate words, R = m / reference words,
    F = P R / (alpha P + (1 - alpha) R), score = F (1 - gamma (c / m) ** beta), at least 0.

    Args:
        candidate: the text to score.
        references: at least one text to compare it with.
        alpha: the weight of precision against recall, 0 to 1.
        beta: how fast the penalty grows with the number of chunks.
        gamma: the largest penalty, 0 to 1.
    """
    got = _words(candidate)
    return max(_score(got, _words(reference), alpha, beta, gamma) for reference in references)


def _words(text: str) -> list[str]:
    return [word for word in (word.rstrip(".") for word in words(text)) if word]


def _score(got: list[str], wanted: list[str], alpha: float, beta: float, gamma: float) -> float:
    pairs = align(got, wanted)
    if not pairs:
        return 0.0
    precision, recall = len(pairs) / len(got), len(pairs) / len(wanted)
    weighted = alpha * precision + (1 - alpha) * recall
    if weighted <= 0:
        return 0.0
    penalty = gamma * math.pow(_chunks(pairs) / len(pairs), beta)
    return min(1.0, max(0.0, precision * recall / weighted * (1 - penalty)))


def align(got: Sequence[str], wanted: Sequence[str]) -> Mapping[int, int]:
    """Return the index in `wanted` for each matched index of `got`: equal words first, then words of one stem."""
    pairs: dict[int, int] = {}
    _match(got, wanted, pairs)
    if len(pairs) < min(len(got), len(wanted)):
        _match([stem(word) for word in got], [stem(word) for word in wanted], pairs)
    return pairs


def _match(got: Sequence[str], wanted: Sequence[str], pairs: dict[int, int]) -> None:
    """Match as many words as possible.

    Of several alignments the papers take the one with the fewest crossings: words without a choice are matched first,
    then words next to a match, then the others from left to right.
    """
    free = _positions(wanted, set(pairs.values()))
    choices = _positions(got, set(pairs))
    for word, places in choices.items():
        if len(places) == 1 and len(free.get(word, ())) == 1:
            pairs[places[0]] = free[word].pop()
    _extend(got, free, pairs, range(len(got)), -1)
    _extend(got, free, pairs, range(len(got) - 1, -1, -1), 1)
    for at, word in enumerate(got):
        if at not in pairs and free.get(word):
            pairs[at] = free[word].pop(_next_after(free[word], pairs.get(at - 1, -1)))


def _positions(tokens: Sequence[str], taken: set[int]) -> dict[str, list[int]]:
    places: dict[str, list[int]] = {}
    for at, token in enumerate(tokens):
        if at not in taken:
            places.setdefault(token, []).append(at)
    return places


def _extend(got: Sequence[str], free: dict[str, list[int]], pairs: dict[int, int], order: range, step: int) -> None:
    for at in order:
        neighbour = pairs.get(at + step)
        if at in pairs or neighbour is None:
            continue
        places = free.get(got[at], [])
        if neighbour - step in places:
            places.remove(neighbour - step)
            pairs[at] = neighbour - step


def _next_after(places: Sequence[int], at: int) -> int:
    return next((index for index, place in enumerate(places) if place > at), 0)


def _chunks(pairs: Mapping[int, int]) -> int:
    return sum(pairs.get(at - 1, -2) != place - 1 for at, place in pairs.items())


@lru_cache(maxsize=16_384)  # more than the vocabulary of a suite; a stem costs more than a look-up
def stem(word: str) -> str:
    """Return Porter's stem of a word."""
    return str(_stemmer().stemWord(word))


@lru_cache(maxsize=1)
def _stemmer() -> Any:
    return import_optional("snowballstemmer").stemmer("porter")
