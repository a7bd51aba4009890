"""Similarity formulas; the numbers of BLEU, GLEU and ROUGE were computed by promptfoo 0.121.20, METEOR's by hand."""

import pytest

from evolve.core.metrics.bleu import bleu_score
from evolve.core.metrics.gleu import gleu_score
from evolve.core.metrics.meteor import align, meteor_score, stem
from evolve.core.metrics.rouge import rouge_1
from evolve.core.metrics.treebank import treebank_tokens
from evolve.core.model.errors import CannotEvaluate
from fixtures.checks import judge

TOKENS = [
    ("they'll say: 3.5, 1,000 e.g. u.s.", ["they", "'ll", "say", ":", "3.5", ",", "1,000", "e.g.", "u.s."]),
    ('he said "no" (twice).', ["he", "said", "``", "no", "''", "(", "twice", ")", "."]),
    ("can't cannot gonna 'tis dogs'", ["ca", "n't", "can", "not", "gon", "na", "'t", "is", "dogs", "'"]),
    ("a--b... #x", ["a", "--", "b", "...", "#", "x"]),
    (" \n", []),
]


@pytest.mark.parametrize(("text", "tokens"), TOKENS)
def test_tokens_follow_the_treebank(text: str, tokens: list[str]) -> None:
    assert treebank_tokens(text) == tokens


def test_rouge_counts_a_repeated_word_as_often_as_both_repeat_it() -> None:
    assert rouge_1("the the the", "the cat") == pytest.approx(0.4)
    assert rouge_1("The cat sat on the mat", "the cat sat on the mat") == 1.0
    assert rouge_1("", "x") == 0.0


def test_bleu_leaves_out_the_orders_a_short_candidate_lacks() -> None:
    assert bleu_score("the cat", ["the cat"]) == pytest.approx(1.0)
    assert bleu_score(" ", ["x"]) == 0.0
    assert bleu_score("the cat sat", ["the cat sat on the mat"]) == pytest.approx(0.36787944117144233)
    assert bleu_score("the cat sat", ["the cat sat on the mat", "a dog"]) == pytest.approx(1.0)


def test_gleu_is_the_smaller_of_precision_and_recall() -> None:
    assert gleu_score("the cat.", ["The cat"]) == 1.0
    assert gleu_score("the cat sat", ["the cat ran"]) == pytest.approx(0.5)
    with pytest.raises(CannotEvaluate):
        gleu_score("", ["x"])


def test_meteor_follows_the_published_formula() -> None:
    # 6 words, all matched, in one chunk: F = 1, penalty = 0.5 * (1/6)**3
    assert meteor_score("the cat sat on the mat", ["the cat sat on the mat"]) == pytest.approx(1 - 0.5 / 216)
    # the example of two swapped halves: two chunks
    assert meteor_score("on the mat sat the cat", ["the cat sat on the mat"]) == pytest.approx(1 - 0.5 * (3 / 6) ** 3)
    # P = 1, R = 1/2, F = P R / (0.9 P + 0.1 R); one chunk of two words
    expected = (0.5 / (0.9 + 0.05)) * (1 - 0.5 * (1 / 2) ** 3)
    assert meteor_score("the cat", ["the cat sat down"]) == pytest.approx(expected)
    assert meteor_score("dog", ["cat"]) == meteor_score("", ["cat"]) == 0.0


def test_meteor_matches_stems_after_equal_words() -> None:
    assert stem("running") == stem("runs") == "run"
    assert align(["running", "runs"], ["runs", "walk"]) == {1: 0}
    assert meteor_score("it runs", ["it running"]) == pytest.approx(1 - 0.5 / 8)


def test_meteor_prefers_the_alignment_with_fewer_chunks() -> None:
    assert align(["a", "b", "the", "c"], ["the", "x", "a", "b", "the", "c"]) == {0: 2, 1: 3, 2: 4, 3: 5}


@pytest.mark.parametrize("name", ["bleu", "gleu", "meteor", "rouge-n"])
def test_a_negated_similarity_scores_what_is_missing(name: str) -> None:
    plain, negated = judge(name, "the cat sat", "the dog sat"), judge(f"not-{name}", "the cat sat", "the dog sat")
    assert plain.score + negated.score == pytest.approx(1.0)
    assert plain.passed is not negated.passed


def test_the_parameters_of_meteor_come_from_the_assertion() -> None:
    verdict = judge("meteor", "on the mat sat the cat", "the cat sat on the mat", config={"gamma": 0})
    assert verdict.score == pytest.approx(1.0)
    with pytest.raises(CannotEvaluate, match="alpha=2000"):
        judge("meteor", "a", "a", config={"alpha": 2000})
