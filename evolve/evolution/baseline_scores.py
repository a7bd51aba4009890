"""The baselines without a model on the gate's cases: no answer is paid for."""

from collections.abc import Sequence

from evolve.core.model.gate import BeyondLookup
from evolve.core.search.baselines import Baseline, Solved, baselines
from evolve.core.search.beyond import beyond_lookup
from evolve.core.search.population import Candidate
from evolve.core.search.tasks import Task
from evolve.evolution.answering import Answering


class Baselines:
    """What train cases teach without a model, compared with a winner.

    Args:
        answering: shows cases and scores outputs.
        tasks: all cases; those of the train split teach.
    """

    def __init__(self, answering: Answering, tasks: Sequence[Task]) -> None:
        self._answering = answering
        self._train = [task for task in tasks if task.split == "train"]

    async def compare(
        self, tasks: Sequence[Task], winner: Candidate, known: Sequence[Candidate]
    ) -> BeyondLookup | None:
        """Return what the winner is worth beyond the best baseline on these cases; None without a baseline.

        Args:
            tasks: the gate's cases.
            winner: it has answered them.
            known: whose passing answers to train cases teach, where no right answer is named.
        """
        asked = [task for task in tasks if task.id in winner.scores]
        solved = [found for task in self._train if (found := self._solved(task, known))]
        rivals = {baseline.name: await self._scores(baseline, asked) for baseline in baselines(solved)}
        own = {task.id: winner.scores[task.id].value for task in asked}
        return beyond_lookup(own, rivals, {task.id: task.family for task in asked})

    def _solved(self, task: Task, known: Sequence[Candidate]) -> Solved | None:
        text = self._answering.shown(task)
        if task.label is not None:
            return Solved(text, task.label, task.family)
        scores = [one.scores[task.id] for one in known if task.id in one.scores]
        passed = next((score for score in scores if score.passed), None)
        return None if passed is None else Solved(text, passed.output, task.family)

    async def _scores(self, baseline: Baseline, tasks: Sequence[Task]) -> dict[str, float]:
        found: dict[str, float] = {}
        for task in tasks:
            answer = baseline.answer(self._answering.shown(task))
            score = await self._answering.rollouts.score_output(task, answer)
            if score is not None:
                found[task.id] = score.value
        return found
