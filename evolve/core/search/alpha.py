"""Which level each gate of a project's life may spend, so that wrong promotions stay rare however many are tried.

The rule is LORD++ (Ramdas, Yang, Wainwright and Jordan, "Online control of the false discovery rate with decaying
memory", NeurIPS 2017): of all promotions that were called proven, at most TOTAL are expected to be wrong. All of TOTAL
is the wealth to begin with, which it spends as SHARE(1), SHARE(2), ... of TOTAL. Until something is proven that is
plain spending: the chance of even one wrong word is at most TOTAL, over any number of gates. The second proof and each
after it pays TOTAL back, to be spent over the gates that follow it; so a project that gets better never runs dry.
"""

import math
from collections.abc import Sequence

TOTAL = 0.05
"""Expected share of wrong words among all that said proven."""

_ZETA = 2.612375348685488
"""Riemann's zeta function at 1.5, so that all shares sum to 1."""


def share(number: int) -> float:
    """Return the part of a wealth that is spent on the number-th gate after it came in; 0.383 for the first."""
    return math.pow(number, -1.5) / _ZETA


def next_alpha(proven: Sequence[bool]) -> float:
    """Return the level of the next gate; 0.0191 for a project's first.

    Args:
        proven: for each gate so far, in order, whether its word was proven.
    """
    gate = len(proven) + 1
    proofs = [number for number, was_proven in enumerate(proven, 1) if was_proven]
    # The first proof pays TOTAL less what there was to begin with, which is nothing.
    return TOTAL * (share(gate) + sum(share(gate - number) for number in proofs[1:]))
