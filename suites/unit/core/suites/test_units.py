"""What is judged together."""

import pytest

from evolve.core.model.errors import InputError
from evolve.core.model.suite import Assertion, Evaluation, Prompt, ProviderSpec, Test, TestOptions
from evolve.core.suites.units import units

PROMPTS = (Prompt("a", "a"), Prompt("b", "b"))
BEST = Assertion("select-best", value="the best")
HIGHEST = Assertion("max-score")


def evaluations(test: Test, *, repeats: int = 1, combinations: int = 1) -> list[Evaluation]:
    found, index = [], 0
    for repeat in range(repeats):
        for combination in range(combinations):
            for column, prompt in enumerate(PROMPTS):
                name = f"{combination}/{column}" + (f"#{repeat + 1}" if repeat else "")
                found.append(
                    Evaluation(name, test, {"n": combination}, prompt, ProviderSpec("echo"), index, column, repeat)
                )
            index += 1
    return found


def shapes(test: Test, **counts: int) -> list[tuple[str, ...]]:
    return [tuple(member.id for member in unit.evaluations) for unit in units(evaluations(test, **counts))]


def test_an_evaluation_is_a_unit_of_its_own():
    assert shapes(Test({}, ())) == [("0/0",), ("0/1",)]


def test_the_columns_of_a_comparison_are_one_unit_per_test_index():
    assert shapes(Test({}, (BEST,)), combinations=2) == [("0/0", "0/1"), ("1/0", "1/1")]


def test_max_score_comes_after_select_best():
    (unit,) = units(evaluations(Test({}, (HIGHEST, BEST))))
    assert [assertion.type for assertion in unit.comparisons] == ["select-best", "max-score"]


def test_repeats_with_a_pass_rate_are_one_unit_with_the_first_ones_id():
    test = Test({}, (), options=TestOptions(repeat=2), metadata={"pass_rate": 0.5})
    found = units(evaluations(test, repeats=2, combinations=2))
    assert [unit.ids for unit in found] == [("0/0",), ("0/1",), ("1/0",), ("1/1",)]
    assert [len(unit.evaluations) for unit in found] == [2, 2, 2, 2]


def test_repeats_without_a_pass_rate_stay_apart():
    assert len(shapes(Test({}, (), options=TestOptions(repeat=3)), repeats=3)) == 6


def test_a_comparison_with_a_pass_rate_joins_columns_and_repeats():
    test = Test({}, (BEST,), metadata={"pass_rate": 1})
    (unit,) = units(evaluations(test, repeats=2))
    assert (len(unit.evaluations), unit.ids) == (4, ("0/0", "0/1"))


@pytest.mark.parametrize("rate", [2, -0.1, "half", True])
def test_a_pass_rate_is_a_share(rate):
    with pytest.raises(InputError, match="pass_rate"):
        units(evaluations(Test({}, (), metadata={"pass_rate": rate})))
