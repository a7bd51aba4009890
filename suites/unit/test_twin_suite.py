"""The twin agent's suite: what its split `test` must be to measure an evolution that never saw it."""

import re
import shlex
import subprocess
import sys
from collections import Counter
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from evolve.core.search.task_list import merge_tasks, suite_tasks
from evolve.core.search.tasks import Task
from evolve.evaluation.setup import Settings, load
from evolve.store.agents import find_agent, load_agent

SUITE = "suites/agents/twin.yaml"
AGENT = "TWIN_AGENT_PLAIN"
MAX_OVERLAP = 0.45
"""Share of two requests' words that they may have in common; different wishes of this suite have .39 at most."""


@pytest.fixture(scope="module")
def tasks() -> list[Task]:
    return suite_tasks(load(SUITE, Settings()).evaluations, load_agent(find_agent(AGENT)).output, SUITE)


@pytest.fixture(scope="module")
def unseen(tasks: list[Task]) -> list[Task]:
    return [task for task in tasks if task.split == "test"]


def intent(task: Task) -> str:
    return task.family.rsplit("-", 1)[0]


def words(task: Task) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", str(task.vars["request"]).lower()))


def overlap(one: Task, other: Task) -> float:
    return len(words(one) & words(other)) / len(words(one) | words(other))


def test_it_is_large_enough_for_an_interval_of_eleven_points(unseen: list[Task]):
    assert len(unseen) >= 150
    assert len({task.family for task in unseen}) >= 80
    assert len({intent(task) for task in unseen}) >= 80


def test_every_tool_is_the_right_one_in_about_as_many_cases(unseen: list[Task]):
    best = Counter(task.label["tool"] for task in unseen if isinstance(task.label, dict))
    output: Any = load_agent(find_agent(AGENT)).output
    assert set(best) == set(output["properties"]["tool"]["enum"])
    assert max(best.values()) <= 1.5 * min(best.values())


def test_no_right_answer_is_harmful(tasks: list[Task]):
    assert [task.description for task in tasks if any(answer in task.forbidden for answer in task.accepted)] == []


def test_its_intents_are_in_no_other_split(tasks: list[Task], unseen: list[Task]):
    assert {intent(task) for task in unseen} & {intent(task) for task in tasks if task.split != "test"} == set()


def test_no_request_nearly_repeats_another(tasks: list[Task], unseen: list[Task]):
    seen = [task for task in tasks if task.split != "test"]
    pairs = [*combinations(unseen, 2), *((one, other) for one in unseen for other in seen)]
    assert [(a.vars, b.vars) for a, b in pairs if overlap(a, b) > MAX_OVERLAP] == []


def test_an_evolution_gets_none_of_it(tasks: list[Task]):
    assert Counter(task.split for task in merge_tasks(tasks, [])) == {"train": 54, "val": 45, "gate": 81}


def test_ci_asks_no_model_about_it():
    command = re.search(r"suites\.junit\.xml \{posargs:(.*)\}", Path("tox.ini").read_text("utf-8"))
    assert command is not None
    _, *selected = shlex.split(command[1])
    listed = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", SUITE, *selected],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert sum("Request" in line for line in listed.splitlines()) == 126
