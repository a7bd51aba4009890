"""`bleu`: n-grams that the output shares with reference texts; see `evolve.core.metrics.bleu`."""

from evolve.core.assertions._registry import assertion_type
from evolve.core.assertions._values import TEXT_OR_TEXTS, similarity_verdict, texts_of
from evolve.core.metrics.bleu import bleu_score
from evolve.core.model.verdicts import AssertionInput, Verdict


@assertion_type("bleu", value_schema=TEXT_OR_TEXTS, value_required=True)
def bleu(check: AssertionInput) -> Verdict:
    """Pass when the best reference's score reaches `threshold`, 0.5 without one."""
    return similarity_verdict(check, "BLEU", bleu_score(check.text, texts_of(check)), 0.5)
