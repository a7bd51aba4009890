"""The lane of cheaper winners: how often it is wrong, and what it needs."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.core.model.gate import Pair, TokensPerAnswer
from evolve.core.search.alpha import next_alpha
from evolve.core.search.cheaper import MARGIN, decide_cheaper, missing_families, not_worse_p

ALPHA = next_alpha([])
HALF = TokensPerAnswer(400, 200)
DIFFERENCES = st.lists(st.sampled_from([-1.0, -0.5, 0.0, 0.5, 1.0]) | st.floats(-1, 1), min_size=1, max_size=40)


def pairs(won: int, lost: int, same: int) -> list[Pair]:
    scores = [(0.0, 1.0)] * won + [(1.0, 0.0)] * lost + [(1.0, 1.0)] * same
    return [Pair(f"t{n}", f"f{n}", *both) for n, both in enumerate(scores)]


def test_alike_answers_prove_nothing_where_there_are_few_families():
    """Where two of a hundred families get worse, fifty are all alike with a chance of a third."""
    few, many = decide_cheaper(pairs(0, 0, 50), HALF, alpha=ALPHA), decide_cheaper(pairs(0, 0, 300), HALF, alpha=ALPHA)
    assert (few.word, many.word) == ("provisional", "proven")
    assert 150 < few.missing_families < 300
    assert not_worse_p([0.0] * (50 + few.missing_families)) <= ALPHA
    assert not_worse_p([0.0] * (50 + few.missing_families - 1)) > ALPHA


@pytest.mark.parametrize(
    ("won", "lost", "same", "tokens", "word"),
    [
        (0, 0, 300, HALF, "proven"),
        (20, 0, 40, HALF, "proven"),
        (0, 2, 300, HALF, "provisional"),
        (0, 8, 300, HALF, "rejected"),
        (0, 0, 300, TokensPerAnswer(400, 330), "rejected"),
        (0, 0, 300, TokensPerAnswer(400, 320), "proven"),
        (0, 0, 300, TokensPerAnswer(0, 0), "rejected"),
    ],
)
def test_it_takes_a_saving_and_no_loss(won, lost, same, tokens, word):
    decision = decide_cheaper(pairs(won, lost, same), tokens, alpha=ALPHA)
    assert decision.word == word
    assert (decision.lane, decision.tokens) == ("cheaper", tokens)
    assert ("fewer tokens" in decision.reason) == (word != "rejected" or tokens is HALF or tokens.saved < 0.2)


def test_a_lost_pinned_case_and_new_harm_reject():
    alike = pairs(0, 0, 300)
    assert decide_cheaper(alike, HALF, alpha=ALPHA, lost_pinned=["a"]).word == "rejected"
    assert decide_cheaper(alike, HALF, alpha=ALPHA, new_harm=["a"]).word == "rejected"
    assert decide_cheaper([], HALF, alpha=ALPHA).word == "rejected"


@pytest.mark.parametrize("changing", [0.02, 0.05, 0.15, 0.5])
@pytest.mark.parametrize("families", [60, 300, 1000])
def test_a_candidate_that_is_worse_by_the_margin_is_promoted_in_at_most_alpha_of_runs(changing, families):
    """Two points more losses than wins, however many answers change; 1,000 runs, so 0.9 points of chance."""
    rng, runs = random.Random(f"{changing} {families}"), 1000
    lost, won = (changing + MARGIN) / 2, (changing - MARGIN) / 2
    wrong = 0
    for _ in range(runs):
        draws = [rng.random() for _ in range(families)]
        wrong += not_worse_p([-1.0 if x < lost else 1.0 if x < lost + won else 0.0 for x in draws]) <= ALPHA
    assert wrong / runs <= ALPHA


@given(DIFFERENCES, st.data())
def test_a_better_answer_never_raises_p(differences: list[float], data: st.DataObject):
    spot = data.draw(st.integers(0, len(differences) - 1))
    better = [*differences]
    better[spot] = data.draw(st.floats(differences[spot], 1))
    assert not_worse_p(better) <= not_worse_p(differences) * (1 + 1e-9)


@given(DIFFERENCES, st.randoms(use_true_random=False))
def test_the_order_of_families_says_nothing(differences: list[float], rng: random.Random):
    shuffled = [*differences]
    rng.shuffle(shuffled)
    assert not_worse_p(shuffled) == not_worse_p(differences)


@given(st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=1, max_size=20))
def test_missing_families_are_enough(differences: list[float]):
    if not_worse_p(differences) > ALPHA:
        assert missing_families(differences, ALPHA) >= 1
