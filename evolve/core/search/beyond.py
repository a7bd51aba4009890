"""What a winner is worth beyond the best baseline without a model, on the gate's cases."""

from collections.abc import Mapping, Sequence

from evolve.core.model.gate import BeyondLookup, Pair
from evolve.core.search.gate import compare_families


def beyond_lookup(
    winner: Mapping[str, float], rivals: Mapping[str, Mapping[str, float]], families: Mapping[str, str]
) -> BeyondLookup | None:
    """Return the comparison with the best of the baselines; None without one.

    The best is chosen on the gate's own cases. That favours the baselines: a winner that is beyond the best of them is
    beyond each. It takes no answer of a model, and no level: nothing is called proven by it.

    Args:
        winner: the winner's score on each case, by its id.
        rivals: by name of a baseline its scores on the same cases.
        families: of each case, by its id.
    """
    compared = [_compare(name, scores, winner, families) for name, scores in rivals.items() if scores]
    return max(compared, key=lambda found: found.baseline_score, default=None)


def _compare(
    name: str, scores: Mapping[str, float], winner: Mapping[str, float], families: Mapping[str, str]
) -> BeyondLookup:
    both: Sequence[str] = [task for task in winner if task in scores]
    found = compare_families([Pair(task, families[task], scores[task], winner[task]) for task in both])
    return BeyondLookup(name, found.incumbent, found.candidate, found.low, found.high, len(both), found.families)
