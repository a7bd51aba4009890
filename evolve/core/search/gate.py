"""The gate: whether the search's one winner is better than the incumbent, on families that the search never saw."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

from evolve.core.model.gate import GateDecision, Pair, Word
from evolve.core.search.missing_families import count_missing_families
from evolve.core.search.sign_flip import in_steps, interval, mean, p_value, steps_per_unit
from evolve.core.text.counts import count

_LARGEST_ALPHA = 0.5
"""At this level a gate of one family that wins would be a proof: its p is 1/2, a coin's."""


def decide(
    pairs: Sequence[Pair],
    *,
    alpha: float,
    lost_pinned: Sequence[str] = (),
    new_harm: Sequence[str] = (),
    disagreement: float | None = None,
) -> GateDecision:
    """Return the gate's decision about paired results.

    A family's difference is the mean over its cases. Families without a change count as families and support neither
    side. A better answer to any one pair never makes the decision worse and never raises p.

    Args:
        pairs: of the gate's families, one for each case.
        alpha: the level that may be spent, above 0 and below 0.5.
        lost_pinned: pinned cases that the candidate breaks. Any of them means rejected.
        new_harm: cases where the candidate does harm and the incumbent does not. Any of them means rejected.
        disagreement: share of repeated answers that changed; reported, but not part of the decision.

    Raises:
        ValueError: a score is not in 0..1, or alpha is not a level.
    """
    check_pairs(pairs, alpha)
    found = compare_families(pairs)
    differences = found.differences
    p_one_sided = p_value(differences)
    word = _word(sum(differences), p_one_sided, alpha, [*lost_pinned, *new_harm])
    missing = count_missing_families(differences, alpha) if word == "provisional" else 0
    decision = replace(
        undecided(pairs, found, alpha=alpha, lost_pinned=lost_pinned, new_harm=new_harm, disagreement=disagreement),
        word=word,
        p_value=p_one_sided,
        missing_families=missing,
    )
    return replace(decision, reason=plain_reason(decision) or _reason(decision, differences))


class FamilyComparison(NamedTuple):
    """Two answerers compared by family."""

    differences: list[int]
    """Of the families, in steps."""
    incumbent: float
    """Mean of the family means; the same for `candidate`."""
    candidate: float
    low: float
    high: float
    """Ends of the 95 % confidence interval of the difference."""
    families: int


def compare_families(pairs: Sequence[Pair]) -> FamilyComparison:
    """Return the difference between the pairs' candidate and incumbent, by family, with its interval."""
    families = _families(pairs)
    steps = steps_per_unit(len(families))
    differences = [in_steps(_mean_difference(family), steps) for family in families]
    return FamilyComparison(
        differences,
        _mean_of_means(families, lambda pair: pair.incumbent),
        _mean_of_means(families, lambda pair: pair.candidate),
        *interval(differences, steps),
        len(families),
    )


def family_differences(pairs: Sequence[Pair]) -> list[float]:
    """Return the mean difference of each family, candidate minus incumbent."""
    return [_mean_difference(family) for family in _families(pairs)]


def _word(gain: int, p_one_sided: float, alpha: float, vetoes: Sequence[str]) -> Word:
    if vetoes or gain <= 0:
        return "rejected"
    return "proven" if p_one_sided <= alpha else "provisional"


def _families(pairs: Sequence[Pair]) -> list[list[Pair]]:
    """The pairs by family."""
    families: dict[str, list[Pair]] = {}
    for pair in pairs:
        families.setdefault(pair.family, []).append(pair)
    return list(families.values())


def _mean_difference(family: Sequence[Pair]) -> float:
    return mean([pair.candidate - pair.incumbent for pair in family])


def _mean_of_means(families: Sequence[Sequence[Pair]], score: Callable[[Pair], float]) -> float:
    return mean([mean([score(pair) for pair in family]) for family in families]) if families else 0.0


def discordant(pairs: Sequence[Pair]) -> tuple[Pair, ...]:
    """Return the pairs that differ, the losses first."""
    differing = [pair for pair in pairs if pair.candidate != pair.incumbent]
    return tuple(sorted(differing, key=lambda pair: (pair.candidate - pair.incumbent, pair.family, pair.task)))


def undecided(
    pairs: Sequence[Pair],
    found: FamilyComparison,
    *,
    alpha: float,
    lost_pinned: Sequence[str],
    new_harm: Sequence[str],
    disagreement: float | None,
) -> GateDecision:
    """Return what every lane's decision says of its pairs: rejected, until a lane's test has the word.

    Args:
        pairs: what was compared.
        found: the same by family.
        alpha: the level that may be spent.
        lost_pinned: pinned cases that the candidate breaks.
        new_harm: cases where only the candidate does harm.
        disagreement: share of repeated answers that changed.
    """
    return GateDecision(
        word="rejected",
        reason="",
        p_value=1.0,
        alpha=alpha,
        incumbent=found.incumbent,
        candidate=found.candidate,
        low=found.low,
        high=found.high,
        cases=len(pairs),
        families=found.families,
        missing_families=0,
        discordant=discordant(pairs),
        lost_pinned=tuple(lost_pinned),
        disagreement=disagreement,
        new_harm=tuple(new_harm),
    )


def plain_reason(decision: GateDecision) -> str:
    """Return why a candidate is rejected whatever its lane; empty where the lane's test decides."""
    if decision.lost_pinned:
        return f"the candidate breaks pinned cases: {', '.join(decision.lost_pinned)}"
    if decision.new_harm:
        return f"the candidate does harm where the current agent does not: {', '.join(decision.new_harm)}"
    if not decision.cases:
        return "no case was compared: the gate needs cases of families that the search has not seen"
    return ""


def _reason(decision: GateDecision, differences: Sequence[int]) -> str:
    better = sum(value > 0 for value in differences)
    worse = sum(value < 0 for value in differences)
    families = count(len(differences), "family", "families")
    found = f"{100 * decision.gain:+.1f} points over {families} ({better} better, {worse} worse)"
    level = f"{decision.alpha:.2g}"
    if decision.word == "rejected":
        return f"not better: {found}"
    if decision.word == "proven":
        return f"better: {found}, p = {decision.p_value:.2g} is within the level {level}"
    missing = decision.missing_families
    more = f"it would take {count(missing, 'more family', 'more families')} like these"
    return f"better, not proven: {found}, p = {decision.p_value:.2g} is above the level {level}; {more}"


def check_pairs(pairs: Sequence[Pair], alpha: float) -> None:
    """Raise ValueError where a score is not in 0..1, or alpha is not a level."""
    if not 0 < alpha < _LARGEST_ALPHA:
        raise ValueError(f"alpha: expected a number above 0 and below {_LARGEST_ALPHA}, got {alpha!r}")
    for pair in pairs:
        if not (0 <= pair.incumbent <= 1 and 0 <= pair.candidate <= 1):
            raise ValueError(f"expected scores in 0..1, got {pair}")
