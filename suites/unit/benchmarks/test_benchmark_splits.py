import pytest

from benchmarks.evolve_splits import (
    Case,
    Outcome,
    accuracy,
    gain,
    harm,
    held_out_families,
    judge,
    sample_by_family,
    split_cases,
    without_families,
)

ANSWERS = ("restart", "free_port")


def cases(families: int = 8, each: int = 3) -> list[Case]:
    """For each split and answer so many families of so many cases."""
    return [
        Case(f"{split}-{answer}-{family}", split, (answer,), ("escalate",), {"n": number})
        for split in ("train", "val", "gate")
        for answer in ANSWERS
        for family in range(families)
        for number in range(each)
    ]


def outcome(family: str, is_right: bool, is_harmful: bool = False) -> Outcome:
    return Outcome(family, "restart", is_right, is_harmful)


def test_half_of_the_val_and_gate_families_are_held_out() -> None:
    splits = split_cases(cases())
    assert len(splits.train) == 48
    assert [len(part) for part in (splits.val, splits.gate, splits.held_out)] == [24, 24, 48]


def test_no_family_stands_in_two_splits() -> None:
    splits = split_cases(cases(families=7))
    parts = [{case.family for case in part} for part in (splits.train, splits.val, splits.gate, splits.held_out)]
    assert sum(map(len, parts)) == len(set.union(*parts)) == 42


def test_each_answer_is_held_out_as_often_as_any_other() -> None:
    held = [case.label for case in split_cases(cases()).held_out]
    assert held.count("restart") == held.count("free_port")


def test_the_order_of_the_suite_does_not_matter() -> None:
    assert held_out_families(cases()) == held_out_families(cases()[::-1])


def test_what_a_method_gets_has_no_test_of_a_held_out_family() -> None:
    known = cases()
    suite = {"prompts": ["p"], "tests": [{"metadata": {"family": case.family}} for case in known]}
    held = held_out_families(known)
    left = without_families(suite, held)
    assert left["prompts"] == ["p"]
    assert isinstance(left["tests"], list)
    assert len(left["tests"]) == len(known) - len(split_cases(known).held_out)
    assert not any(test["metadata"]["family"] in held for test in left["tests"])  # type: ignore[index,call-overload]


def test_a_sample_takes_families_and_answers_in_turn() -> None:
    chosen = sample_by_family([case for case in cases() if case.split == "val"], 16, seed=1)
    assert len({case.family for case in chosen}) == 16
    assert [case.label for case in chosen].count("restart") == 8


def test_a_sample_that_is_larger_than_the_families_takes_seconds() -> None:
    chosen = sample_by_family([case for case in cases() if case.split == "val"], 20, seed=1)
    assert len(chosen) == len({(case.family, str(case.vars)) for case in chosen}) == 20


def test_same_seed_same_sample() -> None:
    known = cases()
    assert sample_by_family(known, 9, seed=4) == sample_by_family(known[::-1], 9, seed=4)
    assert sample_by_family(known, 9, seed=4) != sample_by_family(known, 9, seed=5)


def test_an_interval_holds_its_value_and_is_wider_when_whole_families_differ() -> None:
    split_inside = [outcome(f"f{i}", right) for i in range(12) for right in (True, False)]
    split_between = [outcome(f"f{i}", i % 2 == 0) for i in range(12) for _ in range(2)]
    narrow, wide = accuracy(split_inside), accuracy(split_between)
    assert (narrow.low, narrow.value, narrow.high) == (0.5, 0.5, 0.5)
    assert wide.low < wide.value == 0.5 < wide.high


def test_an_interval_is_the_same_when_it_is_made_again() -> None:
    known = [outcome(f"f{i}", i % 3 == 0) for i in range(30)]
    assert accuracy(known, seed=2) == accuracy(known, seed=2)


def test_a_gain_is_paired_by_family() -> None:
    weak = [outcome(f"f{i}", i % 2 == 0) for i in range(10)]
    strong = [outcome(f"f{i}", True) for i in range(10)]
    assert gain(strong, weak).value == 0.5
    same = gain(weak, weak)
    assert (same.low, same.high) == (0.0, 0.0)


def test_a_gain_over_other_cases_is_refused() -> None:
    with pytest.raises(ValueError, match="same cases"):
        gain([outcome("a", True)], [outcome("b", True)])


def test_no_valid_answer_is_wrong_and_harmless() -> None:
    case = cases()[0]
    assert judge(case, None) == Outcome(case.family, None, False, False)
    assert judge(case, "restart").is_right
    assert judge(case, "escalate").is_harmful


def test_harm_is_a_share() -> None:
    assert harm([outcome("a", False, True), outcome("a", True), outcome("b", True), outcome("c", False)]) == 0.25
