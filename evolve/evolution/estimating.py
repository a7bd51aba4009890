"""How long the rest of a run takes, by what its answers have taken so far."""

from evolve.core.model.evolution_events import Estimate
from evolve.evolution.rollouts import Rollouts

_ENOUGH = 8
"""Calls from which their mean says more than the estimate from before the run."""


def estimate_rest(rollouts: Rollouts, first: Estimate) -> Estimate:
    """Return the most that the rest of the budget will cost.

    The time is that in which calls were in flight, divided by their number: so it includes how many the endpoint
    answers at once, and that some candidates' answers are longer than the current agent's.

    Args:
        rollouts: what was asked so far.
        first: the estimate from before the run, for an attempt that has hardly asked anything itself.
    """
    budget = rollouts.budget
    left = max(0, budget.in_answers(budget.total - budget.used))
    is_known = rollouts.calls >= _ENOUGH
    each_s = rollouts.model_s / rollouts.calls if is_known else first.seconds_per_answer
    tokens = budget.tokens.total / budget.spent if budget.spent else _tokens_per_answer(first)
    cost = None if budget.cost is None or not budget.spent else left * budget.cost / budget.spent
    return Estimate(left, left * each_s, each_s, round(left * tokens), cost)


def _tokens_per_answer(estimate: Estimate) -> float:
    return estimate.tokens / estimate.answers if estimate.answers else 0.0
