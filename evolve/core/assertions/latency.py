"""`latency`: the provider answered within `threshold` milliseconds."""

from evolve.core.assertions._registry import assertion_type
from evolve.core.assertions._values import require_threshold
from evolve.core.javascript.values import number_text
from evolve.core.model.verdicts import AssertionInput, Verdict


@assertion_type("latency")
def latency(check: AssertionInput) -> Verdict:
    """Pass when the answer's own latency is at most the threshold."""
    limit = require_threshold(check, "milliseconds")
    took = check.answer.latency_ms
    word = "not over" if check.negated else "over"
    return check.verdict(took <= limit, f"Latency {took:.0f} ms is {word} the threshold of {number_text(limit)} ms")
