"""How many families a gate needs at least, against the gate itself."""

import pytest

from evolve.core.model.gate import Pair
from evolve.core.search.gate import decide
from evolve.core.search.gate_size import families_to_prove, small_gate


def best_of(families: int, alpha: float) -> str:
    """The word of a gate in which every family wins."""
    return decide([Pair(str(n), str(n), 0.0, 1.0) for n in range(families)], alpha=alpha).word


@pytest.mark.parametrize("alpha", [0.25, 0.0191, 0.0068, 0.0037, 0.0006, 0.0002])
def test_it_is_the_smallest_gate_that_can_say_proven(alpha: float) -> None:
    least = families_to_prove(alpha)
    assert best_of(least, alpha) == "proven"
    assert best_of(least - 1, alpha) != "proven"


def test_the_message_counts_what_is_missing() -> None:
    message = "the gate has 3 families and needs 6 to prove anything at its level 0.019: 3 more are missing"
    assert small_gate(["a", "b", "c", "c"], 0.0191) == message
    assert small_gate("abcde", 0.0191).endswith("1 more is missing")
    assert small_gate("", 0.0191).startswith("the gate has no family and needs 6")
    assert small_gate("abcdef", 0.0191) == ""
