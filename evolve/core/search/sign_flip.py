"""The paired sign-flip permutation test and its confidence interval, exact for any number of differences.

If a change has no effect, each difference is as likely to have the other sign. p is the share of all 2^n patterns of
signs whose sum is at least the observed one (Fisher, The Design of Experiments, 1935, section 21). Flipping the signs
of a set S lowers the sum by twice the sum over S, so p is the share of subsets whose sum is not positive. Three things
follow: p never rises when a difference grows, zeros do not change p, and no random draws are needed, because subsets
of integers can be counted by their sum.
"""

from collections.abc import Sequence
from math import fsum, gcd, sqrt
from statistics import NormalDist, pstdev

_STEPS = ((64, 2520), (200, 360), (1000, 60))
"""(number of families at most, steps): the cost of counting grows with both, so more families get fewer steps.

Each number of steps has many divisors (2520: all of 1..10; 360: all of 1..6; 60: 1..6), so that means of a few answers
stay exact.
"""
_COARSE = 12
"""Steps for more than 1000 families; means of 1, 2, 3, 4 and 6 answers stay exact."""
_MANY = 64
"""Up to this many differences the interval is exact: it takes about 12 counts on each side, which must stay quick."""
_TAIL = 0.025
"""Half of 5 %: the interval leaves this much on either side, so that it covers 95 %."""


def steps_per_unit(families: int) -> int:
    """Return how many steps a difference of 1 has.

    Up to 64 families it is 2520, which all of 1..10 divide: means of up to ten answers are exact. More families get
    coarser steps, which bounds the cost; the test stays exact for the rounded differences. It depends only on the
    number of families, or else rounding could turn a better candidate into a worse one.
    """
    return next((steps for most, steps in _STEPS if families <= most), _COARSE)


def in_steps(difference: float, steps: int) -> int:
    """Return a difference in -1..1 as a whole number of steps; opposite differences give opposite numbers."""
    return round(difference * steps)


def mean(values: Sequence[float]) -> float:
    """Return the mean, rounded once, so that it never falls when a value grows."""
    return fsum(values) / len(values)


def p_value(differences: Sequence[int]) -> float:
    """Return the one-sided p of "the differences are above zero"; 1 when all are zero or there is none."""
    moved = [value for value in differences if value]
    if not moved:
        return 1.0
    unit = gcd(*moved)
    moved = [value // unit for value in moved]
    everything = 1 << len(moved)
    # The cost of counting grows with the sum of the negative ones, so count the smaller side.
    if sum(moved) >= 0:
        return _subsets_up_to(0, moved) / everything
    return (everything - _subsets_up_to(-1, [-value for value in moved])) / everything


def interval(differences: Sequence[int], steps: int) -> tuple[float, float]:
    """Return the gains, in -1..1, that the test does not refute at 2.5 % a side: a 95 % confidence interval.

    It agrees with the test to within a step: its low end is above zero when p is at most 0.025. A sample that is too
    small to refute anything gives -1..1. (Intervals from the randomisation test: Lehmann and Romano, Testing
    Statistical Hypotheses, 3rd ed. 2005, section 5.12.) For more than 64 differences it is the limit of this interval
    for large samples, in closed form.
    """
    if len(differences) > _MANY:
        return _limit_for_many(differences, steps)
    low = _lowest_not_refuted(differences, steps)
    high = -_lowest_not_refuted([-value for value in differences], steps)
    return min(low, high) / steps, max(low, high) / steps


def _limit_for_many(differences: Sequence[int], steps: int) -> tuple[float, float]:
    """Solve sum(d - m) = z * sqrt(sum((d - m)^2)) for m; the root is the spread of a sum of d - m with random signs."""
    middle = mean(differences)
    z = NormalDist().inv_cdf(1 - _TAIL)
    reach = z * pstdev(differences, middle) / sqrt(len(differences) - z * z)
    return max(-1.0, (middle - reach) / steps), min(1.0, (middle + reach) / steps)


def _lowest_not_refuted(differences: Sequence[int], steps: int) -> int:
    """Return the smallest gain, in steps, that the test does not refute."""
    low, high = -steps, steps
    while low < high:
        middle = (low + high) // 2
        if p_value([value - middle for value in differences]) > _TAIL:
            high = middle
        else:
            low = middle + 1
    return low


def _subsets_up_to(limit: int, values: Sequence[int]) -> int:
    """Return how many subsets have a sum of at most `limit`, which is 0 or -1.

    One big integer holds a counter for each sum from the lowest possible one to `limit`; adding a value to all subsets
    is a shift. No counter overflows: each has one bit more than there are values.
    """
    bits = len(values) + 1
    lowest = sum(value for value in values if value < 0)
    ways = 1 << (-lowest * bits)
    for value in values:
        if value < 0:
            ways += ways >> (-value * bits)
    kept = (1 << ((limit - lowest + 1) * bits)) - 1
    ways &= kept
    for value in values:
        if value > 0:
            ways = (ways + (ways << (value * bits))) & kept
    # The remainder by (base - 1) is the sum of the digits, here of the counters ("casting out nines").
    return ways % ((1 << bits) - 1)
