"""The index of cases: made once, and renewed only where cases have changed."""

from collections.abc import Mapping
from dataclasses import replace

from evolve.core.model.agents import Agent, AgentInput, Section
from evolve.core.model.json_value import JsonValue
from evolve.core.model.suite import Test
from evolve.core.search.case_index import CaseIndex
from evolve.core.search.tasks import Split, Task

AGENT = Agent("A", 1, "answers", (AgentInput("report"),), {}, "echo", (Section("Case", "{{ report }}"),))
TEXTS = {"red": "fire burns", "green": "grass grows"}


class Rendering:
    """Renders a case, and counts."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self, text: str, vars: Mapping[str, JsonValue]) -> str:
        self.times += 1
        return text.replace("{{ report }}", str(vars["report"]))


def task(number: int, answer: str, split: Split = "train") -> Task:
    name = f"{split} {answer} {number}"
    vars: dict[str, JsonValue] = {"report": f"{TEXTS[answer]} {name}"}
    return Task(name, name, name, split, vars, Test(vars, ()), answer, (answer,))


TASKS = [task(number, answer) for answer in TEXTS for number in range(4)]


def test_each_case_has_its_key_and_the_labelled_ones_their_lookup():
    render = Rendering()
    index = CaseIndex(AGENT, [*TASKS, task(0, "red", "gate")], render)
    assert render.times == len(TASKS) + 1
    assert index.keys["train red 0"] == "fire burns train red 0"
    assert index.lookup is not None
    assert index.lookup(index.key({"report": "fire"}), "another family") == '"red"'
    assert index.odds is not None


def test_cases_that_have_not_changed_are_not_indexed_again():
    render = Rendering()
    first = CaseIndex(AGENT, TASKS, render)
    second = CaseIndex(AGENT, [*TASKS, task(0, "red", "gate")], render, first)
    assert render.times == len(TASKS) + 1
    assert second.lookup is first.lookup
    assert second.odds is first.odds


def test_a_case_that_has_changed_changes_the_lookup():
    render = Rendering()
    first = CaseIndex(AGENT, TASKS, render)
    smaller = replace(TASKS[0], id="smaller", vars={"report": "fire"})
    second = CaseIndex(AGENT, [smaller, *TASKS[1:]], render, first)
    assert render.times == len(TASKS) + 1
    assert second.keys["smaller"] == "fire"
    assert second.lookup is not first.lookup


def test_answers_that_are_no_closed_set_have_no_lookup():
    index = CaseIndex(AGENT, TASKS[:3], Rendering())
    assert index.lookup is not None
    assert CaseIndex(AGENT, [TASKS[0], TASKS[4]], Rendering()).lookup is None
    assert CaseIndex(AGENT, [], Rendering()).lookup is None
