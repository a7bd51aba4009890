"""Labels of suites' tests as assertions, and labels that an agent can never answer."""

from typing import Any

import pytest

from evolve.core.cases.labelled_tests import judged_by_labels, label_mistakes
from evolve.core.model.suite import Assertion, Test

CLOSED: dict[str, Any] = {"type": "object", "properties": {"queue": {"enum": ["billing", "sales"]}}}
OPEN: dict[str, Any] = {"type": "object", "properties": {"text": {"type": "string"}}}


def a_test(**metadata: Any) -> Test:
    return Test(vars={}, requirements=(), metadata=metadata)


def schemas(test: Test) -> dict[str, Any]:
    return {str(part.metric): part.value for part in test.requirements if isinstance(part, Assertion)}


def test_words_are_held_against_the_closed_property():
    found = schemas(judged_by_labels(a_test(accepted="billing", forbidden=["sales"]), CLOSED))
    assert found["accuracy"]["properties"] == {"queue": {"enum": ["billing"]}}
    assert found["harm"]["properties"] == {"queue": {"not": {"enum": ["sales"]}}}


def test_whole_answers_are_held_against_the_whole_output():
    assert schemas(judged_by_labels(a_test(accepted=[{"text": "hi"}]), OPEN)) == {
        "accuracy": {"enum": [{"text": "hi"}]}
    }


@pytest.mark.parametrize("accepted", [["billing", {"queue": "sales"}], []])
def test_what_says_nothing_certain_judges_nothing(accepted: list[Any]):
    test = a_test(accepted=accepted)
    assert judged_by_labels(test, CLOSED) is test


def test_words_for_an_open_answer_judge_nothing():
    test = a_test(accepted=["hi"])
    assert judged_by_labels(test, OPEN) is test


def test_own_assertions_are_left_alone():
    test = Test(vars={}, requirements=(Assertion("is-json"),), metadata={"accepted": ["billing"]})
    assert judged_by_labels(test, CLOSED) is test


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        ({"accepted": ["biling"]}, ["accepted: 'biling' is not an answer of TRIAGE (did you mean 'billing'?)"]),
        ({"forbidden": "bomb"}, ["forbidden: 'bomb' is not an answer of TRIAGE (known: billing, sales)"]),
        ({"accepted": [{"queue": "salse"}]}, ["accepted: 'salse' is not an answer of TRIAGE (did you mean 'sales'?)"]),
        ({"accepted": ["sales"], "forbidden": ["sales"]}, ["'sales' is both accepted and forbidden"]),
        ({"accepted": ["biling"], "status": "retired"}, []),
        ({"accepted": ["billing"]}, []),
    ],
)
def test_a_label_that_the_agent_cannot_answer_is_a_mistake(metadata: dict[str, Any], said: list[str]):
    assert [str(problem) for problem in label_mistakes(a_test(**metadata), CLOSED, "TRIAGE")] == said


def test_open_answers_have_no_foreign_labels():
    assert [*label_mistakes(a_test(accepted=["anything"]), OPEN, "TRIAGE")] == []
