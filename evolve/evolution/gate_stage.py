"""The last stage of a run: incumbent and winner answer the gate's cases, and the gate decides."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from functools import partial
from typing import Protocol

from evolve.core.model.evolution_events import CandidateScored, EvolutionEvent, GateDecided, GateStarted, RolloutScored
from evolve.core.model.gate import GateDecision, Lane, Pair
from evolve.core.search.cheaper import decide_cheaper
from evolve.core.search.gate import decide
from evolve.core.search.gate_size import families_to_prove, small_gate
from evolve.core.search.population import Candidate
from evolve.core.search.samples import sample
from evolve.core.search.tasks import Task
from evolve.evolution.answering import Answering
from evolve.evolution.baseline_scores import Baselines
from evolve.evolution.budget import first_within

_PINNED_TRIES = 3
"""A pinned case is asked up to three times: one wrong answer of an endpoint that varies must not count as a loss."""
_PINNED_LOSSES = 2
"""So many wrong answers of the three lose a pinned case; two right ones keep it."""
_PINNED_PART = 3
"""Pinned cases take at most a third of the gate's budget: its pairs must get most of it."""
_REASKED = 8
"""Answers of the winner that are asked for once more: few, but enough to show an endpoint that varies a lot."""


class Gates(Protocol):
    """The project's memory of its gates."""

    def level(self, run: str) -> tuple[float, bool]:
        """Return (level that the run's gate may spend, whether the run has opened it already); opens nothing."""
        ...

    def open(self, run: str) -> tuple[int, float]:
        """Return (number, level) of the gate that this run enters now; the same for a run that was killed in it."""
        ...

    def record(self, run: str, candidate: str, decision: GateDecision, families: Sequence[str]) -> None:
        """Write a decision to the log, once for each run.

        Args:
            run: its name.
            candidate: the winner's id.
            decision: what the gate decided.
            families: those whose cases were compared.
        """
        ...


