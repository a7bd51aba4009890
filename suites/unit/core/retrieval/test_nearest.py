from evolve.core.retrieval.nearest import Bm25, words


def test_words_split_camel_case_and_keep_status_codes():
    assert words("HikariPool got 503 on port 8080 OOM") == ["hikari", "pool", "got", "503", "on", "port", "oom"]


def test_the_text_that_shares_rare_words_is_nearest():
    index = Bm25(["error no space left on device", "error address already in use", "error connection refused"])
    scores = index.scores("write failed: no space left on device")
    assert scores.index(max(scores)) == 0


def test_a_query_without_shared_words_scores_nothing():
    assert Bm25(["alpha beta"]).scores("gamma") == [0.0]
    assert Bm25([]).scores("gamma") == []
