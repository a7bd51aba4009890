"""`gleu`: n-grams that the output shares with reference texts; see `evolve.core.metrics.gleu`."""

from evolve.core.assertions._registry import assertion_type
from evolve.core.assertions._values import TEXT_OR_TEXTS, similarity_verdict, texts_of
from evolve.core.metrics.gleu import gleu_score
from evolve.core.model.verdicts import AssertionInput, Verdict


@assertion_type("gleu", value_schema=TEXT_OR_TEXTS, value_required=True)
def gleu(check: AssertionInput) -> Verdict:
    """Pass when the best reference's score reaches `threshold`, 0.5 without one."""
    return similarity_verdict(check, "GLEU", gleu_score(check.text, texts_of(check)), 0.5)
