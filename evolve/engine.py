"""The evolution loop: operators propose, candidates are screened and raced, finalists validated, one winner gated.

It calls the core, asks ports and yields events; it never prints. Decisions are taken only where all answers that were
asked for are in, so that a seed is a run whatever the order in which answers come.
"""

import json
import random
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from evolve.core.answers import TokenUsage
from evolve.core.errors import CannotEvaluate, EnvironmentFault
from evolve.core.evolution_events import (
    VOTE,
    Accepted,
    Account,
    CandidateInfo,
    CandidateProposed,
    CandidateScored,
    CandidateScreened,
    Estimate,
    EvolutionEvent,
    EvolutionFinished,
    EvolutionStarted,
    GateDecided,
    GateStarted,
    ProposalRejected,
    RolloutScored,
    TaskInfo,
)
from evolve.core.json_value import JsonValue
from evolve.core.log_odds import LogOdds
from evolve.core.search.bandit import Bandit
from evolve.core.search.gate import GateDecision, Pair, decide
from evolve.core.search.genome import Genome
from evolve.core.search.lookup import Lookup
from evolve.core.search.operators import Operator, Proposal, Situation, known_operators
from evolve.core.search.population import Candidate, best_of, choose_parent
from evolve.core.search.race import blocks, race_size, screen_tasks, screened, still_racing
from evolve.core.search.splits import sample
from evolve.core.search.tasks import Score, Task
from evolve.rollouts import Rollout, Rollouts

_GATE_SHARE = 0.4
_VAL_SHARE = 0.12
_FINALISTS = 2
_MIN_SCREEN = 2
_IDLE_STEPS = 24
"""So many steps without a new candidate, and the search has nothing left to try."""
_PINNED_TRIES = 3
_PINNED_LOSSES = 2
_REASKED = 8
INCUMBENT = "incumbent"


class Reflector(Protocol):
    """The adaptation agent, who writes proposals."""

    calls: int
    """How often it was asked in this run."""

    async def propose(self, inputs: Mapping[str, JsonValue]) -> str | None:
        """Its answer as text; None when its cap is reached.

        Raises:
            EnvironmentFault: its endpoint failed.
            CannotEvaluate: it has no answer to this.
        """
        ...


