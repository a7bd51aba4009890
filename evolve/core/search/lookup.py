"""The baseline without a model: the answer of the cases that are most like the given one.

There are two lookups over the labelled train cases, and neither uses a case of the same family: a vote of the five
nearest by BM25, and a classifier of words (`core/retrieval/word_classifier.py`). The train cases decide which of them
is the run's lookup.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence

from evolve.core.retrieval.nearest import Bm25
from evolve.core.retrieval.word_classifier import WordClassifier

_NEIGHBOURS = 5
"""Few enough that all are similar to the case; docs/decisions/0010-demos-chosen-by-words.md has the vote's accuracy."""
SEARCH_DIGEST = 500
"""Characters of a report that are compared, however few are shown: the decisive lines are often near the end."""

Lookup = Callable[[str, str], str]
"""(case's text, its family) -> answer."""


def nearest_vote(texts: Sequence[str], answers: Sequence[str], families: Sequence[str]) -> Lookup:
    """Return a lookup that answers with the highest sum of BM25 scores among the five nearest texts."""
    index = Bm25(texts)

    def look_up(text: str, family: str) -> str:
        scores = index.scores(text)
        allowed = [i for i in range(len(texts)) if families[i] != family]
        sums: dict[str, float] = defaultdict(float)
        for i in sorted(allowed, key=lambda i: (-scores[i], i))[:_NEIGHBOURS]:
            sums[answers[i]] += scores[i]
        return max(sorted(sums), key=lambda answer: sums[answer], default="")

    return look_up


def words_vote(texts: Sequence[str], answers: Sequence[str], families: Sequence[str]) -> Lookup:
    """Return a lookup that answers with the most likely answer for the case's words."""
    classifier = WordClassifier(texts, answers, families)

    def look_up(text: str, family: str) -> str:
        ranked = classifier.likely(text, family)
        return ranked[0].answer if ranked else ""

    return look_up


def best_lookup(texts: Sequence[str], answers: Sequence[str], families: Sequence[str], tries: int = 200) -> Lookup:
    """Return the lookup that is right more often on the bank's own cases, each without its own family.

    Args:
        texts: of the bank's cases, as `CaseIndex` makes them.
        answers: as JSON text, in the order of the texts.
        families: in the order of the texts.
        tries: at most this many of the bank's cases are looked up, spread over it evenly. With 200 the standard
            error of an accuracy is at most 3.5 points.
    """
    step = max(1, len(texts) // tries)
    asked = range(0, len(texts), step)

    def rightness(lookup: Lookup) -> int:
        return sum(lookup(texts[i], families[i]) == answers[i] for i in asked)

    return max((nearest_vote(texts, answers, families), words_vote(texts, answers, families)), key=rightness)
