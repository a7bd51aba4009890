"""`rouge-n`: single words that the output shares with a reference text; see `evolve.core.metrics.rouge`."""

from evolve.core.assertions._registry import assertion_type
from evolve.core.assertions._values import TEXT, text_of, threshold_of
from evolve.core.javascript.values import number_text
from evolve.core.metrics.rouge import rouge_1
from evolve.core.model.verdicts import AssertionInput, Verdict


@assertion_type("rouge-n", value_schema=TEXT, value_required=True)
def rouge_n(check: AssertionInput) -> Verdict:
    """Pass when the F1 of single words reaches `threshold`, 0.75 without one. The reason always has the score."""
    score, limit = rouge_1(check.text, text_of(check)), threshold_of(check, 0.75)
    word = "at least" if score >= limit else "less than"
    reason = f"ROUGE-N {score:.2f} is {word} the threshold of {number_text(limit)}"
    return Verdict((score >= limit) != check.negated, 1 - score if check.negated else score, reason)
