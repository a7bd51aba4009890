"""Labels of agents whose answer is one of several objects, such as an action with its arguments."""

from typing import Any

from evolve.core.cases.labels import answer_key, answers, label_assertions, label_problems
from evolve.core.incidents.proposal import actions_schema
from evolve.core.model.actions import MODEL_ACTIONS
from evolve.store.agents import find_agent, load_agent

OUTPUT: Any = load_agent(find_agent("HEAL_AGENT")).output
MEMORY = {"action": "increase_memory", "memory_mb": 512}


def test_the_constant_of_each_object_is_the_answer():
    assert answer_key(OUTPUT) == "action"
    assert set(answers(OUTPUT)) == set(actions_schema()["$defs"]) == set(MODEL_ACTIONS)


def test_objects_without_a_constant_in_each_have_none():
    choice: Any = {"anyOf": [{"properties": {"a": {"const": 1}}}, {"properties": {"a": {"type": "string"}}}]}
    assert answer_key(choice) is None
    assert answer_key({"anyOf": []}) is None
    assert answers(choice) == []


def test_a_word_is_the_action_whatever_its_arguments():
    (right, harm) = label_assertions(OUTPUT, ["increase_memory"], ["restart"])
    assert right["value"] == {
        "type": "object", "required": ["action"], "properties": {"action": {"enum": ["increase_memory"]}}
    }  # fmt: skip
    assert harm["metric"] == "harm"


def test_whole_answers_are_labels_with_the_checks_that_their_case_has():
    assert label_problems(OUTPUT, [MEMORY], [{"action": "restart"}]) == []
    assert label_assertions(OUTPUT, [MEMORY], [{"action": "restart"}]) == ()


def test_a_whole_answer_of_no_action_is_a_mistake():
    (problem,) = label_problems(OUTPUT, [{"action": "restat"}], [])
    assert "did you mean 'restart'" in problem
