"""Who is on the front, who becomes a parent, and who is best: small tables by hand."""

import random
from collections import Counter

from evolve.core.search.genome import Genome
from evolve.core.search.population import Candidate, best_of, choose_parent, front
from evolve.core.search.tasks import Score


def a_candidate(number: int, scores: str, children: int = 0) -> Candidate:
    """A candidate by its scores: `1` right, `0` wrong, `.` not asked."""
    known = {f"case {spot}": Score(float(word), word == "1", "") for spot, word in enumerate(scores) if word != "."}
    return Candidate(Genome((), rules=(f"rule {number}",)), (), "test", "", number, known, children)


def drawn(population: list[Candidate], tries: int = 2000) -> Counter[int]:
    chance = random.Random(3)
    return Counter(choose_parent(population, chance).number for _ in range(tries))


def test_the_front_counts_wins_on_the_cases_that_tell_candidates_apart():
    one, two, three = a_candidate(0, "1100."), a_candidate(1, "1010."), a_candidate(2, "10.00")
    assert front([one, two, three]) == {one.id: 1, two.id: 1}


def test_a_front_of_equals_is_empty():
    assert front([a_candidate(0, "10"), a_candidate(1, "10")]) == {}
    assert front([a_candidate(0, "11")]) == {}


def test_a_candidate_with_a_better_mean_is_taken_more_often():
    counts = drawn([a_candidate(0, "1000" * 6), a_candidate(1, "1110" * 6)])
    assert counts[1] > 4 * counts[0] > 0


def test_who_wins_where_nobody_else_does_is_taken_in_spite_of_a_low_mean():
    counts = drawn([a_candidate(0, "111111111110"), a_candidate(1, "000000000001"), a_candidate(2, "111111111110")])
    assert counts[1] > 20


def test_many_children_make_a_parent_rarer():
    fresh, tired = (
        drawn([a_candidate(0, "10"), a_candidate(1, "11")]),
        drawn([a_candidate(0, "10"), a_candidate(1, "11", 9)]),
    )
    assert tired[1] < fresh[1] * 0.8


def test_a_lucky_start_does_not_make_the_best():
    steady, lucky = a_candidate(0, "1" * 16 + "0" * 8), a_candidate(1, "11")
    assert lucky.mean() > steady.mean()
    improved = a_candidate(2, "1" * 21 + "0" * 3)
    assert best_of([steady, lucky, improved]) is improved


def test_of_equals_the_earlier_is_best():
    one, two = a_candidate(0, "10"), a_candidate(1, "01")
    assert best_of([one, two]) is one


def test_means_are_of_what_was_answered():
    candidate = a_candidate(0, "1.0")
    assert candidate.mean() == 0.5
    assert candidate.mean(["case 0", "case 1"]) == 1.0
    assert candidate.mean(["case 1"]) == 0.0
    assert a_candidate(1, "...").cautious_mean(0.5) == 0.5
