"""The lane of cheaper winners: hardly worse than the current agent, and with far fewer tokens.

A sign-flip test cannot show that nothing got worse: where two agents answer alike it has nothing to flip, however few
families there are. This test bets instead. Somebody who believes that the candidate is more than the margin worse
takes each family as a fair bet or a bad one; who bets a part of a fortune on each family has, in the mean, no more at
the end than at the beginning. So a fortune of 50 is seen with a chance of at most 1/50 (Waudby-Smith and Ramdas,
"Estimating means of bounded random variables by betting", JRSS-B 86, 2024). That holds for any differences in -1..1,
for any number of families. Several parts are bet at once, each with an equal share of the fortune.
"""

from collections.abc import Sequence
from dataclasses import replace
from math import exp, inf, log

from evolve.core.model.gate import GateDecision, Pair, TokensPerAnswer, Word
from evolve.core.search.gate import check_pairs, compare_families, family_differences, plain_reason, undecided
from evolve.core.text.counts import count

MARGIN = 0.02
"""The candidate may be so much worse; less would take thousands of families to show."""
SAVING = 0.2
"""Share of the tokens that must be saved: less is not worth a new version."""
_BETS = (0.05, 0.1, 0.2, 0.4, 0.7, 1.0)
"""Parts of the fortune that are bet on a family, of the greatest part that no loss can turn into a debt. A large part
wins quickly where nothing differs, a small one outlives losses."""
_MOST_FAMILIES = 100_000
"""More families than any suite has: the count of those that are missing ends here."""


def decide_cheaper(
    pairs: Sequence[Pair],
    tokens: TokensPerAnswer,
    *,
    alpha: float,
    lost_pinned: Sequence[str] = (),
    new_harm: Sequence[str] = (),
    disagreement: float | None = None,
) -> GateDecision:
    """Return the gate's decision on whether the candidate is not worse by more than the margin, and cheaper.

    Args:
        pairs: of the gate's families, one for each case.
        tokens: what both need for an answer, on these cases.
        alpha: the level that may be spent, above 0 and below 0.5.
        lost_pinned: pinned cases that the candidate breaks. Any of them means rejected.
        new_harm: cases where the candidate does harm and the incumbent does not. Any of them means rejected.
        disagreement: share of repeated answers that changed; reported, but not part of the decision.

    Raises:
        ValueError: a score is not in 0..1, or alpha is not a level.
    """
    check_pairs(pairs, alpha)
    found, differences = compare_families(pairs), family_differences(pairs)
    p = not_worse_p(differences)
    gain = found.candidate - found.incumbent
    is_out = bool(lost_pinned or new_harm) or gain <= -MARGIN or tokens.saved < SAVING or not pairs
    word: Word = "rejected" if is_out else "proven" if p <= alpha else "provisional"
    decision = replace(
        undecided(pairs, found, alpha=alpha, lost_pinned=lost_pinned, new_harm=new_harm, disagreement=disagreement),
        word=word,
        p_value=p,
        missing_families=missing_families(differences, alpha) if word == "provisional" else 0,
        lane="cheaper",
        tokens=tokens,
    )
    return replace(decision, reason=plain_reason(decision) or _reason(decision))


def not_worse_p(differences: Sequence[float]) -> float:
    """Return p of "not worse by the margin or more", valid for any independent differences in -1..1.

    It never rises when a difference grows, and does not depend on their order.
    """
    return min(1.0, exp(-_log_fortune(_log_fortunes(differences))))


def missing_families(differences: Sequence[float], alpha: float) -> int:
    """Return how many more families like these would prove it; at least 1, and at most 100,000."""
    fortunes, seen, needed = _log_fortunes(differences), len(differences), log(1 / alpha)
    few, enough = seen, seen + 1
    while enough < _MOST_FAMILIES and _log_fortune([one * enough / seen for one in fortunes]) < needed:
        few, enough = enough, 2 * enough
    while enough - few > 1:
        middle = (few + enough) // 2
        is_enough = _log_fortune([one * middle / seen for one in fortunes]) >= needed
        few, enough = (few, middle) if is_enough else (middle, enough)
    return min(enough, _MOST_FAMILIES) - seen


def _log_fortunes(differences: Sequence[float]) -> list[float]:
    """The logarithm of what each part of the fortune has become."""
    most = 1 / (1 - MARGIN)
    return [sum(_log(1 + part * most * (value + MARGIN)) for value in sorted(differences)) for part in _BETS]


def _log_fortune(fortunes: Sequence[float]) -> float:
    """The logarithm of the mean of the parts."""
    greatest = max(fortunes)
    if greatest == -inf:
        return -inf
    return greatest + log(sum(exp(one - greatest) for one in fortunes) / len(fortunes))


def _log(value: float) -> float:
    # Rounding may make the stake of a total loss slightly more than all.
    return log(value) if value > 1e-12 else -inf


def _reason(decision: GateDecision) -> str:
    tokens = decision.tokens
    assert tokens is not None
    saved = f"{tokens.saved:.0%} fewer tokens ({tokens.incumbent:,.0f} to {tokens.candidate:,.0f} for an answer)"
    families = count(decision.families, "family", "families")
    found = f"{100 * decision.gain:+.1f} points over {families}, p = {decision.p_value:.2g} of a loss of 2 points"
    level = f"the level {decision.alpha:.2g}"
    if decision.word == "rejected":
        return f"not cheaper: {saved}, 20% are needed" if tokens.saved < SAVING else f"worse: {found}; {saved}"
    if decision.word == "proven":
        return f"cheaper and not worse: {saved}; {found} is within {level}"
    more = f"it would take {count(decision.missing_families, 'more family', 'more families')} like these"
    return f"cheaper, not proven: {saved}; {found} is above {level}; {more}"
