"""The evolution loop: operators propose, candidates are screened and raced, finalists validated, one winner gated.

It calls the core, asks ports and yields events; it never prints. It decides only when all answers that it asked for
have arrived, so that a seed gives the same run in whatever order the answers arrive.
"""

import random
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from evolve.core.evaluation.cut_answers import AGENT_HINT, sentence
from evolve.core.model.errors import InputError, Problem
from evolve.core.model.evolution_events import (
    SHOWN_CHARS,
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
    TaskInfo,
)
from evolve.core.model.json_value import JsonValue
from evolve.core.retrieval.log_odds import LogOdds
from evolve.core.search.genome import Genome
from evolve.core.search.lookup import Lookup
from evolve.core.search.operators import Operator
from evolve.core.search.population import Candidate, best_of
from evolve.core.search.race import blocks, race_size, screen_candidate, screen_tasks, still_racing
from evolve.core.search.samples import sample
from evolve.core.search.tasks import Task
from evolve.core.text.counts import count
from evolve.evolution.answering import Answering
from evolve.evolution.gate_stage import Gates, GateStage
from evolve.evolution.proposer import Proposing, Reflector
from evolve.evolution.rollouts import Rollouts

GATE_SHARE = 0.55
"""Of the budget. The search finds most of its gains early, and a gate with fewer than eighty pairs proves little."""
VAL_SHARE = 0.1
"""Of the budget, for two finalists: choosing between two needs fewer answers than search or gate."""
MAX_CUT_SHARE = 0.1
"""Of the incumbent's first answers may be cut at the token limit; with more, scores measure the limit instead."""
_FINALISTS = 2
"""The split `val` chooses between so many: with more, each would get too few answers to tell them apart."""
_MIN_SCREEN = 2
"""Below so many answers a candidate's screen cannot show both a fix and a loss."""
_IDLE_STEPS = 24
"""After so many steps without a new candidate, the search has nothing left to try."""
INCUMBENT = "incumbent"


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run should do."""

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
    allow_cut_answers: bool = False
    """Continue even if many of the incumbent's answers are cut at the token limit."""
    sampling: Mapping[str, JsonValue] = field(default_factory=dict)
    """The agent's own settings, for messages."""
    shrinking: int = 0
    """Answers that were paid for to settle new failure cases before; they are not part of the budget."""
    opens_small_gate: bool = False
    """Whether to open a gate that has too few families to prove anything."""


@dataclass(slots=True)
class _State:
    """What the loop knows so far."""

    population: list[Candidate] = field(default_factory=list)
    genomes: dict[str, Genome] = field(default_factory=dict)
    """Of every candidate, by id."""


