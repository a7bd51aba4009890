"""Settles new failure cases before they drive anything: real or flaky, and as small as they get."""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace

from evolve.core.cases.failure_case import FailureCase
from evolve.core.cases.fingerprint import normalised
from evolve.core.cases.settling import settled
from evolve.core.evaluation.agent_prompts import render_agent, search_key
from evolve.core.model.evolution_events import CaseRecorded
from evolve.core.model.json_value import JsonValue
from evolve.core.search.genome import Genome, incumbent_of
from evolve.core.search.lookup import Lookup
from evolve.core.search.tasks import Task
from evolve.core.templating.templates import Templates
from evolve.evaluation.setup import Settings, opened_provider
from evolve.evolution.inputs import Material, Wish
from evolve.evolution.rollouts import Budget, Rollouts
from evolve.evolution.setup import as_searched, lookups, rollouts_for
from evolve.store.agents import load_bank
from evolve.store.case_files import CaseFolder, StoredCase
from evolve.store.ledger import SqliteLedger

_Sense = Callable[[Mapping[str, JsonValue]], bool]


async def settle_cases(
    wish: Wish, material: Material, settings: Settings, provider: str
) -> tuple[list[CaseRecorded], int]:
    """Asks the agent again about each open case that was not settled yet, and writes what came of it.

    Returns:
        What became of them, and the answers that were bought.

    Raises:
        EnvironmentFault: the endpoint failed; cases that were settled before it stay so.
    """
    events: list[CaseRecorded] = []
    async with AsyncExitStack() as held:
        templates = Templates("strict")
        ledger, opened = SqliteLedger(settings.cache_dir), opened_provider(provider, settings, templates)
        for resource in (ledger, opened):
            held.push_async_callback(resource.close)
        budget = Budget(wish.shrink_budget)
        run = f"settling:{material.agent.title}"
        rollouts = rollouts_for(
            wish, material, settings, run=run, provider=opened, ledger=ledger, budget=budget, held=held
        )
        settler = _Settler(material, rollouts, templates)
        for stored in material.cases:
            if stored.case.drives_evolution and not stored.case.is_settled and budget.left > 0:
                event = await settler.settle(stored)
                if event is not None:
                    events.append(event)
        return events, budget.spent


class _Settler:
    """Settles one case after another."""

    def __init__(self, material: Material, rollouts: Rollouts, templates: Templates) -> None:
        self._agent, self._rollouts, self._render = material.agent, rollouts, templates.render
        self._genome = incumbent_of(material.agent)
        self._tasks = {task.file: task for task in material.tasks if task.file}
        self._view = as_searched(material.agent)
        self._bank = load_bank(material.agent, material.agent_path, self._render)
        self._lookup = self._learned(material.tasks)

    async def settle(self, stored: StoredCase) -> CaseRecorded | None:
        """What became of a case; None when it stays as it was."""
        task = self._tasks.get(str(stored.path))
        if task is None:
            return None
        fails = _Fails(self._rollouts, self._genome, task, self._keeps_its_sense(task))
        found = await settled(
            stored.case, fails, max_questions=self._rollouts.budget.left, render=lambda vars: self._prompt(task, vars)
        )
        folder = CaseFolder(stored.path.parent)
        case = folder.update(stored.path, lambda now: _merged(now, stored.case, found.case))
        if not found.change or (case.vars, case.status) != (found.case.vars, found.case.status):
            return None
        return CaseRecorded(str(stored.path), case.fingerprint, case.agent, case.status, found.change)

    def _keeps_its_sense(self, task: Task) -> _Sense:
        """What a smaller case must still say: the lookup must not turn away from the right answer.

        Else the smallest report that fails is an empty one, whose label would be a lie.
        """
        lookup = self._lookup
        if lookup is None:
            return lambda _: not task.accepted

        right = [json.dumps(answer, ensure_ascii=False) for answer in task.accepted]

        def holds(vars: Mapping[str, JsonValue]) -> bool:
            return lookup(search_key(self._view, vars, self._render), task.family) in right

        return holds

    def _prompt(self, task: Task, vars: Mapping[str, JsonValue]) -> str:
        return render_agent(self._agent, vars, self._bank, self._render, family=task.family).text

    def _learned(self, tasks: Sequence[Task]) -> Lookup | None:
        labelled = [task for task in tasks if task.split == "train" and task.label is not None]
        keys = {task.id: search_key(self._view, task.vars, self._render) for task in labelled}
        return lookups(labelled, keys)[1]


def _merged(now: FailureCase, read: FailureCase, found: FailureCase) -> FailureCase:
    """The case with what was found of it; as it is now where a person has changed it since it was read."""
    if now != read:
        return now
    return replace(now, vars=found.vars, prompt=found.prompt, status=found.status, is_settled=found.is_settled)


class _Fails:
    """Whether vars fail as the case's own did at its first try."""

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
        message = normalised(done[0].score.reason)
        self._first = self._first or message
        return message == self._first
