"""The words that speak for an answer."""

from hypothesis import given
from hypothesis import strategies as st

from evolve.core.retrieval.log_odds import LogOdds
from evolve.core.retrieval.nearest import words

TEXTS = [
    "disk full on device",
    "no space on the disk",
    "port in use already",
    "the port is taken",
    "disk quota is full",
]
ANSWERS = ["free_disk", "free_disk", "free_port", "free_port", "free_disk"]


def test_the_telling_words_of_an_answer_are_those_that_others_lack():
    odds = LogOdds(TEXTS * 4, ANSWERS * 4)
    assert odds.answers == ["free_disk", "free_port"]
    assert odds.strongest_words("free_disk", 1) == ["disk"]
    assert odds.strongest_words("free_port", 1) == ["port"]
    assert "the" not in odds.strongest_words("free_disk", 9)


def test_an_unknown_answer_has_no_words():
    assert LogOdds(TEXTS, ANSWERS).strongest_words("restart", 3) == []
    assert LogOdds([], []).strongest_words("restart", 3) == []


def test_a_bank_of_one_word_tells_nothing():
    assert LogOdds(["disk", "disk"], ["a", "b"]).strongest_words("a", 3) == []
    assert LogOdds(["disk"], ["a"]).strongest_words("a", 3) == []


WORDS = st.lists(st.sampled_from(["disk", "port", "host", "full", "137", "Ünlaut", ""]), max_size=5).map(" ".join)


@given(rows=st.lists(st.tuples(WORDS, st.sampled_from("abc")), max_size=12), limit=st.integers(0, 5))
def test_any_bank_can_be_asked(rows: list[tuple[str, str]], limit: int) -> None:
    odds = LogOdds([text for text, _ in rows], [answer for _, answer in rows])
    for answer in odds.answers:
        found = odds.strongest_words(answer, limit)
        own = {word for text, said in rows if said == answer for word in words(text)}
        assert len(found) <= limit
        assert set(found) <= own
