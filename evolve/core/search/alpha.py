"""The level that each gate of a project may spend, so that wrong promotions stay rare however many are tried.

The rule is LORD++ (Ramdas, Yang, Wainwright and Jordan, "Online control of the false discovery rate with decaying
memory", NeurIPS 2017): of all promotions that were called proven, at most TOTAL are expected to be wrong. The initial
wealth is all of TOTAL; the gates spend share(1), share(2), ... of it. Until a gate proves a winner, the probability of
even one wrong proof is at most TOTAL, over any number of gates. The second proof and each later one pays TOTAL back,
to be spent over the gates that follow it. So a project that keeps improving never runs out of level.
"""

import math
from collections.abc import Sequence

TOTAL = 0.05
"""Expected share of wrong results among all that are called proven; the usual 5 %."""

_ZETA = 2.612375348685488
"""Riemann's zeta function at 1.5, so that all shares sum to 1."""


def share(number: int) -> float:
    """Return the part of a wealth that is spent on the number-th gate after it came in; 0.383 for the first."""
    # The exponent is above 1, so that the shares have a finite sum. The nearer it is to 1, the more is left for later
    # gates and the less there is for the first ones.
    return math.pow(number, -1.5) / _ZETA


def next_alpha(proven: Sequence[bool]) -> float:
    """Return the level of the next gate; 0.0191 for a project's first.

    Args:
        proven: for each gate so far, in order, whether its result was proven.
    """
    gate = len(proven) + 1
    proofs = [number for number, was_proven in enumerate(proven, 1) if was_proven]
    # The first proof pays TOTAL minus the initial wealth, which is TOTAL too: so it pays 0.
    return TOTAL * (share(gate) + sum(share(gate - number) for number in proofs[1:]))
