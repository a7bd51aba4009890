"""The trial of one child: a screen, then a race in growing blocks. Several children are tried at once.

A child that a person wrote has no screen: there are few of them, and six cases would drop a good one by chance.

What a trial asks and decides depends on the child's own answers and on what was known when it was proposed, never on
its neighbours. So trials may run in any order and at once; the loop takes their results in the order of proposal.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from evolve.core.search.collapse import collapse
from evolve.core.search.population import Candidate
from evolve.core.search.race import RaceDecision, blocks, screen_candidate, still_racing
from evolve.core.search.tasks import Task
from evolve.evolution.budget import Rates
from evolve.evolution.rollouts import Fetched, Rollouts


@dataclass(slots=True)
class Trial:
    """One child under trial, and at its end what it answered.

    Args:
        child: its scores are filled in while it runs; nobody else reads them before the trial is over.
        parent: where it came from.
        leader: the best candidate when it was proposed.
        screen: cases that the parent has answered; none for a child that goes straight into the race.
        race: all cases of the race.
        allowance: what it may use at most, in the unit of the budget.
        rates: what an answer uses at most, by what was known when it was proposed.
        tokens_below: the child must need fewer for an answer; None for a search that does not look at them.
    """

    child: Candidate
    parent: Candidate
    leader: Candidate
    screen: Sequence[Task]
    race: Sequence[Task]
    allowance: float
    rates: Rates
    tokens_below: float | None = None
    answers: list[Fetched] = field(default_factory=list)
    screened: int = 0
    """How many of the answers are the screen's."""
    decision: RaceDecision | None = None
    """Of the screen; without one None, unless nothing could be asked."""
    last: RaceDecision | None = None
    """Of the race; None for a child that did not enter it."""

    async def run(self, rollouts: Rollouts) -> None:
        """Ask and decide, until the child is dropped or the race is over."""
        if self.screen:
            await self._ask(rollouts, self.screen)
            self.screened = len(self.answers)
            done = [task for task in self.screen if task.id in self.child.scores]
            self.decision = self._screen_decision(done)
            if not self.decision.kept:
                return
        for size in blocks(len(self.race)):
            block = self.race[:size]
            await self._ask(rollouts, block)
            if not self.answers:
                self.decision = RaceDecision(False, "what is left of the budget pays for none of its answers")
                return
            self.last = self._race_decision()
            if not self.last.kept or any(task.id not in self.child.scores for task in block):
                break

    async def _ask(self, rollouts: Rollouts, tasks: Sequence[Task]) -> None:
        # In rounds: what answers did not use of the most that they could pays for others.
        while new := self._affordable(rollouts, tasks):
            for done in await rollouts.fetch(self.child.genome, new):
                self.answers.append(done)
                self.child.scores[done.task.id] = done.score

    def _affordable(self, rollouts: Rollouts, tasks: Sequence[Task]) -> list[Task]:
        new = [task for task in tasks if task.id not in self.child.scores]
        left = self.allowance - sum(done.used(self.rates) for done in self.answers)
        return rollouts.within(self.child.genome, new, left, self.rates)

    def _screen_decision(self, done: Sequence[Task]) -> RaceDecision:
        if self.tokens_below is None:
            return screen_candidate(self.child, self.parent, done)
        costly = self._why_costly()
        return (
            RaceDecision(False, costly) if costly else screen_candidate(self.child, self.parent, done, needs_fix=False)
        )

    def _why_costly(self) -> str:
        """Why the child needs too many tokens for an answer; empty if it does not, or nobody looks at them."""
        if self.tokens_below is None:
            return ""
        tokens = sum(answer.received.answer.tokens.total for answer in self.answers) / max(1, len(self.answers))
        if tokens < self.tokens_below:
            return ""
        return f"{tokens:,.0f} tokens for an answer, its parent {self.tokens_below:,.0f}"

    def _race_decision(self) -> RaceDecision:
        fault = collapse(self.race, self.child.scores, self.parent.scores)
        if not fault and not self.screen:
            fault = self._why_costly()
        return RaceDecision(False, fault) if fault else still_racing(self.child, self.leader, self.race)


class Trials:
    """Runs trials, so many at once that the questions in flight are enough for the endpoint.

    A model with one slot keeps the beginning of one prompt in its cache: there children take turns.
    """

    def __init__(self, rollouts: Rollouts) -> None:
        self._rollouts = rollouts
        self._turns = asyncio.Semaphore(max(1, rollouts.concurrency // 2))
        self.running: deque[tuple[Trial, asyncio.Task[None]]] = deque()
        """In the order of proposal; a trial stays here until its result is taken."""

    @property
    def promised(self) -> float:
        """What those running may use together, at most."""
        return sum(trial.allowance for trial, _ in self.running)

    def start(self, trial: Trial) -> None:
        """Start a trial."""
        self.running.append((trial, asyncio.ensure_future(self._run(trial))))

    async def first(self) -> Trial:
        """Return the trial that was started first, when it is over.

        Raises:
            EnvironmentFault: the endpoint failed.
        """
        trial, task = self.running[0]
        await task
        self.running.popleft()
        return trial

    async def close(self) -> None:
        """End what is still running."""
        for _, task in self.running:
            task.cancel()
        await asyncio.gather(*(task for _, task in self.running), return_exceptions=True)

    async def _run(self, trial: Trial) -> None:
        async with self._turns:
            await trial.run(self._rollouts)
