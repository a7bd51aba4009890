"""A suite's evaluations: their order is promptfoo's, their ids are for people."""

from dataclasses import replace

import pytest

from evolve.core.model.errors import InputError
from evolve.core.model.suite import Evaluation, Prompt, ProviderSpec, Suite, Test, TestOptions
from evolve.core.suites.expand import expand


def suite_of(
    *tests: Test, prompts: tuple[str, ...] = ("p",), providers: tuple[str, ...] = ("echo",), **fields: object
) -> Suite:
    return Suite(
        path="suite.yaml",
        base_dir="",
        prompts=tuple(Prompt(name, name) for name in prompts),
        providers=tuple(ProviderSpec(name) for name in providers),
        tests=tests,
        **fields,  # type: ignore[arg-type]
    )


def rows(suite: Suite) -> list[tuple[int, int, int]]:
    return [(part.test_index, part.prompt_index, part.repeat) for part in expand(suite)]


def case(description: str = "", options: TestOptions | None = None, **variables: object) -> Test:
    return Test(variables, (), description, options or TestOptions())  # type: ignore[arg-type]


def test_the_order_is_test_repeat_vars_provider_prompt() -> None:
    suite = suite_of(case(x=["a", "b"]), case(x="c"), prompts=("p", "q"), providers=("one", "two"), repeat=2)
    found = [(part.vars["x"], part.repeat, part.provider.id, part.prompt.raw) for part in expand(suite)]
    columns = [("one", "p"), ("one", "q"), ("two", "p"), ("two", "q")]
    order = [("a", 0), ("b", 0), ("a", 1), ("b", 1), ("c", 0), ("c", 1)]
    assert found == [(*row, *column) for row in order for column in columns]
    assert [part.test_index for part in expand(suite)][::4] == [0, 1, 2, 3, 4, 5]
    assert [part.prompt_index for part in expand(suite)][:4] == [0, 1, 2, 3]


def test_lists_multiply_only_when_their_first_item_is_text() -> None:
    (evaluation,) = expand(suite_of(case(x=[1, "a"], y=[], z=[{"k": 1}])))
    assert evaluation.vars == {"x": [1, "a"], "y": [], "z": [{"k": 1}]}
    assert [part.vars["x"] for part in expand(suite_of(case(x=["a", 1, None])))] == ["a", 1, None]


def test_several_lists_make_all_combinations_with_the_first_slowest() -> None:
    found = [tuple(part.vars.values()) for part in expand(suite_of(case(a=["1", "2"], b="x", c=["3", "4"])))]
    assert found == [("1", "x", "3"), ("1", "x", "4"), ("2", "x", "3"), ("2", "x", "4")]


def test_expansion_can_be_switched_off() -> None:
    (evaluation,) = expand(suite_of(case(options=TestOptions(disable_var_expansion=True), x=["a", "b"])))
    assert evaluation.vars == {"x": ["a", "b"]}


def test_a_test_repeats_as_often_as_it_says_else_as_the_suite_says() -> None:
    suite = suite_of(case("own", TestOptions(repeat=3)), case("other"), repeat=2)
    assert rows(suite) == [(0, 0, 0), (1, 0, 1), (2, 0, 2), (3, 0, 0), (4, 0, 1)]


def test_prefix_and_suffix_surround_the_prompt() -> None:
    (evaluation,) = expand(suite_of(case(options=TestOptions(prefix="Q: ", suffix=" A:"))))
    assert evaluation.prompt == Prompt("Q: p A:", "p")


@pytest.mark.parametrize(
    ("reference", "labels"),
    [("one", ["one"]), ("group", ["group:a", "group:b"]), ("group:*", ["group:a", "group:b"]),
     ("*", ["one", "group:a", "group:b"]), ("group:a", ["group:a"]), ("gro", [])],
)  # fmt: skip
def test_a_test_chooses_prompts_by_label_group_or_star(reference: str, labels: list[str]) -> None:
    suite = suite_of(replace(case(), prompts=(reference,)), prompts=("one", "group:a", "group:b"))
    assert [part.prompt.label for part in expand(suite)] == labels


def test_columns_are_numbered_over_all_providers_whatever_a_test_chooses() -> None:
    suite = suite_of(replace(case(), providers=("two",)), prompts=("p", "q"), providers=("one", "two"))
    assert rows(suite) == [(0, 2, 0), (0, 3, 0)]


