"""What answers without a model, and what a winner is worth beyond the best of it."""

import pytest

from evolve.core.search.baselines import Solved, baselines
from evolve.core.search.beyond import beyond_lookup

WORDS = {"restart": "hung", "increase_memory": "oom", "free_port": "bind"}
TEXTS = {
    "restart": "job web-{n} hung after {n} s, exit 1",
    "increase_memory": "job web-{n} oom killed, limit {m} MB, used {n} MB",
    "free_port": "job web-{n} cannot bind port {m}, exit {n}",
}


def labelled(count: int) -> list[Solved]:
    """Cases of three actions; two have an argument that is a number of the text, next to decoys."""
    made = []
    for n in range(count):
        for action, text in TEXTS.items():
            m = 1000 + 7 * n
            label = {"action": action}
            if action == "increase_memory":
                label["memory_mb"] = m
            if action == "free_port":
                label["port"] = m
            made.append(Solved(text.format(n=n + 11, m=m), label, f"{action} {n}"))
    return made


def answers(name: str, text: str, solved: list[Solved]) -> object:
    return next(baseline for baseline in baselines(solved) if baseline.name == name).answer(text)


def test_arguments_are_copied_out_of_the_case_by_what_surrounds_them():
    solved = labelled(6)
    by_patterns = "arguments copied by patterns"
    assert answers(by_patterns, "job api-3 oom killed, limit 4321 MB, used 99 MB", solved) == {
        "action": "increase_memory",
        "memory_mb": 4321,
    }
    assert answers(by_patterns, "job api-3 cannot bind port 8080, exit 77", solved) == {
        "action": "free_port",
        "port": 8080,
    }
    assert answers(by_patterns, "job api-3 hung after 5 s, exit 1", solved) == {"action": "restart"}


@pytest.mark.parametrize(("factor", "expected"), [(1, 4321), (2, 8642), (1.5, 6481)])
def test_a_number_that_is_a_multiple_of_one_in_the_case_is_found_by_its_rule(factor, expected):
    solved = [
        Solved(
            text, {**label, "memory_mb": int(label["memory_mb"] * factor)} if "memory_mb" in label else label, family
        )
        for text, label, family in labelled(6)
    ]
    found = answers("arguments copied by patterns", "job api-3 oom killed, limit 4321 MB, used 99 MB", solved)
    assert found == {"action": "increase_memory", "memory_mb": expected}


def test_answers_without_arguments_have_a_vote_and_a_classifier_of_a_closed_set():
    closed = [
        Solved(f"the job {word} again {n}", {"action": action}, f"{n}")
        for n in range(4)
        for action, word in WORDS.items()
    ]
    names = [baseline.name for baseline in baselines(closed)]
    assert names == ["the nearest case's answer", "a vote of the nearest cases", "a classifier of words"]
    assert all(baseline.answer("it cannot bind") == {"action": "free_port"} for baseline in baselines(closed))


def test_free_text_has_the_nearest_cases_answer_only():
    texts = [Solved(f"note {n} of the disk", {"summary": f"disk {n}"}, f"{n}") for n in range(5)]
    assert [baseline.name for baseline in baselines(texts)] == ["the nearest case's answer"]
    assert baselines([]) == []


FAMILIES = {f"{n}": f"family {n}" for n in range(12)}


def test_the_best_baseline_on_the_same_cases_is_the_rival():
    winner = dict.fromkeys(FAMILIES, 1.0)
    weak, strong = {name: float(name in "012") for name in FAMILIES}, {name: float(int(name) < 6) for name in FAMILIES}
    found = beyond_lookup(winner, {"weak": weak, "strong": strong, "silent": {}}, FAMILIES)
    assert found is not None
    assert (found.baseline, found.baseline_score, found.winner_score) == ("strong", 0.5, 1.0)
    assert (found.cases, found.families) == (12, 12)
    assert 0 < found.low < found.gain < found.high
    assert found.is_beyond


@pytest.mark.parametrize("baseline", [1.0, 0.0])
def test_a_tie_and_too_few_families_are_not_beyond(baseline):
    few = {"0": "a", "1": "b", "2": "c"}
    found = beyond_lookup(dict.fromkeys(few, 1.0), {"one": dict.fromkeys(few, baseline)}, few)
    assert found is not None
    assert not found.is_beyond
    assert beyond_lookup({"0": 1.0}, {}, few) is None


def test_a_number_is_copied_exactly_however_long_it_is():
    big, huge = 2**53 + 1, int("7" * 90)
    solved = labelled(6)
    find = "job web cannot bind port {}, exit 1".format
    by_patterns = "arguments copied by patterns"
    assert answers(by_patterns, find(big), solved) == {"action": "free_port", "port": big}
    assert answers(by_patterns, find(huge), solved) == {"action": "free_port", "port": huge}
    # Python refuses to read so many digits; no label is so long.
    assert answers(by_patterns, find("7" * 5000), solved) != {"action": "free_port", "port": "7" * 5000}
