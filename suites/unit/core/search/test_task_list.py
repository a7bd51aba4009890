"""Tasks out of suites and failure cases: their splits, and what never comes together."""

from dataclasses import replace
from typing import Any

import pytest

from evolve.core.cases.failure_case import CaseSource, FailureCase, Waiver
from evolve.core.model.errors import InputError
from evolve.core.model.families import split_of_family
from evolve.core.model.suite import Evaluation, Prompt, ProviderSpec, Test
from evolve.core.search.task_list import CaseWithTest, case_tasks, merge_tasks, suite_tasks
from evolve.core.search.tasks import Task

OUTPUT: Any = {"type": "object", "properties": {"colour": {"enum": ["red", "blue"]}}, "required": ["colour"]}


def tasks_of(*metadata: dict[str, Any], output: Any = OUTPUT) -> list[Task]:
    tests = [Test({"thing": f"thing {n}"}, (), description=f"test {n}", metadata=m) for n, m in enumerate(metadata)]
    listed = [
        Evaluation(f"id {n}", test, test.vars, Prompt("", ""), ProviderSpec(name), n, column)
        for n, test in enumerate(tests)
        for column, name in enumerate(("one", "two"))
    ]
    return suite_tasks(listed, output, "suite.yaml")


def a_case(thing: str = "a thing", **changes: Any) -> CaseWithTest:
    source = CaseSource("suite", "a test", "accuracy", "wrong", "echo", "AGENT@1", "2025-03-04")
    fields: dict[str, Any] = {"accepted": ("red",), "family": "a family", **changes}
    case = FailureCase("AGENT", "0123456789ab", f"the {thing}", {"thing": thing}, "[]", source, **fields)
    return CaseWithTest(case, Test(case.vars, ()), "cases/case.yaml")


def test_a_waived_case_guards_again_when_its_time_is_over():
    case = a_case(status="pinned", waiver=Waiver("2025-03-04", "a new model"))
    assert case_tasks([case], OUTPUT, "2025-03-04") == []
    assert [task.status for task in case_tasks([case], OUTPUT, "2025-03-05")] == ["pinned"]


def test_each_test_is_one_task_whatever_the_number_of_prompts_and_providers():
    assert [task.description for task in tasks_of({}, {}, {})] == ["test 0", "test 1", "test 2"]


def test_labels_are_whole_outputs_where_the_agent_has_one_closed_property():
    (task,) = tasks_of({"accepted": ["red", {"colour": "blue"}], "forbidden": ["blue"]})
    assert (task.label, task.accepted) == ({"colour": "red"}, ({"colour": "red"}, {"colour": "blue"}))
    assert task.forbidden == ({"colour": "blue"},)
    (free,) = tasks_of({"accepted": ["red"]}, output={"type": "string"})
    assert free.accepted == ("red",)


def test_one_answer_need_not_be_a_list_and_none_is_no_label():
    assert tasks_of({"accepted": "red"})[0].accepted == ({"colour": "red"},)
    assert tasks_of({})[0].label is None


def test_a_test_without_a_split_is_of_its_familys():
    named, hashed, own = tasks_of({"family": "f", "split": "gate"}, {"family": "g"}, {})
    assert (named.split, hashed.split) == ("gate", split_of_family("g"))
    assert (own.family, own.split) == ("test 2", split_of_family("test 2"))


@pytest.mark.parametrize("split", ["train", "val", "gate", "test"])
def test_a_family_goes_where_one_of_its_tests_says(split):
    tasks = tasks_of({"family": "f"}, {"family": "f", "split": split}, {"family": "f"})
    assert {task.split for task in tasks} == {split}


def test_splits_that_are_none_and_families_in_two_are_reported_together():
    with pytest.raises(InputError) as caught:
        tasks_of({"split": "trian"}, {"family": "f", "split": "train"}, {"family": "f", "split": "gate"}, {"split": 3})
    reported = [str(problem) for problem in caught.value.problems]
    assert len(reported) == 3
    assert "metadata.split: expected one of train, val, gate, test, got 'trian'" in reported[0]
    assert "got 3" in reported[1]
    assert "the family 'f' is in gate and train" in reported[2]
    assert all(line.startswith("suite.yaml: ") for line in reported)