def test_a_provider_takes_only_its_prompts() -> None:
    suite = suite_of(case(), prompts=("p", "q"))
    limited = replace(suite, providers=(ProviderSpec("one", prompts=("q",)), ProviderSpec("two")))
    found = [(part.provider.id, part.prompt.label, part.prompt_index) for part in expand(limited)]
    assert found == [("one", "q", 0), ("two", "p", 1), ("two", "q", 2)]


def test_a_tests_own_provider_answers_under_the_suites_providers_name() -> None:
    suite = suite_of(replace(case(), provider={"id": "python:x.py", "config": {"a": 1}}), providers=("echo",))
    (evaluation,) = expand(suite)
    assert (evaluation.provider.id, evaluation.provider.name, evaluation.provider.config) == (
        "python:x.py",
        "echo",
        {"a": 1},
    )


def test_vars_can_be_transformed_before_lists_multiply() -> None:
    suite = suite_of(case(options=TestOptions(transform_vars="split"), x="a b"))
    found = expand(suite, transform_vars=lambda _code, given: {"x": str(given["x"]).split()})
    assert [part.vars["x"] for part in found] == ["a", "b"]


def ids(suite: Suite) -> list[str]:
    return [part.id for part in expand(suite)]


def test_an_id_is_the_description_or_the_vars() -> None:
    assert ids(suite_of(case("first"), case(question="Why?", n=3), case())) == ["first", "question=Why?, n=3", "test 3"]


def test_an_id_names_provider_and_prompt_only_where_there_are_several() -> None:
    assert ids(suite_of(case("t"), providers=("one", "two"))) == ["t[one]", "t[two]"]
    assert ids(suite_of(case("t"), prompts=("p", "q"))) == ["t[p]", "t[q]"]


def test_repeats_and_doubles_are_numbered() -> None:
    assert ids(suite_of(case("t"), case("t#2"), case("t"), repeat=2)) == ["t", "t#2", "t#2#2", "t#2#3", "t#3", "t#4"]


def test_vars_that_are_the_same_everywhere_do_not_stand_in_ids() -> None:
    assert ids(suite_of(case(tone="calm", q="a"), case(tone="calm", q="b"))) == ["q=a", "q=b"]


def test_expanded_tests_with_a_description_show_what_multiplied() -> None:
    assert ids(suite_of(case("t", x=["a", "b"], y="c"))) == ["t (x=a)", "t (x=b)"]


@pytest.mark.parametrize("description", ["a\nb", "a\x00b", "x" * 500, "a::b", "é😀" * 60, "\u2028", " \t "])
def test_an_id_is_one_short_printable_line(description: str) -> None:
    suite = suite_of(
        case(description),
        case(description),
        prompts=("p" * 300, "q\n" * 50),
        providers=("x" * 200, "y" * 200),
        repeat=3,
    )
    found = ids(suite)
    assert len(set(found)) == len(found) == 24
    for name in found:
        assert name
        assert len(name) <= 100
        assert name.isprintable()
        assert "::" not in name


def test_ids_are_the_same_each_time() -> None:
    suite = suite_of(case("t", x=["a", "b"]), case(y=1), prompts=("p", "q"))
    assert ids(suite) == ids(suite)


def test_an_evaluation_shares_its_test() -> None:
    suite = suite_of(case("t"), repeat=2)
    first, second = expand(suite)
    assert isinstance(first, Evaluation)
    assert first.test is second.test is suite.tests[0]


def test_lists_that_multiply_beyond_the_limit_are_refused_before_they_are_expanded() -> None:
    letters = {name: [str(number) for number in range(20)] for name in "abcdefg"}
    with pytest.raises(InputError, match=r"multiply to 1,280,000,000 evaluations; expected at most 100,000") as refused:
        expand(suite_of(case(**letters)))
    assert "--max-evaluations" in str(refused.value)


def test_repeats_beyond_the_limit_are_refused() -> None:
    with pytest.raises(InputError, match="multiply to 100,000,000 evaluations"):
        expand(suite_of(case(x="a"), repeat=100_000_000))


def test_the_limit_counts_all_tests_of_a_suite_and_can_be_raised() -> None:
    suite = suite_of(case(x=["a", "b"]), case(x="c"))
    with pytest.raises(InputError, match=r"test 2: .* multiply to 3 evaluations; expected at most 2"):
        expand(suite, max_evaluations=2)
    assert len(expand(suite, max_evaluations=3)) == 3
