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


_LOOK = 6
"""Cases after which finalists that are behind leave: two that differ by little are worth the same at the gate."""


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

    async def events(self, incumbent: Candidate, *finalists: Candidate) -> AsyncGenerator[EvolutionEvent, None]:
        """Let finalists and incumbent answer the same cases, as many as the budget pays for now.

        A finalist that falls behind the best of them is asked no more: what it would have cost pays for further cases
        of the others.
        """
        asked: list[Task] = []
        racing = [*finalists]
        # In rounds: what answers did not use of the most that they could pays for others.
        while cases := self._affordable([incumbent, *racing], self._cases[len(asked) :])[: self._block(len(racing))]:
            asked += cases
            fetch = self._answering.rollouts.fetch
            everybody = [incumbent, *racing]
            fetched = await asyncio.gather(*(fetch(candidate.genome, cases) for candidate in everybody))
            for candidate, answers in zip(everybody, fetched, strict=True):
                for event in self._answering.counted(candidate, answers):
                    yield event
            racing = self._still_racing(racing, asked)
        for voted in self._answering.vote(asked):
            yield voted
        for candidate in (incumbent, *finalists) if asked else ():
            own = [task.id for task in asked if task.id in candidate.scores]
            yield CandidateScored(candidate.id, "val", len(own), candidate.plain_mean(own))

    def _affordable(self, everybody: Sequence[Candidate], cases: Sequence[Task]) -> list[Task]:
        return self._answering.affordable(everybody, cases, self._answering.rollouts.budget.left)

    def _block(self, racing: int) -> int:
        """Cases until the next look: a lone finalist is not looked at, for nobody gains by its end."""
        return _LOOK if racing > 1 else len(self._cases)

    @staticmethod
    def _still_racing(racing: Sequence[Candidate], asked: Sequence[Task]) -> list[Candidate]:
        """The finalists that are not behind the best of them."""
        names = [task.id for task in asked]
        best = max(one.mean(names) for one in racing)
        return [one for one in racing if one.mean(names) >= best]

    def choose(self, incumbent: Candidate, finalists: Sequence[Candidate]) -> Candidate:
        """Return the best of those that stayed to val's end, the earlier of equals; without val the best on train."""
        prior = incumbent.mean()
        last = max(len(self._compared(incumbent, one)) for one in finalists)
        stayed = [one for one in finalists if len(self._compared(incumbent, one)) == last]

        def worth(one: Candidate) -> tuple[float, float, int]:
            return one.mean(self._compared(incumbent, one)) if last else 0.0, one.cautious_mean(prior), -one.number

        return max(stayed, key=worth)

    def why_behind(self, incumbent: Candidate, winner: Candidate, margin: float = 0.0) -> str:
        """Return why the winner does not enter the gate; empty where it is not behind the current agent on val.

        One that is level enters: val is small, and of gains of 15 points a fifth is level or behind there.

        Args:
            incumbent: the current agent.
            winner: the best candidate.
            margin: it may be so much behind.
        """
        both = self._compared(incumbent, winner)
        own, other = winner.mean(both), incumbent.mean(both)
        if not both or own >= other - margin:
            return ""
        cases = count(len(both), "val case")
        return f"the best candidate is behind the current agent on {cases} ({own:.2f} to {other:.2f})"

    def _compared(self, incumbent: Candidate, finalist: Candidate) -> list[str]:
        return [task.id for task in self._cases if task.id in incumbent.scores and task.id in finalist.scores]
