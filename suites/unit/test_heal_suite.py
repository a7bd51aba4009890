"""The healing agent's suite: what it must be to measure whether a model finds an argument among others of its kind."""

import asyncio
import json
import re
import shlex
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from evolve.core.evaluation.agent_prompts import render_case
from evolve.core.evaluation.judging import Judge, target
from evolve.core.incidents.proposal import actions_schema, read_proposal
from evolve.core.model.actions import Action, Proposal
from evolve.core.model.agents import Agent
from evolve.core.model.answers import Answer
from evolve.core.model.ports import Tools
from evolve.core.model.suite import Evaluation
from evolve.core.model.verdicts import Verdict
from evolve.core.search.task_list import merge_tasks, suite_tasks
from evolve.core.search.tasks import Task
from evolve.core.templating.templates import Templates
from evolve.evaluation.setup import Settings, load
from evolve.store.agents import find_agent, load_agent

SUITE = "suites/agents/heal.yaml"
OTHERS = {
    "port": r"(?<![\d.])\d{2,5}(?!\d|\.\d)",
    "service": r"\b\d{1,3}(?:\.\d{1,3}){3}\b(?::\d+)?|\b[a-z][a-z0-9-]*(?:\.[a-z0-9-]+)*\.(?:consul|internal|example)\b"
    r"(?::\d+)?|\b[a-z][a-z0-9-]+:\d{2,5}\b",
    "path": r"(?<![\w.:/])/[A-Za-z][\w./-]+",
    "image": r"[\w./-]+:[\w.-]*\d[\w.-]*|[a-z]+://\S+|(?<![\w.:/])/[a-z][\w./-]+",
    "key": r"(?<![\w.:/])/?[A-Za-z][\w.-]*(?:[/_.=][\w.-]+)+|\b[A-Z]{3,}_[A-Z_]+\b",
    "memory_mb": r"\b\d{2,6}\b",
}
"""What values of each argument look like in a report."""


@pytest.fixture(scope="module")
def agent() -> Agent:
    return load_agent(find_agent("HEAL_AGENT_PLAIN"))


@pytest.fixture(scope="module")
def evaluations() -> list[Evaluation]:
    return list(load(SUITE, Settings()).evaluations)


@pytest.fixture(scope="module")
def tasks(evaluations: list[Evaluation], agent: Agent) -> list[Task]:
    return suite_tasks(evaluations, agent.output, SUITE)


def best(task: Task) -> dict[str, Any]:
    assert isinstance(task.label, dict)
    return task.label


def argument(task: Task) -> str | None:
    """The name of the case's argument; None for an action without one, or with a free text."""
    return next((name for name in best(task) if name not in ("action", "reason")), None)


def shown(agent: Agent, task: Task) -> str:
    return render_case(agent, task.vars, Templates("strict").render)


def judge(case: Evaluation, answer: Mapping[str, Any]) -> Verdict:
    judged = target(json.dumps(answer), Answer(json.dumps(answer)), case, case.vars, "")
    return asyncio.run(Judge(Templates("empty", {}), cast("Tools", None)).verdict(judged))


def test_it_is_large_enough(tasks: list[Task]):
    unseen = [task for task in tasks if task.split == "test"]
    assert len(tasks) >= 400
    assert len({task.family for task in tasks}) >= 240
    assert len(unseen) >= 150
    assert len({task.family for task in unseen}) >= 80


def test_an_evolution_gets_nothing_of_the_split_test(tasks: list[Task]):
    held_out = {task.family for task in tasks if task.split == "test"}
    given = merge_tasks(tasks, [])
    assert Counter(task.split for task in given).keys() == {"train", "val", "gate"}
    assert held_out & {task.family for task in given} == set()


def test_ci_asks_the_model_about_val_alone(tasks: list[Task]):
    command = re.search(r"suites\.junit\.xml \{posargs:(.*)\}", Path("tox.ini").read_text("utf-8"))
    assert command is not None
    _, *selected = shlex.split(command[1])
    run = [sys.executable, "-m", "pytest", "--collect-only", "-q", SUITE, *selected]
    listed = subprocess.run(run, capture_output=True, text=True, check=True).stdout
    (total,) = re.findall(r"^(\d+)/\d+ tests collected", listed, re.M)
    cases = [line for line in listed.splitlines() if SUITE in line and "::split " not in line]
    assert len(cases) == sum(task.split == "val" for task in tasks) <= int(total)


def test_each_split_has_every_action(tasks: list[Task]):
    for split in ("train", "val", "gate", "test"):
        counts = Counter(best(task)["action"] for task in tasks if task.split == split)
        assert set(counts) == set(actions_schema()["$defs"])


def test_every_right_answer_is_an_action_with_its_arguments(tasks: list[Task]):
    for task in tasks:
        found = read_proposal(task.label)
        assert isinstance(found, Proposal), task.description
        assert found.arguments is not None, task.description