class Gates(Protocol):
    """The project's memory of its gates."""

    def open(self, run: str) -> tuple[int, float]:
        """(number, level) of the gate that this run passes now; the same again for a run that was killed in it."""
        ...

    def record(self, run: str, candidate: str, decision: GateDecision, families: Sequence[str]) -> None:
        """Writes a decision down, once for each run."""
        ...


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run is to do."""

    run: str
    agent: str
    """NAME@VERSION."""
    incumbent: Genome
    tasks: tuple[Task, ...]
    seed: int
    budget: int
    provider: str
    estimate: Estimate
    started_s: float
    resumed: bool = False
    command: str = ""


@dataclass(slots=True)
class _State:
    """What the loop knows so far."""

    population: list[Candidate] = field(default_factory=list)
    genomes: dict[str, Genome] = field(default_factory=dict)
    """Of every candidate, by id."""
    proposed: int = 0


class Evolution:
    """One run.

    Args:
        odds: the words of the labelled train cases; None where answers are no closed set.
        lookup: the model-free vote; None likewise.
        shown: a case as people and reflectors see it.
        text_of: a genome as text for people and diffs.
    """

    def __init__(
        self,
        plan: Plan,
        rollouts: Rollouts,
        *,
        gates: Gates,
        shown: Callable[[Task], str],
        text_of: Callable[[Genome], str],
        clock: Callable[[], float],
        odds: LogOdds | None = None,
        lookup: Lookup | None = None,
        reflector: Reflector | None = None,
        operators: Sequence[Operator] | None = None,
    ) -> None:
        self.plan = plan
        self._rollouts = rollouts
        self._gates = gates
        self._shown, self._text_of = shown, text_of
        self._odds, self._lookup = odds, lookup
        self._reflector = reflector
        self._is_reflecting = reflector is not None
        """False from its first failure on."""
        self._clock = clock
        self._begun = clock()
        self._chance = random.Random(plan.seed)
        usable = known_operators() if operators is None else operators
        self._operators = {op.name: op for op in usable if op.reflecting is None or reflector is not None}
        self._bandit = Bandit((op.name, op.prior) for op in self._operators.values())
        self._by_split = {split: [t for t in plan.tasks if t.split == split] for split in ("train", "val", "gate")}
        self._race = self._race_tasks()
        self._state = _State()
        self.winner: Candidate | None = None
        """Who met the gate; None before, or when nothing was better than the incumbent."""

    # --- the whole run

    async def events(self) -> AsyncGenerator[EvolutionEvent, None]:
        """Everything that happens, in order; ends with EvolutionFinished.

        Raises:
            EnvironmentFault: the endpoint failed; the same run, begun again, goes on from there.
        """
        incumbent = self._candidate(self.plan.incumbent, (), INCUMBENT, "the agent as it is")
        yield self._started(incumbent)
        if not self._race:
            yield self._finished(incumbent, "nothing-to-do", "no case of the train split has a label or an assertion")
            return
        self._reserve()
        async for event in self._first_round(incumbent):
            yield event
        async for event in self._search():
            yield event
        finalists = self._finalists()
        if not finalists:
            yield self._finished(incumbent, "no-better", self._why_no_better(incumbent))
            return
        async for event in self._validate(finalists):
            yield event
        self.winner = max(finalists, key=lambda candidate: (candidate.mean(), -candidate.number))
        async for event in self._gate(incumbent, self.winner):
            yield event

    def genome(self, candidate: str) -> Genome | None:
        """The genome of a candidate of this run; None for the model-free vote."""
        return self._state.genomes.get(candidate)

    def interrupted(self) -> EvolutionFinished:
        """The last event of a run that the user stopped."""
        best = best_of(self._state.population) if self._state.population else None
        name = best.id if best else self.plan.incumbent.id
        return EvolutionFinished(name, "interrupted", "stopped; the same command goes on from here", self.account())

    def account(self) -> Account:
        """What the run has cost so far."""
        budget = self._rollouts.budget
        return Account(
            search=budget.spent - self._gate_spent,
            gate=self._gate_spent,
            free=budget.free,
            repeated=budget.repeated,
            reflector=self._reflector.calls if self._reflector else 0,
            tokens=budget.tokens,
            model_s=self._rollouts.model_s,
            seconds=self._clock() - self._begun,
            cost=budget.cost,
        )

    # --- its parts

    def _race_tasks(self) -> list[Task]:
        """The train cases of the race: failure cases first, up to half of it, then a sample of the suite."""
        usable = [task for task in self._by_split["train"] if task.accepted or task.test.requirements]
        search_budget = round(self.plan.budget * (1 - _GATE_SHARE - _VAL_SHARE))
        size = race_size(search_budget, len(usable))
        opened = sample([task for task in usable if task.status == "open"], max(1, size // 2), seed=self.plan.seed)
        known = {task.id for task in opened}
        rest = sample([task for task in usable if task.id not in known], size - len(opened), seed=self.plan.seed)
        return [*opened, *rest]

    def _reserve(self) -> None:
        """Keeps back what validation and gate will need."""
        budget = self._rollouts.budget
        self._val = sample(self._by_split["val"], round(budget.total * _VAL_SHARE / _FINALISTS), seed=self.plan.seed)
        wanted = 2 * len(self._by_split["gate"]) + self._pinned_reserve()
        self._gate_reserve = min(wanted, round(budget.total * _GATE_SHARE))
        budget.reserved = self._gate_reserve + _FINALISTS * len(self._val)

    _gate_spent = 0

    async def _first_round(self, incumbent: Candidate) -> AsyncGenerator[EvolutionEvent, None]:
        async for event in self._answers(incumbent, self._race):
            yield event
        self._state.population.append(incumbent)
        yield CandidateScored(incumbent.id, "train", len(incumbent.scores), incumbent.mean(), reason="the incumbent")
        if self._lookup is not None:
            info = CandidateInfo(VOTE, (), VOTE, "no model: the answer of the most similar cases", "")
            yield CandidateProposed(info, self._rollouts.budget.spent)
            for event in self._vote(self._race):
                yield event

    def _vote(self, tasks: Sequence[Task]) -> Iterable[EvolutionEvent]:
        """The model-free vote on cases with a label."""
        assert self._lookup is not None
        scored = [(task, self._looked_up(task)) for task in tasks if task.accepted]
        for task, score in scored:
            yield self._scored_event(VOTE, Rollout(task, score, True, TokenUsage(), 0.0, self._rollouts.budget.spent))
        if scored:
            mean = sum(score.value for _, score in scored) / len(scored)
            yield CandidateScored(VOTE, tasks[0].split, len(scored), mean, reason="no model was asked")

    def _looked_up(self, task: Task) -> Score:
        assert self._lookup is not None
        found = self._lookup(self._key_of(task), task.family)
        output = json.loads(found) if found else None
        is_right = output in task.accepted
        expected = " or ".join(json.dumps(answer, ensure_ascii=False) for answer in task.accepted)
        reason = "right" if is_right else f"expected {expected}, the vote says {found or 'nothing'}"
        return Score(float(is_right), is_right, reason, output, output in task.forbidden)

    def _key_of(self, task: Task) -> str:
        return self._shown(task)

    async def _search(self) -> AsyncGenerator[EvolutionEvent, None]:
        """Proposes, screens and races candidates until the search's part of the budget is spent."""
        openings = sorted(
            (op for op in self._operators.values() if op.prior[0] > op.prior[1]),
            key=lambda op: -op.prior[0] / sum(op.prior),
        )
        idle = 0
        while self._rollouts.budget.left >= _MIN_SCREEN and idle < _IDLE_STEPS and not self._is_solved():
            # The operators that the evidence favours are tried once on the incumbent; then the bandit chooses.
            opening = openings.pop(0) if openings else None
            parent = self._state.population[0] if opening else choose_parent(self._state.population, self._chance)
            names = [opening.name] if opening else self._bandit.ranked(self._chance)
            made, refused = await self._proposal(parent, names)
            for refusal in refused:
                yield refusal
            if made is None:
                idle += 0 if opening else 1
                continue
            idle = 0
            operator, proposal = made
            child = self._candidate(proposal.genome, (parent.id,), operator, proposal.note)
            parent.children += 1
            yield CandidateProposed(self._info(child), self._rollouts.budget.spent)
            async for event in self._try(child, parent):
                yield event

    async def _proposal(
        self, parent: Candidate, names: Sequence[str]
    ) -> tuple[tuple[str, Proposal] | None, list[ProposalRejected]]:
        """The first new proposal of the operators, tried in order, and those that were refused on the way."""
        refused: list[ProposalRejected] = []
        for name in names:
            found = await self._propose(self._operators[name], parent)
            if isinstance(found, str):
                refused.append(ProposalRejected(name, found))
            elif found is not None and found.genome.id in self._state.genomes:
                refused.append(ProposalRejected(name, f"known already: {found.note}"))
            elif found is not None:
                return (name, found), refused
        return None, refused

    async def _propose(self, operator: Operator, parent: Candidate) -> Proposal | str | None:
        tasks = {task.id: task for task in self._by_split["train"]}
        situation = Situation(parent, self._state.population, tasks, self._shown, self._odds, self._chance)
        if operator.reflecting is None:
            return operator.propose(situation)
        inputs = operator.reflecting.ask(situation) if self._is_reflecting else None
        if inputs is None or self._reflector is None:
            return None
        try:
            answer = await self._reflector.propose(inputs)
        except CannotEvaluate as error:
            return f"the reflector has no answer: {error}"
        except EnvironmentFault as fault:
            # The search goes on without it: the operators that ask no model are still there.
            self._is_reflecting = False
            return f"the reflector failed and is not asked again: {fault}"
        return None if answer is None else operator.reflecting.read(situation, answer)

    async def _try(self, child: Candidate, parent: Candidate) -> AsyncGenerator[EvolutionEvent, None]:
        """One candidate from its screen to its place in the population."""
        tasks = screen_tasks(parent, self._race, self._chance)
        async for event in self._answers(child, tasks):
            yield event
        done = [task for task in tasks if task.id in child.scores]
        verdict = screened(child, parent, done)
        yield CandidateScreened(child.id, verdict.kept, verdict.reason)
        dropped, reason = not verdict.kept, verdict.reason
        if not dropped:
            leader = best_of(self._state.population)
            for size in blocks(len(self._race)):
                block = [task for task in self._race[:size] if task.id not in child.scores]
                async for event in self._answers(child, block):
                    yield event
                verdict = still_racing(child, leader, self._race)
                dropped, reason = not verdict.kept, verdict.reason
                if dropped or any(task.id not in child.scores for task in block):
                    break
            yield CandidateScored(child.id, "train", len(child.scores), child.mean(), dropped, reason)
        self._bandit.pay(child.operator, child.mean() - parent.mean(child.scores), len(child.scores))
        if not dropped:
            self._state.population.append(child)
            is_best = best_of(self._state.population) is child
            yield Accepted(child.id, is_best, f"mean {child.mean():.2f} on {len(child.scores)} cases")

    def _finalists(self) -> list[Candidate]:
        """The best candidates that beat the incumbent on the cases they share."""
        incumbent, *others = self._state.population
        prior = incumbent.mean()
        better = [c for c in others if c.mean() > incumbent.mean(c.scores)]
        return sorted(better, key=lambda c: (-c.cautious_mean(prior), c.number))[:_FINALISTS]

    async def _validate(self, finalists: Sequence[Candidate]) -> AsyncGenerator[EvolutionEvent, None]:
        """With two finalists, the val split chooses."""
        self._rollouts.budget.reserved = self._gate_reserve
        if self._lookup is not None:
            for event in self._vote(self._val):
                yield event
        if len(finalists) < _FINALISTS:
            return
        for candidate in finalists:
            async for event in self._answers(candidate, self._val):
                yield event
            own = [task.id for task in self._val if task.id in candidate.scores]
            if own:
                yield CandidateScored(candidate.id, "val", len(own), candidate.mean(own))

    async def _gate(self, incumbent: Candidate, winner: Candidate) -> AsyncGenerator[EvolutionEvent, None]:
        self._rollouts.budget.reserved = 0
        before = self._rollouts.budget.spent
        tasks = self._gate_tasks()
        if not tasks:  # a gate that compares nothing would spend its level for nothing
            yield self._finished(winner, "rejected", self._why_no_gate())
            return
        families = sorted({task.family for task in tasks})
        yield GateStarted(winner.id, incumbent.id, len(tasks), len(families))
        number, alpha = self._gates.open(self.plan.run)
        async for event in self._with_gate_account(incumbent, tasks, before):
            yield event
        async for event in self._with_gate_account(winner, tasks, before):
            yield event
        pairs = [
            Pair(task.id, task.family, incumbent.scores[task.id].value, winner.scores[task.id].value)
            for task in tasks
            if task.id in incumbent.scores and task.id in winner.scores
        ]
        lost = [name async for name in self._lost_pinned(winner)]
        disagreement = await self._disagreement(winner, tasks)
        self._gate_spent = self._rollouts.budget.spent - before
        decision = decide(pairs, alpha=alpha, lost_pinned=lost, disagreement=disagreement)
        self._gates.record(self.plan.run, winner.id, decision, families)
        vote = self._gate_vote(tasks)
        for event in vote:
            yield event
        mean = _by_family(vote, {task.id: task.family for task in tasks})
        yield GateDecided(winner.id, number, decision, mean)
        yield self._finished(winner, decision.word, decision.reason)

    def _gate_tasks(self) -> list[Task]:
        """As many gate cases as the budget pays for both, of as many families as there are."""
        tasks = sample(self._by_split["gate"], len(self._by_split["gate"]), seed=self.plan.seed)
        return tasks[: max(0, (self._rollouts.budget.left - self._pinned_reserve()) // 2)]

    def _pinned_reserve(self) -> int:
        """What the pinned cases take when each is answered alike each time."""
        return _PINNED_LOSSES * sum(task.status == "pinned" for task in self.plan.tasks)

    async def _with_gate_account(
        self, candidate: Candidate, tasks: Sequence[Task], before: int
    ) -> AsyncGenerator[EvolutionEvent, None]:
        async for event in self._answers(candidate, tasks):
            self._gate_spent = self._rollouts.budget.spent - before
            yield event
        own = [task.id for task in tasks if task.id in candidate.scores]
        yield CandidateScored(candidate.id, "gate", len(own), candidate.mean(own))

    def _gate_vote(self, tasks: Sequence[Task]) -> list[EvolutionEvent]:
        return list(self._vote(tasks)) if self._lookup is not None and tasks else []

    async def _lost_pinned(self, winner: Candidate) -> AsyncIterator[str]:
        """Pinned cases that the winner fails two times of three."""
        for task in (task for task in self.plan.tasks if task.status == "pinned"):
            losses = 0
            for repeat in range(_PINNED_TRIES):
                done = await self._rollouts.many(winner.genome, [task], repeat=repeat)
                losses += any(not rollout.score.passed for rollout in done)
                if not done or losses >= _PINNED_LOSSES or repeat + 1 - losses >= _PINNED_LOSSES:
                    break
            if losses >= _PINNED_LOSSES:
                yield task.description or task.id

    async def _disagreement(self, winner: Candidate, tasks: Sequence[Task]) -> float | None:
        """Share of the winner's answers that come out differently when they are asked once more."""
        again = await self._rollouts.many(winner.genome, list(tasks)[:_REASKED], repeat=1)
        if not again:
            return None
        return sum(done.score.output != winner.scores[done.task.id].output for done in again) / len(again)

    # --- small things

    async def _answers(self, candidate: Candidate, tasks: Sequence[Task]) -> AsyncGenerator[EvolutionEvent, None]:
        """The candidate's answers to the cases that it has not answered yet, as far as the budget goes."""
        new = [task for task in tasks if task.id not in candidate.scores]
        for done in await self._rollouts.many(candidate.genome, new):
            candidate.scores[done.task.id] = done.score
            yield self._scored_event(candidate.id, done)

    def _scored_event(self, candidate: str, done: Rollout) -> RolloutScored:
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
        )

    def _candidate(self, genome: Genome, parents: tuple[str, ...], operator: str, note: str) -> Candidate:
        made = Candidate(genome, parents, operator, note, self._state.proposed)
        self._state.proposed += 1
        self._state.genomes[genome.id] = genome
        return made

    def _info(self, candidate: Candidate) -> CandidateInfo:
        text = self._text_of(candidate.genome)
        return CandidateInfo(candidate.id, candidate.parents, candidate.operator, candidate.note, text)

    def _is_solved(self) -> bool:
        """Whether a candidate passes every case of the race: the search has nothing to mend."""
        size = len(self._race)
        return any(c.mean() >= 1.0 and len(c.scores) >= size for c in self._state.population)

    def _why_no_gate(self) -> str:
        lack = "the budget was spent before" if self._by_split["gate"] else "there is no case of the gate's split"
        return f"better on the cases that the search has seen, but nothing is known of others: {lack}"

    def _why_no_better(self, incumbent: Candidate) -> str:
        tried = self._state.proposed - 1
        return (
            f"none of {tried} candidates beat the incumbent's {incumbent.mean():.2f} on {len(self._race)} train cases"
        )

    def _started(self, incumbent: Candidate) -> EvolutionStarted:
        plan = self.plan
        return EvolutionStarted(
            plan.run,
            plan.agent,
            plan.provider,
            plan.seed,
            plan.budget,
            tuple(self._task_info(task) for task in plan.tasks),
            self._info(incumbent),
            plan.estimate,
            plan.started_s,
            plan.resumed,
            plan.command,
        )

    def _task_info(self, task: Task) -> TaskInfo:
        shown = self._shown(task)[:2000]
        return TaskInfo(
            task.id, task.description, task.family, task.split, task.file, task.status, shown, task.accepted
        )

    def _finished(self, winner: Candidate, outcome: str, reason: str) -> EvolutionFinished:
        failing = tuple(i for i, score in winner.scores.items() if not score.passed and i in self._train_ids())
        return EvolutionFinished(winner.id, outcome, reason, self.account(), failing)  # type: ignore[arg-type]

    def _train_ids(self) -> set[str]:
        return {task.id for task in self._by_split["train"]}


def _by_family(vote: Sequence[EvolutionEvent], families: Mapping[str, str]) -> float | None:
    """The vote's mean over families of the family means, as the gate counts; None without a vote."""
    scores: dict[str, list[float]] = {}
    for event in vote:
        if isinstance(event, RolloutScored):
            scores.setdefault(families[event.task], []).append(event.score)
    means = [sum(listed) / len(listed) for listed in scores.values()]
    return sum(means) / len(means) if means else None
