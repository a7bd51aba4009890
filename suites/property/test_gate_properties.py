"""What holds of the gate for any results."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from evolve.core.model.gate import Pair
from evolve.core.search.alpha import TOTAL, next_alpha
from evolve.core.search.gate import decide
from evolve.core.search.missing_families import count_missing_families
from evolve.core.search.sign_flip import p_value

ORDER = {"rejected": 0, "provisional": 1, "proven": 2}
SCORES = st.sampled_from([0.0, 1 / 3, 0.5, 2 / 3, 1.0]) | st.floats(0, 1)
PAIRS = st.lists(
    st.builds(Pair, st.uuids().map(str), st.integers(0, 12).map(str), SCORES, SCORES), min_size=1, max_size=30
)
ALPHAS = st.floats(1e-6, 0.3)
VALUES = st.lists(st.integers(-40, 40), max_size=24)


@given(PAIRS, ALPHAS, st.data())
def test_a_better_answer_never_lowers_the_word_nor_raises_p(
    pairs: list[Pair], alpha: float, data: st.DataObject
) -> None:
    index = data.draw(st.integers(0, len(pairs) - 1))
    better = list(pairs)
    better[index] = replace(pairs[index], candidate=data.draw(st.floats(pairs[index].candidate, 1)))
    before, after = decide(pairs, alpha=alpha), decide(better, alpha=alpha)
    assert ORDER[after.word] >= ORDER[before.word]
    assert after.p_value <= before.p_value
    assert after.low >= before.low
    assert after.high >= before.high


@given(PAIRS, ALPHAS)
def test_the_word_follows_from_gain_and_p(pairs: list[Pair], alpha: float) -> None:
    decision = decide(pairs, alpha=alpha)
    assert 0 < decision.p_value <= 1
    assert -1 <= decision.low <= decision.high <= 1
    assert (decision.word == "proven") == (decision.p_value <= alpha)
    assert (decision.missing_families > 0) == (decision.word == "provisional")
    assert decision.word == "rejected" or decision.gain > 0


@given(PAIRS, ALPHAS, st.randoms(use_true_random=False))
def test_the_order_of_the_pairs_says_nothing(pairs: list[Pair], alpha: float, random: object) -> None:
    shuffled = list(pairs)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert decide(shuffled, alpha=alpha) == decide(pairs, alpha=alpha)


@given(PAIRS, ALPHAS)
def test_swapping_both_sides_turns_the_result_round(pairs: list[Pair], alpha: float) -> None:
    swapped = [replace(pair, incumbent=pair.candidate, candidate=pair.incumbent) for pair in pairs]
    one, other = decide(pairs, alpha=alpha), decide(swapped, alpha=alpha)
    assert (one.low, one.high) == (-other.high, -other.low)
    assert not (one.word == "proven" and other.word == "proven")
    assert one.p_value + other.p_value >= 1


@given(PAIRS, ALPHAS, st.integers(1, 30))
def test_families_in_which_nothing_changed_bear_on_neither_side(pairs: list[Pair], alpha: float, more: int) -> None:
    padded = [*pairs, *(Pair(f"same {i}", f"same {i}", 0.5, 0.5) for i in range(more))]
    one, other = decide(pairs, alpha=alpha), decide(padded, alpha=alpha)
    assert (one.word, one.p_value) == (other.word, other.p_value)
    assert other.families == one.families + more


@given(VALUES)
def test_p_and_its_opposite_share_the_ties(values: list[int]) -> None:
    both = p_value(values) + p_value([-value for value in values])
    assert both >= 1
    assert p_value(values) * 2 ** len(values) == int(p_value(values) * 2 ** len(values))


@given(VALUES, st.integers(1, 50))
def test_the_unit_of_the_differences_says_nothing(values: list[int], factor: int) -> None:
    assert p_value(values) == p_value([value * factor for value in values])


@given(VALUES.filter(lambda values: sum(values) > 0), st.floats(1e-9, 0.2))
def test_missing_families_are_at_least_one_where_the_level_is_not_reached(values: list[int], alpha: float) -> None:
    if p_value(values) > alpha:
        assert count_missing_families(values, alpha) >= 1


@given(st.lists(st.booleans(), max_size=60))
def test_the_wealth_spent_never_exceeds_what_the_proofs_allow(proven: list[bool]) -> None:
    spent = sum(next_alpha(proven[:number]) for number in range(len(proven) + 1))
    assert spent <= TOTAL * max(1, sum(proven))


@given(st.lists(st.booleans(), max_size=40), st.integers(0, 39))
def test_one_more_proof_never_lowers_a_later_level(proven: list[bool], index: int) -> None:
    more = [was or number == index for number, was in enumerate(proven)]
    assert next_alpha(more) >= next_alpha(proven)
