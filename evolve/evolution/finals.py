"""Who enters the gate: the split `val` chooses between the best candidates and the current agent."""

import asyncio
from collections.abc import AsyncGenerator, Sequence

from evolve.core.model.evolution_events import CandidateScored, EvolutionEvent
from evolve.core.search.population import Candidate
from evolve.core.search.samples import sample
from evolve.core.search.tasks import Task
from evolve.core.text.counts import count
from evolve.evolution.answering import Answering

FINALISTS = 2
"""The split `val` chooses between so many: with more, each would get too few answers to tell them apart."""


class Finals:
    """The finals of one run.

    Args:
        answering: asks the candidates.
        tasks: all cases; those of the val split are used.
        seed: chooses among them where the budget does not pay for all.
    """

    def __init__(self, answering: Answering, tasks: Sequence[Task], *, seed: int) -> None:
        self._answering = answering
        scored = [task for task in tasks if task.split == "val" and task.is_scored]
        self._cases = sample(scored, len(scored), seed=seed)

    @property
    def wanted(self) -> int:
        """Answers that the finals would pay for if the ledger had none."""
        return (FINALISTS + 1) * len(self._cases)

    async def events(self, *everybody: Candidate) -> AsyncGenerator[EvolutionEvent, None]:
        """Let finalists and incumbent answer the same cases, as many as the budget pays for now."""
        asked: list[Task] = []
        # In rounds: what answers did not use of the most that they could pays for others.
        while cases := self._affordable(everybody, self._cases[len(asked) :]):
            asked += cases
            fetch = self._answering.rollouts.fetch
            fetched = await asyncio.gather(*(fetch(candidate.genome, cases) for candidate in everybody))
            for candidate, answers in zip(everybody, fetched, strict=True):
                for event in self._answering.counted(candidate, answers):
                    yield event
        for voted in self._answering.vote(asked):
            yield voted
        for candidate in everybody if asked else ():
            own = [task.id for task in asked if task.id in candidate.scores]
            yield CandidateScored(candidate.id, "val", len(own), candidate.plain_mean(own))

    def _affordable(self, everybody: Sequence[Candidate], cases: Sequence[Task]) -> list[Task]:
        return self._answering.affordable(everybody, cases, self._answering.rollouts.budget.left)

    def choose(self, incumbent: Candidate, finalists: Sequence[Candidate]) -> Candidate:
        """Return the best on val, the earlier of equals; without val cases the best on train."""
        both = self._compared(incumbent, finalists)
        prior = incumbent.mean()
        return max(finalists, key=lambda c: (c.mean(both) if both else 0.0, c.cautious_mean(prior), -c.number))

    def why_behind(self, incumbent: Candidate, winner: Candidate, margin: float = 0.0) -> str:
        """Return why the winner does not enter the gate; empty where it is not behind the current agent on val.

        Args:
            incumbent: the current agent.
            winner: the best candidate.
            margin: it may be so much behind.
        """
        both = self._compared(incumbent, [winner])
        own, other = winner.mean(both), incumbent.mean(both)
        if not both or own >= other - margin:
            return ""
        cases = count(len(both), "val case")
        return f"the best candidate is behind the current agent on {cases} ({own:.2f} to {other:.2f})"

    def _compared(self, incumbent: Candidate, finalists: Sequence[Candidate]) -> list[str]:
        return [task.id for task in self._cases if all(task.id in one.scores for one in (incumbent, *finalists))]