def test_the_agent_reads_the_right_value_and_others_of_its_kind(evaluations: list[Evaluation], agent: Agent, tasks):
    without: list[str] = []
    for task in tasks:
        name = argument(task)
        if name is None:
            continue
        text, given = shown(agent, task), cast("dict[str, Any]", task.test.metadata.get("arguments") or {})
        right = [str(value) for value in given.get(name, [best(task)[name]])]
        if name == "memory_mb":
            assert "memory_mb=" in text, task.description
            continue
        named = [value for value in right if re.sub(r"(\.service\.consul)?(:\d+)?$", "", value) in text]
        others = {value.rstrip(".:`") for value in re.findall(OTHERS[name], text)}
        others = {value for value in others if not any(_is_part(name, value, one) for one in right)}
        without += [f"{task.family}: {best(task)}"] if not (named and others) else []
    assert without == []


def test_the_best_answer_passes_and_others_of_its_kind_fail(evaluations: list[Evaluation], agent: Agent, tasks):
    by_description = {(case.test.description, str(case.test.metadata["family"])): case for case in evaluations}
    for task in tasks:
        case, right = by_description[task.description, task.family], best(task)
        assert judge(case, right).passed, (task.description, judge(case, right).reason)
        other = next(name for name in Action if name != right["action"])
        assert not judge(case, {"action": other}).passed
        name = argument(task)
        if name is not None:
            wrong = {"port": 1, "memory_mb": 11, "path": "/", "service": "other.example:1"}.get(name, "other-value")
            assert not judge(case, {**right, name: wrong}).passed, task.description


@pytest.mark.parametrize(
    ("action", "name", "given", "right", "wrong"),
    [
        ("wait_dependency", "service", ["db.service.consul:5432"], ["db:5432", "DB.service.consul", "db"], ["db:5433"]),
        ("wait_dependency", "service", ["127.0.0.1:1883"], ["127.0.0.1:1883"], ["127.0.0.1", "127.0.0.1:1884"]),
        ("wait_dependency", "service", ["10.0.0.5:80", "web"], ["web:80", "10.0.0.5"], ["10.0.0.6:80", "webs"]),
        ("free_disk", "path", ["/var/lib/x", "/var/lib/x/a/b"], ["/var/lib/x", "/var/lib/x/a/", "/var/lib/x/a/b"],
         ["/var/lib", "/", "/var/lib/x/a/b/c", "/var/lib/xy"]),
        ("increase_memory", "memory_mb", [600, 2048], [600, 1024, 2048], [599, 2049]),
        ("fix_config", "key", ["a_b", "/etc/x.conf"], ["a_b", "/etc/x.conf"], ["x.conf", "a"]),
        ("fix_image", "image", ["r/x:1"], ["r/x:1"], ["r/x:2", "r/x"]),
    ],
)  # fmt: skip
def test_each_argument_has_its_own_check(evaluations: list[Evaluation], action, name, given, right, wrong):
    found = next(case for case in evaluations if case.test.metadata["accepted"][0]["action"] == action)  # type: ignore
    labels = {"accepted": [{"action": action, name: given[0]}], "arguments": {name: given}, "forbidden": []}
    case = _relabelled(found, labels)
    assert [value for value in right if not judge(case, {"action": action, name: value}).passed] == []
    assert [value for value in wrong if judge(case, {"action": action, name: value}).passed] == []


def test_a_forbidden_action_is_harmful_whatever_its_arguments(evaluations: list[Evaluation]):
    labels = {"accepted": [{"action": "free_port", "port": 80}], "forbidden": [{"action": "increase_memory"}]}
    verdict = judge(_relabelled(evaluations[0], labels), {"action": "increase_memory", "memory_mb": 512})
    assert [part.passed for part in verdict.components] == [True, False, False, False]


def test_suite_and_agents_have_the_schema_of_the_actions(evaluations: list[Evaluation], agent: Agent):
    wanted = [_bare(one) for one in actions_schema()["$defs"].values()]
    assert agent.output == {"anyOf": wanted}
    assert load_agent(find_agent("HEAL_AGENT")).output == {"anyOf": wanted}
    assert evaluations[0].test.requirements[0].value == {"anyOf": wanted}  # type: ignore[union-attr]


def _is_part(name: str, value: str, right: str) -> bool:
    if name in ("port", "image"):
        return value == right
    if name == "path":
        return value.startswith(right) or right.startswith(value)
    return value in right or right in value


def _relabelled(case: Evaluation, labels: Mapping[str, Any]) -> Evaluation:
    return replace(case, test=replace(case.test, metadata={**case.test.metadata, **labels}))


def _bare(schema: Any) -> Any:
    """A part of the schema without what only people read."""
    if isinstance(schema, dict):
        return {key: _bare(part) for key, part in schema.items() if key not in ("description", "title")}
    return [_bare(part) for part in schema] if isinstance(schema, list) else schema