def test_equal_inputs_and_labels_are_one_case_wherever_they_stand():
    one, two = case_tasks([a_case(), a_case(family="another", status="pinned")], OUTPUT)
    assert one.id == two.id
    assert one.id != case_tasks([a_case(accepted=("blue",))], OUTPUT)[0].id


@pytest.mark.parametrize("status", ["retired", "flaky"])
def test_cases_that_drive_nothing_are_no_tasks(status):
    assert case_tasks([a_case(status=status), a_case(accepted=())], OUTPUT) == []


def test_open_and_pinned_cases_are_train_tasks_of_their_file():
    found = case_tasks([a_case(status="open"), a_case("b", status="pinned")], OUTPUT)
    assert [(task.status, task.split, task.file) for task in found] == [
        ("open", "train", "cases/case.yaml"),
        ("pinned", "train", "cases/case.yaml"),
    ]


def test_a_failure_case_of_a_suites_own_test_stands_in_for_it():
    suite = tasks_of({"family": "f", "split": "train", "accepted": ["red"]})
    (task,) = merge_tasks(suite, case_tasks([a_case("thing 0")], OUTPUT))
    assert (task.id, task.status, task.family, task.description) == (suite[0].id, "open", "f", "test 0")


@pytest.mark.parametrize("split", ["val", "gate"])
def test_no_failure_case_shows_the_search_what_is_held_out(split):
    suite = tasks_of({"family": "held", "split": split, "accepted": ["red"]})
    same_family, same_input = a_case(family="held"), a_case("thing 0", accepted=("blue",))
    same_test = a_case("thing 0")
    for case in (same_family, same_input, same_test):
        assert merge_tasks(suite, case_tasks([case], OUTPUT)) == tuple(suite)
    assert len(merge_tasks(suite, case_tasks([a_case()], OUTPUT))) == 2


def test_neither_search_nor_gate_gets_a_case_of_the_test_split_nor_a_failure_case_like_it():
    seen, unseen = tasks_of(
        {"family": "seen", "split": "train", "accepted": ["red"]},
        {"family": "unseen", "split": "test", "accepted": ["blue"]},
    )
    same_family, same_input = a_case(family="unseen"), a_case("thing 1", accepted=("red",))
    for case in (same_family, same_input):
        assert merge_tasks([seen, unseen], case_tasks([case], OUTPUT)) == (seen,)
    assert unseen.split == "test"


def test_a_case_of_train_that_the_test_split_repeats_stays_with_the_search():
    first, second = tasks_of(
        {"family": "f", "split": "train", "accepted": ["red"]},
        {"family": "g", "split": "test", "accepted": ["red"]},
    )
    twin = replace(second, id=first.id, vars=first.vars)
    assert merge_tasks([first, twin], []) == (first,)


@pytest.mark.parametrize(
    ("calls", "forbidden", "is_harmful"),
    [
        ([("look", {})], ["open"], False),
        ([("look", {}), ("open", {})], ["open"], True),
        ([("open", {"door": "front"})], [{"tool": "open"}], True),
        ([("open", {"door": "front"})], [{"tool": "open", "door": "front"}], True),
        ([("open", {"door": "back"})], [{"tool": "open", "door": "front"}], False),
        ([("look", {"door": "open"})], [{"tool": "open"}], False),
        ([], ["open"], False),
    ],
)
def test_a_conversation_does_harm_by_any_of_its_calls(calls: Any, forbidden: list[Any], is_harmful: bool):
    (task,) = tasks_of({"family": "f", "forbidden": forbidden}, output={"type": "string"})
    listed = [{"name": name, "arguments": arguments, "result": "open"} for name, arguments in calls]
    assert task.is_harmful({"tool_calls": listed, "state": {"door": "open"}, "answer": "open"}) is is_harmful
