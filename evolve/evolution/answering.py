"""Candidates' answers, and those of the lookup that asks no model, as events."""

import json
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Sequence

from evolve.core.model.answers import TokenUsage
from evolve.core.model.evolution_events import VOTE, CandidateScored, EvolutionEvent, RolloutScored
from evolve.core.model.gate import TokensPerAnswer
from evolve.core.search.lookup import Lookup
from evolve.core.search.population import Candidate
from evolve.core.search.tasks import Score, Task
from evolve.evolution.budget import first_within
from evolve.evolution.rollouts import Fetched, Rollout, Rollouts


class Answering:
    """Asks candidates and the lookup about cases.

    Args:
        shown: a case as people, reflectors and lookups see it.
        lookup: the answer without a model; None where the agent's answers are not a closed set.
    """

    def __init__(self, rollouts: Rollouts, shown: Callable[[Task], str], lookup: Lookup | None) -> None:
        self.rollouts = rollouts
        self.shown = shown
        self.lookup = lookup
        self.cut: Counter[str] = Counter()
        """Answers that ended at the token limit, by candidate."""
        self._tokens: dict[str, dict[str, int]] = {}
        """Of each answer, by candidate and case."""

    async def answers(self, candidate: Candidate, tasks: Sequence[Task]) -> AsyncGenerator[EvolutionEvent, None]:
        """Yield the candidate's answers to the cases that it has not answered yet, as far as the budget goes."""
        new = [task for task in tasks if task.id not in candidate.scores]
        for done in await self.rollouts.many(candidate.genome, new):
            self._keep(candidate, done)
            yield self._scored(candidate.id, done)

    def counted(self, candidate: Candidate, answers: Iterable[Fetched]) -> Iterator[EvolutionEvent]:
        """Count answers that a trial fetched against the budget, and yield them."""
        for done in map(self.rollouts.count, answers):
            self._keep(candidate, done)
            yield self._scored(candidate.id, done)

    def _keep(self, candidate: Candidate, done: Rollout) -> None:
        candidate.scores[done.task.id] = done.score
        self.cut[candidate.id] += done.is_cut
        self._tokens.setdefault(candidate.id, {})[done.task.id] = done.length

    def tokens(self, first: Candidate, second: Candidate, cases: Iterable[str] | None = None) -> TokensPerAnswer:
        """Return what two candidates need for an answer, on the cases (of those named) that both answered."""
        mine, theirs = self._tokens.get(first.id, {}), self._tokens.get(second.id, {})
        both = [case for case in (mine if cases is None else cases) if case in mine and case in theirs]
        means = (sum(known[case] for case in both) / len(both) if both else 0.0 for known in (mine, theirs))
        return TokensPerAnswer(*means)

    def affordable(self, candidates: Sequence[Candidate], tasks: Sequence[Task], left: float) -> list[Task]:
        """Return as many of the first cases as `left` pays for by all candidates; known answers are free."""
        needs = (sum(self.rollouts.needs(candidate.genome, task) for candidate in candidates) for task in tasks)
        return list(tasks[: first_within(left, needs)])

    def vote(self, tasks: Sequence[Task]) -> Iterator[EvolutionEvent]:
        """Yield the lookup's answers to the cases that have a label; nothing without a lookup."""
        if self.lookup is None:
            return
        spent = self.rollouts.budget.spent
        scored = [(task, self._looked_up(self.lookup, task)) for task in tasks if task.accepted]
        for task, score in scored:
            done = Rollout(task, score, True, TokenUsage(), 0.0, spent, used=self.rollouts.budget.used)
            yield self._scored(VOTE, done)
        if scored:
            mean = sum(score.value for _, score in scored) / len(scored)
            yield CandidateScored(VOTE, tasks[0].split, len(scored), mean, reason="no model was asked")

    def _looked_up(self, lookup: Lookup, task: Task) -> Score:
        found = lookup(self.shown(task), task.family)
        output = json.loads(found) if found else None
        is_right = output in task.accepted
        expected = " or ".join(json.dumps(answer, ensure_ascii=False) for answer in task.accepted)
        reason = "right" if is_right else f"expected {expected}, the lookup answered {found or 'nothing'}"
        return Score(float(is_right), is_right, reason, output, task.is_harmful(output))

    def _scored(self, candidate: str, done: Rollout) -> RolloutScored:
        score = done.score
        return RolloutScored(
            candidate,
            done.task.id,
            done.task.split,
            score.value,
            score.passed,
            score.is_harmful,
            score.reason,
            score.output,
            is_free=done.is_free,
            tokens=done.tokens,
            seconds=done.seconds,
            spent=done.spent,
            used=0.0 if self.rollouts.budget.unit == "answers" else done.used,
        )
