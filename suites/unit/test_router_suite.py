"""The router's suite: what it must be to measure a choice of experts in clusters that differ."""

from collections import Counter
from itertools import combinations
from typing import Any

import pytest

from evolve.core.search.task_list import suite_tasks
from evolve.core.search.tasks import Task
from evolve.evaluation.setup import Settings, load
from evolve.store.agents import find_agent, load_agent

SUITE = "suites/agents/router.yaml"
AGENT = "ROUTER_AGENT"


@pytest.fixture(scope="module")
def tasks() -> list[Task]:
    return suite_tasks(load(SUITE, Settings()).evaluations, load_agent(find_agent(AGENT)).output, SUITE)


def intent(task: Task) -> str:
    return task.family.rsplit("-", 1)[0]


def label(task: Task) -> Any:
    assert isinstance(task.label, dict)
    return task.label["expert"]


def test_it_has_eighty_messages_in_three_splits(tasks: list[Task]):
    assert Counter(task.split for task in tasks) == {"train": 28, "val": 26, "gate": 26}
    assert len({task.vars["message"] for task in tasks}) == 80


def test_no_intent_is_in_two_splits(tasks: list[Task]):
    found = {split: {intent(task) for task in tasks if task.split == split} for split in ("train", "val", "gate")}
    assert [a & b for a, b in combinations(found.values(), 2)] == [set(), set(), set()]


def test_every_right_answer_is_an_expert_that_is_there(tasks: list[Task]):
    for task in tasks:
        experts: Any = task.vars["experts"]
        answers: Any = [one["expert"] for one in task.accepted if isinstance(one, dict)]
        assert set(answers) <= {*experts, "not-sure"}, task.description
        assert "expert-main" in experts


def test_each_split_asks_for_every_kind_of_expert(tasks: list[Task]):
    kinds = {"expert-main", "expert-summarization", "expert-translation", "expert-code", "expert-math", "not-sure"}
    for split in ("train", "val", "gate"):
        assert {label(task) for task in tasks if task.split == split} == kinds


def test_one_answer_for_everything_is_right_in_a_third_of_the_cases_at_most(tasks: list[Task]):
    held_out = [task for task in tasks if task.split != "train"]
    right = [task for task in held_out if {"expert": "expert-main"} in task.accepted]
    assert len(right) / len(held_out) < 1 / 3
