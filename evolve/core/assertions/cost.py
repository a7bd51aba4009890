"""`cost`: the answer cost at most `threshold` US dollars."""

from evolve.core.assertions._registry import assertion_type
from evolve.core.assertions._values import require_threshold
from evolve.core.javascript.values import number_text
from evolve.core.model.errors import CannotEvaluate
from evolve.core.model.verdicts import AssertionInput, Verdict


@assertion_type("cost")
def cost(check: AssertionInput) -> Verdict:
    """Pass when the cost is at most the threshold; an answer without a cost is an error."""
    limit = require_threshold(check, "US dollars")
    paid = check.answer.cost
    if paid is None:
        raise CannotEvaluate(f"cost: expected the answer's cost, but {check.evaluation.provider.name} reports none")
    word = "not over" if check.negated else "over"
    return check.verdict(paid <= limit, f"Cost {paid:.2g} is {word} the threshold of {number_text(limit)}")
