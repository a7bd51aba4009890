"""Settles new failure cases before they are used: real or flaky, and as small as possible."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import NamedTuple

from evolve.core.cases.failure_case import FailureCase
from evolve.core.cases.fingerprint import normalise
from evolve.core.cases.settling import settle
from evolve.core.evaluation.agent_prompts import render_agent
from evolve.core.evolution.request import EvolutionRequest
from evolve.core.model.evolution_events import CaseRecorded
from evolve.core.model.json_value import JsonValue
from evolve.core.search.case_index import CaseIndex
from evolve.core.search.genome import Genome, incumbent_of
from evolve.core.search.tasks import Task
from evolve.core.templating.templates import Templates
from evolve.evolution.budget import Budget
from evolve.evolution.inputs import EvolutionInputs
from evolve.evolution.rollouts import Rollouts
from evolve.evolution.setup import Resources, rollouts_for
from evolve.store.agents import load_bank
from evolve.store.case_files import CaseFolder, StoredCase

_Sense = Callable[[Mapping[str, JsonValue]], bool]


class SettledCases(NamedTuple):
    """What happened to new cases, and the answers that were paid for it."""

    events: tuple[CaseRecorded, ...]
    paid: int


async def settle_cases(
    request: EvolutionRequest, inputs: EvolutionInputs, opened: Resources, index: CaseIndex
) -> SettledCases:
    """Ask the agent again about each open case that was not settled yet, and write the result into its file.

    Args:
        request: what was asked for; `shrink_budget` limits the answers.
        inputs: agent and cases.
        opened: who answers, and where answers are stored.
        index: of the inputs' cases.

    Raises:
        EnvironmentFault: the endpoint failed; cases that were settled before it stay settled.
    """
    budget = Budget(request.shrink_budget)
    rollouts = rollouts_for(request, inputs, opened, run=f"settling:{inputs.agent.title}", budget=budget)
    settler = _Settler(inputs, rollouts, opened.templates, index)
    events = []
    for stored in inputs.cases:
        if stored.case.drives_evolution and not stored.case.is_settled and budget.left > 0:
            event = await settler.settle(stored)
            if event is not None:
                events.append(event)
    return SettledCases(tuple(events), budget.spent)


class _Settler:
    """Settles one case after another."""

    def __init__(self, inputs: EvolutionInputs, rollouts: Rollouts, templates: Templates, index: CaseIndex) -> None:
        self._agent, self._rollouts, self._render = inputs.agent, rollouts, templates.render
        self._genome = incumbent_of(inputs.agent)
        self._tasks = {task.file: task for task in inputs.tasks if task.file}
        self._bank = load_bank(inputs.agent, inputs.agent_path, self._render)
        self._index = index

    async def settle(self, stored: StoredCase) -> CaseRecorded | None:
        """Return what happened to a case; None when it did not change."""
        task = self._tasks.get(str(stored.path))
        if task is None:
            return None
        fails = _Fails(self._rollouts, self._genome, task, self._keeps_its_sense(task))
        left = int(self._rollouts.budget.left)
        found = await settle(stored.case, fails, max_questions=left, render=lambda vars: self._prompt(task, vars))
        folder = CaseFolder(stored.path.parent)
        case = folder.update(stored.path, lambda now: _merge(now, stored.case, found.case))
        if not found.change or (case.vars, case.status) != (found.case.vars, found.case.status):
            return None
        return CaseRecorded(str(stored.path), case.fingerprint, case.agent, case.status, found.change)

    def _keeps_its_sense(self, task: Task) -> _Sense:
        """What a smaller case must keep: the lookup must still find the right answer.

        Otherwise the smallest report that fails is an empty one, and its label would be wrong.
        """
        lookup = self._index.lookup
        if lookup is None:
            return lambda _: not task.accepted

        right = [json.dumps(answer, ensure_ascii=False) for answer in task.accepted]

        def holds(vars: Mapping[str, JsonValue]) -> bool:
            return lookup(self._index.key(vars), task.family) in right

        return holds

    def _prompt(self, task: Task, vars: Mapping[str, JsonValue]) -> str:
        return render_agent(self._agent, vars, self._bank, self._render, family=task.family).text


def _merge(now: FailureCase, read: FailureCase, found: FailureCase) -> FailureCase:
    """The case with what was found about it; unchanged where a person has edited it since it was read."""
    if now != read:
        return now
    return replace(now, vars=found.vars, prompt=found.prompt, status=found.status, is_settled=found.is_settled)


class _Fails:
    """Whether vars fail in the same way as the case did at its first try."""

    def __init__(self, rollouts: Rollouts, genome: Genome, task: Task, keeps_its_sense: _Sense) -> None:
        self._rollouts, self._genome, self._task = rollouts, genome, task
        self._keeps_its_sense = keeps_its_sense
        self._first: str | None = None

    async def __call__(self, vars: Mapping[str, JsonValue], repeat: int) -> bool:
        if vars != self._task.vars and not self._keeps_its_sense(vars):
            return False
        done = await self._rollouts.many(self._genome, [replace(self._task, vars=vars)], repeat=repeat)
        if not done or done[0].score.passed:
            return False
        message = normalise(done[0].score.reason)
        self._first = self._first or message
        return message == self._first
