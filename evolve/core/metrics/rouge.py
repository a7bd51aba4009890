"""ROUGE-1: the F1 of the words that two texts share.

Source: Lin: "ROUGE: A Package for Automatic Evaluation of Summaries", 2004, section 2, with clipped counts; tokens by
the Penn Treebank's rules, in lower case, as in promptfoo.
"""

from collections import Counter

from evolve.core.metrics.ngrams import overlap
from evolve.core.metrics.treebank import treebank_tokens


def rouge_1(candidate: str, reference: str) -> float:
    """Return the F1 of the shared words; 0 when one of the texts has no words."""
    got, wanted = treebank_tokens(candidate.lower()), treebank_tokens(reference.lower())
    shared = overlap(Counter(got), Counter(wanted))
    return _f1(shared / len(got), shared / len(wanted)) if shared else 0.0


def _f1(precision: float, recall: float) -> float:
    low, high = sorted((precision, recall))
    return low if low == high else min(high, low * (2 / (1 + low / high)))
