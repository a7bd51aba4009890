"""Finds the words that indicate each of a closed set of answers, from labelled texts and without a model.

The weight of a word for an answer is the z-score of its log-odds against all other answers, with an informative
Dirichlet prior: equations 15, 20, 21 and 22 of Monroe, Colaresi and Quinn, "Fightin' Words" (Political Analysis 16,
2008). A text is the tf-idf vector of its words, of length 1.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from evolve.core.retrieval.nearest import words

_PRIOR_WORDS = 15.0
"""Strength of the prior: words that each answer is assumed to have had already, distributed as in the whole bank. Of
2.5, 15 and 50 this was as good as any on the families left out of the reflection suite."""

_NOTHING = 1e-9
"""Below this a count is zero up to rounding, and its logarithm is meaningless."""

_MIN_WEIGHT = 1.0
"""One standard deviation: words below it differ from the other answers by chance."""


class _Counts:
    """Weighted word counts by answer."""

    def __init__(self) -> None:
        self.of: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
        self.sums: dict[str, float] = defaultdict(float)
        self.words: dict[str, float] = defaultdict(float)
        self.total = 0.0

    def add(self, answer: str, vector: Mapping[str, float]) -> None:
        """Counts one text."""
        own = self.of[answer]
        for word, weight in vector.items():
            own[word] += weight
            self.words[word] += weight
        size = sum(vector.values())
        self.sums[answer] += size
        self.total += size


class LogOdds:
    """An index of labelled texts."""

    def __init__(self, texts: Sequence[str], answers: Sequence[str]) -> None:
        listed = [words(text) for text in texts]
        seen = Counter(word for each in listed for word in set(each))
        self._idf = {word: math.log((1 + len(texts)) / (1 + count)) + 1 for word, count in seen.items()}
        self._answers = sorted(set(answers))
        self._all = _Counts()
        for answer, each in zip(answers, listed, strict=True):
            self._all.add(answer, self._vector(each))

    def strongest_words(self, answer: str, limit: int) -> list[str]:
        """Return up to `limit` words that indicate an answer, the strongest first."""
        weighed = [(self._weight(word, answer), word) for word in self._all.of.get(answer, {})]
        return [
            word
            for weight, word in sorted(weighed, key=lambda item: (-item[0], item[1]))[:limit]
            if weight > _MIN_WEIGHT
        ]

    @property
    def answers(self) -> Sequence[str]:
        """The answers of the bank, sorted."""
        return self._answers

    def _vector(self, found: Iterable[str]) -> dict[str, float]:
        counts = Counter(found)
        sizes = {word: (1 + math.log(n)) * self._idf[word] for word, n in counts.items() if word in self._idf}
        length = math.sqrt(sum(size * size for size in sizes.values())) or 1.0
        return {word: size / length for word, size in sizes.items()}

    def _weight(self, word: str, answer: str) -> float:
        every = self._all
        own, own_sum = every.of[answer].get(word, 0.0), every.sums[answer]
        both, total = every.words[word], every.total
        prior = _PRIOR_WORDS * both / total
        ours, others = own + prior, both - own + prior
        own_rest, rest = own_sum + _PRIOR_WORDS - ours, total - own_sum + _PRIOR_WORDS - others
        if min(own_rest, rest) <= _NOTHING:  # the bank has only one word
            return 0.0
        odds = math.log(ours / own_rest) - math.log(others / rest)
        return odds / math.sqrt(1 / ours + 1 / others)
