"""`perplexity` and `perplexity-score`: how sure the model was of its tokens, from their log probabilities."""

import math

from evolve.core.assertions._registry import assertion_type
from evolve.core.javascript.values import number_text
from evolve.core.model.errors import CannotEvaluate
from evolve.core.model.verdicts import AssertionInput, Verdict


@assertion_type("perplexity")
def perplexity(check: AssertionInput) -> Verdict:
    """Pass when exp(-mean of the log probabilities) is at most `threshold`; always pass without a threshold."""
    value = _perplexity(check)
    limit = check.assertion.threshold
    if limit is None:
        return Verdict(True, 1.0, "Assertion passed")
    word = "not over" if check.negated else "over"
    return check.verdict(value <= limit, f"Perplexity {value:.2f} is {word} the threshold of {number_text(limit)}")


@assertion_type("perplexity-score")
def perplexity_score(check: AssertionInput) -> Verdict:
    """Pass when 1 / (1 + perplexity), the score, is at least `threshold`; always pass without a threshold."""
    value = 1 / (1 + _perplexity(check))
    limit = check.assertion.threshold
    passed = True if limit is None else (value >= limit) != check.negated
    word = "at least" if check.negated else "less than"
    reason = "Assertion passed" if limit is None or passed else f"Score {value:.2f} is {word} {number_text(limit)}"
    return Verdict(passed, 1 - value if check.negated else value, reason)


def _perplexity(check: AssertionInput) -> float:
    log_probs = check.answer.log_probs
    if not log_probs:
        raise CannotEvaluate(
            f"{check.assertion.type}: expected log probabilities, but {check.evaluation.provider.name} reports none"
        )
    try:
        return math.exp(-sum(log_probs) / len(log_probs))
    except OverflowError:
        return math.inf