class Evolution:
    """One run.

    Args:
        odds: the words of the labelled train cases; None where the agent's answers are not a closed set.
        lookup: the answer without a model; None in the same case.
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
        self._answering = Answering(rollouts, shown, lookup)
        self._gate = GateStage(
            self._answering, gates, plan.tasks, run=plan.run, seed=plan.seed, opens_small=plan.opens_small_gate
        )
        self._text_of = text_of
        self._reflector = reflector
        self._clock = clock
        self._begun = clock()
        self._chance = random.Random(plan.seed)
        self._proposing = Proposing(
            plan.tasks, shown=shown, odds=odds, chance=self._chance, reflector=reflector, operators=operators
        )
        self._train = [task for task in plan.tasks if task.split == "train"]
        self._race = self._race_tasks()
        val = [task for task in plan.tasks if task.split == "val" and task.is_scored]
        self._val = sample(val, round(plan.budget * VAL_SHARE / _FINALISTS), seed=plan.seed)
        self._state = _State()
        self.winner: Candidate | None = None
        """The candidate that entered the gate; None before, or when none was better than the incumbent."""

    # --- the whole run

    async def events(self) -> AsyncGenerator[EvolutionEvent, None]:
        """Yield everything that happens, in order; ends with EvolutionFinished.

        Raises:
            EnvironmentFault: the endpoint failed; the same run, started again, continues from there.
        """
        incumbent = self._candidate(self.plan.incumbent, (), INCUMBENT, "the current agent")
        yield self._start_event(incumbent)
        if not self._race:
            yield self._finish_event(
                incumbent, "nothing-to-do", "no case of the train split has a label or an assertion"
            )
            return
        self._reserve()
        async for event in self._first_round(incumbent):
            yield event
        async for event in self._search():
            yield event
        finalists = self._finalists()
        if not finalists:
            yield self._finish_event(incumbent, "no-better", self._why_no_better(incumbent))
            return
        async for event in self._validate(finalists):
            yield event
        self.winner = self._choose(finalists)
        self._rollouts.budget.reserved = 0
        async for event in self._gate.events(incumbent, self.winner):
            yield event
        decision = self._gate.decision
        if decision is None:
            yield self._finish_event(self.winner, "untested", self._why_no_gate())
        else:
            yield self._finish_event(self.winner, decision.word, decision.reason)

    def genome(self, candidate: str) -> Genome | None:
        """Return the genome of a candidate of this run; None for the lookup."""
        return self._state.genomes.get(candidate)

    def interrupted_event(self) -> EvolutionFinished:
        """Return the last event of a run that the user stopped."""
        best = best_of(self._state.population) if self._state.population else None
        name = best.id if best else self.plan.incumbent.id
        return EvolutionFinished(name, "interrupted", "stopped; the same command continues from here", self.account())

    def account(self) -> Account:
        """Return what the run has cost so far."""
        budget = self._rollouts.budget
        return Account(
            search=budget.spent - self._gate.spent,
            gate=self._gate.spent,
            free=budget.free,
            repeated=budget.repeated,
            shrinking=self.plan.shrinking,
            reflector=self._reflector.calls if self._reflector else 0,
            tokens=budget.tokens,
            model_s=self._rollouts.model_s,
            seconds=self._clock() - self._begun,
            cost=budget.cost,
        )

    # --- its parts

    def _race_tasks(self) -> list[Task]:
        """The train cases of the race: failure cases first, up to half of it, then a sample of the suite."""
        usable = [task for task in self._train if task.is_scored]
        search_budget = round(self.plan.budget * (1 - GATE_SHARE - VAL_SHARE))
        size = race_size(search_budget, len(usable))
        opened = sample([task for task in usable if task.status == "open"], max(1, size // 2), seed=self.plan.seed)
        known = {task.id for task in opened}
        rest = sample([task for task in usable if task.id not in known], size - len(opened), seed=self.plan.seed)
        return [*opened, *rest]

    def _reserve(self) -> None:
        """Keep back what validation and gate will need."""
        budget = self._rollouts.budget
        self._gate_reserve = min(self._gate.wanted, round(budget.total * GATE_SHARE))
        budget.reserved = self._gate_reserve + _FINALISTS * len(self._val)

    async def _first_round(self, incumbent: Candidate) -> AsyncGenerator[EvolutionEvent, None]:
        async for event in self._answering.answers(incumbent, self._race):
            yield event
        self._refuse_cut_answers(incumbent)
        self._state.population.append(incumbent)
        yield CandidateScored(incumbent.id, "train", len(incumbent.scores), incumbent.mean(), reason="the incumbent")
        if self._answering.lookup is not None:
            info = CandidateInfo(VOTE, (), VOTE, "answers from the labelled cases alone", "")
            yield CandidateProposed(info, self._rollouts.budget.spent)
            for voted in self._answering.vote(self._race):
                yield voted

    def _refuse_cut_answers(self, incumbent: Candidate) -> None:
        """Raise InputError where too many of the incumbent's answers were cut.

        A search on them would look for prompts with short answers, not for right ones.
        """
        cut, asked = self._answering.cut[incumbent.id], len(incumbent.scores)
        if self.plan.allow_cut_answers or cut <= MAX_CUT_SHARE * asked:
            return
        limit = self.plan.sampling.get("max_tokens")
        what = sentence(cut, asked, f"max_tokens: {limit}" if limit else "max_tokens", AGENT_HINT)
        raise InputError(Problem(f"{self.plan.agent}: {what}", None, "or pass --allow-cut-answers"))

    async def _search(self) -> AsyncGenerator[EvolutionEvent, None]:
        """Propose, screen and race candidates until the search's part of the budget is spent."""
        idle = 0
        while self._rollouts.budget.left >= _MIN_SCREEN and idle < _IDLE_STEPS and not self._is_solved():
            is_opening = self._proposing.has_openings
            made, events = await self._proposing.next(self._state.population, self._state.genomes)
            for happened in events:
                yield happened
            if made is None:
                idle += 0 if is_opening else 1
                continue
            idle = 0
            operator, proposal, parent = made
            child = self._candidate(proposal.genome, (parent.id,), operator, proposal.note)
            parent.children += 1
            yield CandidateProposed(self._info(child), self._rollouts.budget.spent)
            async for event in self._try(child, parent):
                yield event

    async def _try(self, child: Candidate, parent: Candidate) -> AsyncGenerator[EvolutionEvent, None]:
        """Follow one candidate from its screen to its place in the population."""
        tasks = screen_tasks(parent, self._race, self._chance)
        async for event in self._answering.answers(child, tasks):
            yield event
        done = [task for task in tasks if task.id in child.scores]
        verdict = screen_candidate(child, parent, done)
        yield CandidateScreened(child.id, verdict.kept, verdict.reason)
        dropped, reason = not verdict.kept, verdict.reason
        if not dropped:
            leader = best_of(self._state.population)
            for size in blocks(len(self._race)):
                block = [task for task in self._race[:size] if task.id not in child.scores]
                async for event in self._answering.answers(child, block):
                    yield event
                verdict = still_racing(child, leader, self._race)
                dropped, reason = not verdict.kept, verdict.reason
                if dropped or any(task.id not in child.scores for task in block):
                    break
            yield CandidateScored(child.id, "train", len(child.scores), child.mean(), dropped, reason)
        gain = child.mean() - parent.mean(child.scores)
        self._proposing.learn(child.operator, gain, len(child.scores), child.note)
        if not dropped:
            self._state.population.append(child)
            is_best = best_of(self._state.population) is child
            yield Accepted(child.id, is_best, f"mean {child.mean():.2f} on {count(len(child.scores), 'case')}")

    def _finalists(self) -> list[Candidate]:
        """The best candidates that beat the incumbent on the cases they share."""
        incumbent, *others = self._state.population
        prior = incumbent.mean()
        better = [c for c in others if c.mean() > incumbent.mean(c.scores)]
        return sorted(better, key=lambda c: (-c.cautious_mean(prior), c.number))[:_FINALISTS]

    def _choose(self, finalists: Sequence[Candidate]) -> Candidate:
        """The best on the val cases that all of them answered; without such cases, on all that each answered."""
        prior = self._state.population[0].mean()
        both = [task.id for task in self._val if all(task.id in candidate.scores for candidate in finalists)]
        return max(finalists, key=lambda c: (c.mean(both) if both else c.cautious_mean(prior), -c.number))

    async def _validate(self, finalists: Sequence[Candidate]) -> AsyncGenerator[EvolutionEvent, None]:
        """Let the val split choose between two finalists."""
        self._rollouts.budget.reserved = self._gate_reserve
        for voted in self._answering.vote(self._val):
            yield voted
        if len(finalists) < _FINALISTS:
            return
        for candidate in finalists:
            async for event in self._answering.answers(candidate, self._val):
                yield event
            own = [task.id for task in self._val if task.id in candidate.scores]
            if own:
                yield CandidateScored(candidate.id, "val", len(own), candidate.mean(own))

    # --- small things

    def _candidate(self, genome: Genome, parents: tuple[str, ...], operator: str, note: str) -> Candidate:
        made = Candidate(genome, parents, operator, note, len(self._state.genomes))
        self._state.genomes[genome.id] = genome
        return made

    def _info(self, candidate: Candidate) -> CandidateInfo:
        text = self._text_of(candidate.genome)
        return CandidateInfo(candidate.id, candidate.parents, candidate.operator, candidate.note, text)

    def _is_solved(self) -> bool:
        """Whether a candidate passes every case of the race, so that the search has nothing left to fix."""
        size = len(self._race)
        return any(c.mean() >= 1.0 and len(c.scores) >= size for c in self._state.population)

    def _why_no_gate(self) -> str:
        return f"better on the cases that the search has seen, but not tested on others: {self._gate.refusal}"

    def _why_no_better(self, incumbent: Candidate) -> str:
        tried = len(self._state.genomes) - 1
        return (
            f"none of {count(tried, 'candidate')} beat the incumbent's {incumbent.mean():.2f} "
            f"on {count(len(self._race), 'train case')}"
        )

    def _start_event(self, incumbent: Candidate) -> EvolutionStarted:
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
        shown = self._answering.shown(task)[:SHOWN_CHARS]
        return TaskInfo(
            task.id, task.description, task.family, task.split, task.file, task.status, shown, task.accepted
        )

    def _finish_event(self, winner: Candidate, outcome: str, reason: str) -> EvolutionFinished:
        train = {task.id for task in self._train}
        failing = tuple(i for i, score in winner.scores.items() if not score.passed and i in train)
        return EvolutionFinished(winner.id, outcome, reason, self.account(), failing)  # type: ignore[arg-type]
