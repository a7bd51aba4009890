"""Predicts which of a closed set of answers a text calls for, from labelled texts and without a model.

An averaged multi-class perceptron with a margin of 1 (Crammer and Singer, "Ultraconservative Online Algorithms for
Multiclass Problems", JMLR 3, 2003; averaging after Freund and Schapire, "Large Margin Classification Using the
Perceptron Algorithm", Machine Learning 37, 1999) on tf-idf vectors of length 1. docs/decisions/0010
compares its accuracy with a vote of nearest texts and with a logistic regression.
"""

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from evolve.core.retrieval.nearest import words

_ROUNDS = 4
"""Passes over the texts; with averaging, few are enough, and each costs as much time as the first."""

_STRIDES = (0.618, 0.273)
"""The texts are learned in two orders, and the weights are added: with one order, accuracy varies by two points."""

_MARGIN = 1.0
"""Lead of the right answer that needs no update. The scale is free: only its ratio to the vectors' length 1 counts."""

_FOLDS = 5
"""Folds of families. Without one of five, four fifths of the texts remain to learn from, for six classifiers in all."""

_Vector = list[tuple[str, float]]


class Likely(NamedTuple):
    """One answer for a text, with its score."""

    answer: str
    score: float


class WordClassifier:
    """A classifier of texts; the same labelled texts give the same classifier.

    Args:
        families: the family of each text, so that `likely` can leave out what was learned from one.
    """

    def __init__(self, texts: Sequence[str], answers: Sequence[str], families: Sequence[str] = ()) -> None:
        listed = [words(text) for text in texts]
        seen = Counter(word for each in listed for word in set(each))
        self._idf = {word: math.log((1 + len(texts)) / (1 + count)) + 1 for word, count in seen.items()}
        self._vectors = [self._vector(each) for each in listed]
        self.answers = sorted(set(answers))
        """All answers, sorted."""
        numbers = {answer: number for number, answer in enumerate(self.answers)}
        self._labels = [numbers[answer] for answer in answers]
        self._families = frozenset(families)
        self._folds = [_fold(family) for family in families]
        self._learned: dict[int | None, Mapping[str, list[float]]] = {}

    def likely(self, text: str, leave_out: str = "") -> list[Likely]:
        """Return all answers, the likeliest first; ties in alphabetical order.

        Args:
            leave_out: a family whose texts must not influence the result; the fifth of all families in its fold is
                left out. A family without texts here leaves nothing out, so that the gate gets the same result as the
                promoted agent will.
        """
        fold = _fold(leave_out) if leave_out and leave_out in self._families else None
        scores = _scores(self._weights(fold), self._vector(words(text)), len(self.answers))
        ranked = (Likely(answer, score) for answer, score in zip(self.answers, scores, strict=True))
        return sorted(ranked, key=lambda item: (-item.score, item.answer))

    def _weights(self, left_out: int | None) -> Mapping[str, list[float]]:
        """Returns the weights of each word by answer, learned without one fold of families; None leaves nothing out."""
        if left_out not in self._learned:
            members = [i for i in range(len(self._labels)) if left_out is None or self._folds[i] != left_out]
            first, second = (self._learn(members, part) for part in _STRIDES)
            self._learned[left_out] = {**first, **{word: _add(first.get(word), row) for word, row in second.items()}}
        return self._learned[left_out]

    def _learn(self, members: Sequence[int], stride: float) -> Mapping[str, list[float]]:
        """Returns the mean of the weights over all steps of one order."""
        count = len(self.answers)
        now: dict[str, list[float]] = {}
        late: dict[str, list[float]] = {}
        steps = _ROUNDS * len(members) or 1
        for step, number in enumerate(_order(members, stride)):
            vector, right = self._vectors[number], self._labels[number]
            scores = _scores(now, vector, count)
            rival = max((k for k in range(count) if k != right), key=scores.__getitem__, default=right)
            if rival == right or scores[right] - scores[rival] >= _MARGIN:
                continue
            missed = step / steps
            for word, size in vector:
                row = now.setdefault(word, [0.0] * count)
                row[right] += size
                row[rival] -= size
                behind = late.setdefault(word, [0.0] * count)
                behind[right] += missed * size
                behind[rival] -= missed * size
        return {word: [a - b for a, b in zip(row, late[word], strict=True)] for word, row in now.items()}

    def _vector(self, found: Iterable[str]) -> _Vector:
        counts = Counter(found)
        sizes = [(word, (1 + math.log(n)) * self._idf[word]) for word, n in counts.items() if word in self._idf]
        length = math.sqrt(sum(size * size for _, size in sizes)) or 1.0
        return [(word, size / length) for word, size in sizes]


def _scores(weights: Mapping[str, list[float]], vector: _Vector, count: int) -> list[float]:
    scores = [0.0] * count
    for word, size in vector:
        row = weights.get(word)
        if row is not None:
            scores = [score + size * weight for score, weight in zip(scores, row, strict=True)]
    return scores


def _fold(family: str) -> int:
    return hashlib.sha256(f"fold:{family}".encode()).digest()[0] % _FOLDS


def _add(one: list[float] | None, other: list[float]) -> list[float]:
    return other if one is None else [a + b for a, b in zip(one, other, strict=True)]


def _order(members: Sequence[int], part: float) -> Iterator[int]:
    """Yields the members of each round in an order with a stride coprime to their number.

    Neighbours in a bank are often of one family; learned in a row they would push the weights to and fro.
    """
    count = len(members)
    if not count:
        return
    stride = next(n for n in range(max(1, round(count * part)), count + 2) if math.gcd(n, count) == 1)
    for turn in range(_ROUNDS):
        for spot in range(count):
            # Each round starts seven places on, so that the same text is not always the last one.
            yield members[(spot * stride + turn * 7) % count]
