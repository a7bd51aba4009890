"""Shrinking finds a minimal input that fails the same way, within its questions."""

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from evolve.core.cases.shrinking import Shrunk, reproduces, shrink

WORD = st.text("abcdefgh", min_size=1, max_size=4)
LINE = st.lists(WORD, min_size=1, max_size=5).map(" ".join)
LOG = st.lists(LINE, min_size=2, max_size=12).map("\n".join)


def run(vars: dict[str, object], fails: Callable[[dict[str, object]], bool], limit: int = 10_000) -> tuple[Shrunk, int]:
    search = shrink(vars, max_questions=limit)  # type: ignore[arg-type]
    asked = 0
    try:
        candidate = next(search)
        while True:
            asked += 1
            candidate = search.send(fails(candidate))
    except StopIteration as stop:
        return stop.value, asked


def needs(*words: str) -> Callable[[dict[str, object]], bool]:
    def fails(vars: dict[str, object]) -> bool:
        text = str(vars["d"])
        return all(word in text for word in words)

    return fails


@given(LOG, LINE, LINE)
def test_only_what_the_failure_needs_is_left(log: str, before: str, after: str):
    vars = {
        "d": {"stderr": f"{before}\nERROR one {log}\nTWO {after}", "stdout": log, "exit_code": 1, "status": "failed"}
    }
    shrunk, asked = run(vars, needs("ERROR", "TWO"))
    assert shrunk.is_minimal
    assert shrunk.questions == asked
    assert shrunk.vars["d"] == {"stderr": "ERROR TWO ", "stdout": "", "exit_code": 1, "status": "failed"} or (
        isinstance(shrunk.vars["d"], dict) and str(shrunk.vars["d"]["stderr"]).split() == ["ERROR", "TWO"]
    )


@given(LOG, st.sets(WORD, min_size=1, max_size=3))
def test_the_result_fails_and_no_line_or_word_can_be_left_out(log: str, wanted: set[str]):
    vars = {"d": f"{log} {' '.join(sorted(wanted))}"}
    fails = lambda given: wanted <= set(str(given["d"]).split())  # noqa: E731
    shrunk, _ = run(vars, fails)
    assert fails(shrunk.vars)
    words = str(shrunk.vars["d"]).split()
    assert sorted(words) == sorted(wanted)


@given(LOG, st.integers(0, 12))
def test_no_more_questions_are_asked_than_allowed_and_the_result_still_fails(log: str, limit: int):
    fails = needs("ERROR")
    shrunk, asked = run({"d": f"{log}\nERROR {log}"}, fails, limit)
    assert asked == shrunk.questions <= limit
    assert fails(shrunk.vars)


@given(LOG)
def test_numbers_lists_keys_and_single_words_never_change(log: str):
    vars = {"d": log, "job_id": "web", "n": 7, "flag": True, "none": None, "list": [1, "a b", {"x": "c d"}]}
    shrunk, _ = run(vars, lambda _: True)
    assert shrunk.vars == {**vars, "d": "", "list": [1, "", {"x": ""}]}


def test_a_failure_that_nothing_can_be_taken_from_stays():
    vars = {"d": "a b\nc d"}
    assert run(vars, lambda given: given == vars)[0].vars == vars


@given(st.lists(st.booleans(), max_size=8), st.integers(1, 4), st.integers(0, 4))
def test_a_failure_reproduces_k_of_n_times_or_is_flaky(outcomes: list[bool], k: int, more: int):
    n = k + more
    verdict = reproduces(outcomes, k, n)
    failed = sum(outcomes[:n])
    if len(outcomes) >= n:
        assert verdict == (failed >= k)
    if verdict is not None:
        for rest in (True, False):
            assert reproduces([*outcomes, *([rest] * n)], k, n) == verdict