class GateStage:
    """One run's gate.

    Args:
        answering: asks the candidates.
        gates: the project's memory of its gates.
        tasks: all cases; those of the gate split are compared, the pinned ones must not be lost.
        run: its name.
        seed: chooses among the cases where the budget does not pay for all.
        opens_small: whether to open a gate that has too few families to prove anything.
        objective: what the gate tests.
    """

    def __init__(
        self,
        answering: Answering,
        gates: Gates,
        tasks: Sequence[Task],
        *,
        run: str,
        seed: int,
        opens_small: bool = False,
        objective: Lane = "better",
    ) -> None:
        self._answering, self._rollouts = answering, answering.rollouts
        self._gates = gates
        self._baselines = Baselines(answering, tasks)
        self._cases = sample([t for t in tasks if t.split == "gate" and t.is_scored], len(tasks), seed=seed)
        self._pinned = [task for task in tasks if task.status == "pinned"]
        self._run, self._opens_small, self._objective = run, opens_small, objective
        self.spent = 0
        """Answers paid for here."""
        self.decision: GateDecision | None = None
        """None before the decision, and where nothing could be compared."""
        self.refusal = ""
        """Why the gate was not opened."""

    @property
    def wanted(self) -> int:
        """Answers that the whole gate would pay for if the ledger had none."""
        return 2 * len(self._cases) + self._pinned_reserve

    def wanted_with(self, incumbent: Candidate) -> int:
        """Return the same, without the incumbent's answers that the ledger has."""
        asked = sum(self._rollouts.price(incumbent.genome, task) for task in self._cases)
        return asked + len(self._cases) + self._pinned_reserve + _REASKED

    async def events(self, incumbent: Candidate, winner: Candidate) -> AsyncGenerator[EvolutionEvent, None]:
        """Yield what happens; ends with GateDecided, or is empty where no case can be paid for.

        A gate that can prove nothing is not opened: it would use up its level for nothing.
        """
        before = self._rollouts.budget.spent
        expected = self._expected(incumbent, winner)
        families = sorted({task.family for task in expected})
        self.refusal = self._refusal(families)
        if self.refusal:
            return
        yield GateStarted(winner.id, incumbent.id, len(expected), len(families))
        number, alpha = self._gates.open(self._run)
        tasks: list[Task] = []
        rest = self._cases
        # In rounds: what answers did not use of the most that they could pays for more pairs.
        while block := self._affordable(rest, incumbent, winner):
            tasks, rest = [*tasks, *block], rest[len(block) :]
            for candidate in (incumbent, winner):
                async for event in self._answering.answers(candidate, block):
                    self.spent = self._rollouts.budget.spent - before
                    yield event
        families = sorted({task.family for task in tasks})
        for candidate in (incumbent, winner):
            own = [task.id for task in tasks if task.id in candidate.scores]
            yield CandidateScored(candidate.id, "gate", len(own), candidate.plain_mean(own))
        lost = [name async for name in self._find_lost_pinned(winner)]
        disagreement = await self._disagreement(winner, tasks)
        self.spent = self._rollouts.budget.spent - before
        pairs = _pairs(tasks, incumbent, winner)
        harm = _new_harm(tasks, incumbent, winner)
        decided: Callable[..., GateDecision] = decide
        if self._objective == "cheaper":
            tokens = self._answering.tokens(incumbent, winner, [task.id for task in tasks])
            decided = partial(decide_cheaper, tokens=tokens)
        self.decision = decided(pairs, alpha=alpha, lost_pinned=lost, new_harm=harm, disagreement=disagreement)
        self._gates.record(self._run, winner.id, self.decision, families)
        vote = list(self._answering.vote(tasks))
        for event in vote:
            yield event
        mean = _by_family(vote, {task.id: task.family for task in tasks})
        beyond = await self._baselines.compare(tasks, winner, [incumbent, winner])
        yield GateDecided(winner.id, number, self.decision, mean, beyond)

    def _refusal(self, families: Sequence[str]) -> str:
        alpha, is_open = self._gates.level(self._run)
        if families and (is_open or self._opens_small):
            return ""
        all_families = {task.family for task in self._cases}
        lack = small_gate(all_families, alpha)
        if lack:
            return lack
        if small_gate(families, alpha):
            paid = "1 family" if len(families) == 1 else f"{len(families)} families"
            needs = families_to_prove(alpha)
            return f"the remaining budget pays for {paid} of the gate's {len(all_families)}, and {needs} are needed"
        return ""

    @property
    def _pinned_reserve(self) -> int:
        """What the pinned cases cost when each is answered the same way every time."""
        return _PINNED_LOSSES * len(self._pinned)

    def _affordable(self, cases: Sequence[Task], *candidates: Candidate) -> list[Task]:
        """As many cases as the budget pays for both, from as many families as there are; known answers are free."""
        return self._answering.affordable(candidates, cases, self._left)

    @property
    def _left(self) -> float:
        # Many pinned cases must not leave the gate without pairs: one that cannot be asked counts as kept.
        budget = self._rollouts.budget
        return budget.left - min(budget.of_answers(self._pinned_reserve), budget.left // _PINNED_PART)

    def _expected(self, *candidates: Candidate) -> list[Task]:
        """The cases that are expected to be compared; with a budget in answers exactly those."""
        prices = (sum(self._rollouts.price(one.genome, task) for one in candidates) for task in self._cases)
        return self._cases[: first_within(self._rollouts.budget.in_answers(self._left), prices)]

    async def _find_lost_pinned(self, winner: Candidate) -> AsyncIterator[str]:
        """Pinned cases that the winner fails two times out of three."""
        for task in self._pinned:
            losses = 0
            for repeat in range(_PINNED_TRIES):
                done = await self._rollouts.many(winner.genome, [task], repeat=repeat)
                losses += any(not rollout.score.passed for rollout in done)
                if not done or losses >= _PINNED_LOSSES or repeat + 1 - losses >= _PINNED_LOSSES:
                    break
            if losses >= _PINNED_LOSSES:
                yield task.description or task.id

    async def _disagreement(self, winner: Candidate, tasks: Sequence[Task]) -> float | None:
        """Share of the winner's answers that change when they are asked for once more."""
        # With a budget in seconds it may have ended before the winner's last answers.
        given = [task for task in tasks if task.id in winner.scores]
        again = await self._rollouts.many(winner.genome, given[:_REASKED], repeat=1)
        if not again:
            return None
        return sum(done.score.output != winner.scores[done.task.id].output for done in again) / len(again)


def _pairs(tasks: Sequence[Task], incumbent: Candidate, winner: Candidate) -> list[Pair]:
    both = [task for task in tasks if task.id in incumbent.scores and task.id in winner.scores]
    return [Pair(t.id, t.family, incumbent.scores[t.id].value, winner.scores[t.id].value) for t in both]


def _new_harm(tasks: Sequence[Task], incumbent: Candidate, winner: Candidate) -> list[str]:
    """The cases where the winner's answer does harm and the incumbent's does not."""
    both = [task for task in tasks if task.id in incumbent.scores and task.id in winner.scores]
    new = [t for t in both if winner.scores[t.id].is_harmful and not incumbent.scores[t.id].is_harmful]
    return [task.description or task.id for task in new]


def _by_family(vote: Sequence[EvolutionEvent], families: Mapping[str, str]) -> float | None:
    """The lookup's mean over families of the family means, as the gate counts; None without a lookup."""
    scores: dict[str, list[float]] = {}
    for event in vote:
        if isinstance(event, RolloutScored):
            scores.setdefault(families[event.task], []).append(event.score)
    means = [sum(listed) / len(listed) for listed in scores.values()]
    return sum(means) / len(means) if means else None
