"""The tasks of `evolve_beyond.py`: an agent, its suite, the cases that arms learn from and those that judge them."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from beyond_suites import made_suite
from evolve_splits import Outcome

from evolve.core.evaluation.agent_prompts import search_key
from evolve.core.evaluation.judging import Judge, target
from evolve.core.evaluation.scratch import drop_scratch
from evolve.core.formats.json_text import json_or
from evolve.core.model.agents import Agent
from evolve.core.model.answers import Answer
from evolve.core.model.errors import InputError, Problem
from evolve.core.model.json_value import JsonValue
from evolve.core.model.suite import Evaluation, Prompt, ProviderSpec
from evolve.core.search.task_list import suite_tasks
from evolve.core.search.tasks import Task
from evolve.core.templating.templates import Templates
from evolve.evaluation.setup import LoadedSuite, Settings, load, tools_for
from evolve.store.agent_files import write_agent
from evolve.store.agents import find_agent, load_agent, load_demos
from evolve.store.answers import NoAnswers

ROOT = Path(__file__).resolve().parent.parent
RENDER = Templates("strict").render
_ROOM = 40
"""Tokens: a small model writes an answer of one short field over three lines, in up to 20 of them."""
_MADE = {"bfcl": "BFCL_AGENT.md", "gsm_symbolic": "GSM_AGENT.md"}
"""Task whose suite is made from a test source: its agent, next to this file."""
_SHIPPED = {
    "twin": ("suites/agents/twin.yaml", "TWIN_AGENT_PLAIN"),
    "heal": ("suites/agents/heal.yaml", "HEAL_AGENT_PLAIN"),
}
"""Task: its suite, and the plain agent where every search begins."""
TASKS = (*_SHIPPED, *_MADE)


@dataclass(frozen=True, slots=True)
class Judged:
    """What an output is worth."""

    passed: bool
    score: float
    reason: str
    is_harmful: bool


class BenchmarkTask:
    """One task, loaded; opening it asks no model.

    Args:
        name: of the task.
        suite: its suite.
        start: the plain agent; it is copied.
        folder: gets the copy, which has room for a whole answer.
    """

    def __init__(self, name: str, suite: Path, start: Path, folder: Path) -> None:
        self.name, self.suite = name, suite
        self.agent_file = _with_room(start, folder)
        self.agent: Agent = load_agent(self.agent_file)
        self._loaded: LoadedSuite = load(str(suite), Settings(agent=str(self.agent_file)), agent=self.agent)
        cases = suite_tasks(self._loaded.evaluations, self.agent.output, str(suite))
        by_split: dict[str, list[Task]] = {}
        for case in cases:
            by_split.setdefault(case.split, []).append(case)
        self.train: Sequence[Task] = by_split.get("train", [])
        self.val: Sequence[Task] = by_split.get("val", [])
        self.held_out: Sequence[Task] = by_split.get("test", [])
        """The cases of `split: test`, which neither search nor gate reads."""
        if not self.held_out:
            raise InputError(Problem(f"{suite}: no case has `split: test`, so nothing can judge the arms"))
        self._judge: Judge | None = None

    def shown(self, case: Task) -> str:
        """Return the case as lookups and other libraries see it."""
        return search_key(self.agent, case.vars, RENDER)

    async def judged(self, case: Task, output: JsonValue, scratch: Sequence[str] = ()) -> Judged:
        """Return what an output is worth by the suite's own assertions.

        Args:
            case: the case that was answered.
            output: the text of a model, or a value that no model gave.
            scratch: fields that are dropped before.
        """
        if self._judge is None:
            tools, _ = tools_for(self._loaded, Settings(), NoAnswers())
            self._judge = Judge(self._loaded.templates, tools)
        kept = drop_scratch(output, scratch)
        answer = Answer(kept)
        evaluation = Evaluation(case.description, case.test, case.vars, Prompt("", ""), ProviderSpec("echo"), 0, 0)
        verdict = await self._judge.verdict(target(kept, answer, evaluation, case.vars, ""))
        if verdict.error and verdict.metadata.get("errorKind") == "input":
            raise InputError(Problem(f"{case.description}: {verdict.error}"))
        value = json_or(kept, kept) if isinstance(kept, str) else kept
        return Judged(verdict.passed, verdict.score, verdict.reason, any(_is(value, one) for one in case.forbidden))

    async def outcome(self, case: Task, output: JsonValue, scratch: Sequence[str] = ()) -> Outcome:
        """Return an output's worth in the words of the tables; as `judged`."""
        found = await self.judged(case, output, scratch)
        text = output if isinstance(output, str) or output is None else str(output)
        group = str(case.test.metadata.get("group", ""))
        return Outcome(case.family, text, found.passed, found.is_harmful, group)

    def first(self, cases: Sequence[Task], size: int | None) -> list[Task]:
        """Return at most `size` cases: one of each family in turn, in the suite's order; None for all."""
        seen: dict[str, int] = {}
        numbered = []
        for case in cases:
            seen[case.family] = seen.get(case.family, 0) + 1
            numbered.append((seen[case.family], case))
        return [case for _, case in sorted(numbered, key=lambda item: item[0])][:size]


def open_task(name: str, folder: Path) -> BenchmarkTask:
    """Return the task of a name.

    Args:
        name: of `TASKS`.
        folder: gets suites that are made here.

    Raises:
        InputError: its suite or agent is not here, or has no cases that judge.
    """
    if name in _MADE:
        start = Path(__file__).parent / "beyond_agents" / _MADE[name]
        return BenchmarkTask(name, made_suite(name, folder), start, folder)
    suite, agent = _SHIPPED[name]
    return BenchmarkTask(name, ROOT / suite, find_agent(agent), folder)


def _with_room(start: Path, folder: Path) -> Path:
    """Copy the plain agent, without evidence and with at least `_ROOM` tokens for an answer, and return the copy.

    With fewer, long answers are cut, and any arm that gives them more room wins by that alone.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for schema in start.parent.glob("*.schema.json"):
        shutil.copy(schema, folder)
    agent = load_agent(start)
    limit = agent.sampling.get("max_tokens")
    sampling = {**agent.sampling, "max_tokens": max(_ROOM, limit if isinstance(limit, int) else 0)}
    copy = folder / start.name
    write_agent(copy, replace(agent, evidence=None, sampling=sampling), load_demos(agent, start), RENDER)
    return copy


def _is(value: JsonValue, forbidden: JsonValue) -> bool:
    """Return whether a value is a forbidden answer; a mapping is, with further arguments or without."""
    if isinstance(value, dict) and isinstance(forbidden, dict):
        return all(value.get(key) == part for key, part in forbidden.items())
    return value == forbidden
