"""The gate's word, its p, its interval, and what it says to people."""

import itertools
from fractions import Fraction

import pytest

from evolve.core.model.gate import Pair
from evolve.core.search.alpha import TOTAL, next_alpha, share
from evolve.core.search.gate import decide
from evolve.core.search.missing_families import count_missing_families
from evolve.core.search.sign_flip import interval, p_value, steps_per_unit

ALPHA = 0.0191


def pairs(better: int = 0, worse: int = 0, equal: int = 0) -> list[Pair]:
    """Families of one case each."""
    scores = [(0.0, 1.0)] * better + [(1.0, 0.0)] * worse + [(1.0, 1.0)] * equal
    return [Pair(f"t{i}", f"f{i}", incumbent, candidate) for i, (incumbent, candidate) in enumerate(scores)]


def test_six_families_won_and_none_lost_is_proven_at_one_in_64():
    decision = decide(pairs(better=6, equal=26), alpha=ALPHA)
    assert (decision.word, decision.p_value) == ("proven", 1 / 64)
    assert decision.missing_families == 0
    assert "6 better, 0 worse" in decision.reason


def test_five_families_won_are_provisional_and_one_more_would_have_done():
    decision = decide(pairs(better=5), alpha=ALPHA)
    assert (decision.word, decision.p_value, decision.missing_families) == ("provisional", 1 / 32, 1)
    assert "it would take 1 more family like these" in decision.reason


@pytest.mark.parametrize(("better", "worse"), [(0, 0), (3, 3), (1, 4)])
def test_what_is_not_better_is_rejected(better, worse):
    decision = decide(pairs(better, worse, 10), alpha=ALPHA)
    assert decision.word == "rejected"
    assert decision.reason.startswith("not better")
    assert decision.missing_families == 0


def test_a_lost_pinned_case_rejects_what_is_proven_otherwise():
    decision = decide(pairs(better=20), alpha=ALPHA, lost_pinned=("port_taken",))
    assert (decision.word, decision.lost_pinned) == ("rejected", ("port_taken",))
    assert decision.reason == "the candidate breaks pinned cases: port_taken"


def test_without_discordance_p_is_one():
    decision = decide(pairs(equal=32), alpha=ALPHA)
    assert (decision.p_value, decision.gain, decision.discordant) == (1.0, 0.0, ())


def test_a_gate_without_cases_knows_nothing():
    decision = decide([], alpha=ALPHA)
    assert (decision.word, decision.p_value, decision.low, decision.high) == ("rejected", 1.0, -1.0, 1.0)
    assert "no case was compared" in decision.reason


def test_the_family_is_the_unit_however_many_cases_it_has():
    many = [Pair(f"t{i}", "one root cause", 0.0, 1.0) for i in range(50)]
    decision = decide(many, alpha=ALPHA)
    assert (decision.families, decision.cases, decision.p_value) == (1, 50, 0.5)


def test_families_weigh_the_same_in_the_gain():
    decision = decide([*pairs(better=1), *(Pair(f"x{i}", "x", 1.0, 1.0) for i in range(9))], alpha=ALPHA)
    assert (decision.incumbent, decision.candidate) == (0.5, 1.0)


def test_discordant_pairs_are_listed_with_the_losses_first():
    decision = decide(pairs(better=2, worse=1, equal=3), alpha=ALPHA)
    assert [pair.candidate - pair.incumbent for pair in decision.discordant] == [-1.0, 1.0, 1.0]


def test_noise_of_floating_point_is_no_gain():
    swapped = [Pair("a", "a", 0.3, 0.1 + 0.2), Pair("b", "b", 0.5, 0.5)]
    assert decide(swapped, alpha=ALPHA).word == "rejected"


def test_the_measured_disagreement_is_passed_on():
    assert decide(pairs(better=1), alpha=ALPHA, disagreement=0.04).disagreement == 0.04


@pytest.mark.parametrize("alpha", [0.0, 0.5, -0.1, float("nan")])
def test_what_is_no_level_is_refused(alpha):
    with pytest.raises(ValueError, match="expected a number above 0"):
        decide(pairs(better=1), alpha=alpha)


@pytest.mark.parametrize("score", [-0.1, 1.1, float("nan")])
def test_scores_outside_of_0_to_1_are_refused(score):
    with pytest.raises(ValueError, match=r"expected scores in 0\.\.1"):
        decide([Pair("a", "a", 0.5, score)], alpha=ALPHA)


@pytest.mark.parametrize("values", [[1], [-1], [3, -2, 2], [-5, -4, 1, 0], [1, 1, 1, -1, 2, 7, -3], [2, -2], [0, 0]])
def test_p_is_the_share_of_all_sign_patterns_that_do_as_well(values):
    patterns = list(itertools.product((1, -1), repeat=len(values)))
    as_good = sum(sum(s * v for s, v in zip(signs, values, strict=True)) >= sum(values) for signs in patterns)
    assert p_value(values) == Fraction(as_good, len(patterns))


def test_a_thousand_families_are_counted_exactly():
    # 60 wins without a loss: 2^-60, which no sampling would see.
    assert p_value([1] * 60 + [0] * 940) == 2.0**-60


def test_the_interval_agrees_with_the_test_at_its_level():
    for better, worse in itertools.product(range(12), range(5)):
        values = [2520] * better + [-2520] * worse + [0] * 20
        low, _ = interval(values, 2520)
        assert (low > 0) == (p_value(values) <= 0.025)


def test_five_families_are_too_few_for_any_interval():
    assert interval([2520] * 5, 2520) == (-1.0, 1.0)
    assert interval([2520] * 6, 2520) == (1.0, 1.0)


def test_the_interval_of_many_families_continues_that_of_fewer():
    def at(families: int) -> tuple[float, float]:
        steps = steps_per_unit(families)
        return interval([steps] * (families // 5) + [0] * (families - families // 5), steps)

    assert at(65) == pytest.approx(at(60), abs=0.015)


def test_half_the_gain_needs_more_families():
    strong = [1] * 8 + [-1] * 4
    weak = [1] * 7 + [-1] * 5
    assert 0 < count_missing_families(strong, ALPHA) < count_missing_families(weak, ALPHA)


def test_the_missing_families_prove_the_gain_when_they_come():
    seen = [1] * 5 + [-1] * 2 + [0] * 13
    missing = count_missing_families(seen, ALPHA)
    factor = (len(seen) + missing) / len(seen)
    come = [1] * round(5 * factor) + [-1] * round(2 * factor)
    assert p_value(come) == pytest.approx(ALPHA, abs=ALPHA / 2)


def test_a_tiny_gain_needs_a_number_of_families_nobody_has():
    assert count_missing_families([2520, -2519, 0, 0], ALPHA) > 1_000_000


def test_the_first_gate_may_spend_less_than_two_percent():
    assert next_alpha([]) == pytest.approx(0.0191, abs=5e-5)


def test_without_proofs_all_gates_together_spend_the_total():
    spent = sum(next_alpha([False] * number) for number in range(2000))
    assert TOTAL * 0.97 < spent < TOTAL


def test_the_shares_of_a_wealth_sum_to_one():
    tail = 2 / 100_000.5**0.5  # the integral of x^-1.5 beyond the last one
    assert sum(share(number) for number in range(1, 100_001)) + tail / 2.612375348685488 == pytest.approx(1, abs=1e-9)


def test_a_second_proof_pays_for_the_gates_after_it():
    plain = next_alpha([False] * 10)
    assert next_alpha([True] + [False] * 9) == plain
    assert next_alpha([True] + [False] * 8 + [True]) == pytest.approx(plain + TOTAL * share(1))
