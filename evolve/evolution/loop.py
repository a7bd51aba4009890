"""The evolution loop: operators propose, candidates are screened and raced, finalists validated, one winner gated.

It calls the core, asks ports and yields events; it never prints. It decides only when all answers that it asked for
have arrived, so that a seed gives the same run in whatever order the answers arrive.
"""

import random
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from evolve.core.evaluation.cut_answers import AGENT_HINT, sentence
from evolve.core.model.errors import InputError, Problem
from evolve.core.model.evolution_events import (
    BY_HAND,
    SHOWN_CHARS,
    VOTE,
    Accepted,
    Account,
    CandidateInfo,
    CandidateProposed,
    CandidateScored,
    CandidateScreened,
    Estimate,
    EstimateRevised,
    EvolutionEvent,
    EvolutionFinished,
    EvolutionStarted,
    TaskInfo,
)
from evolve.core.model.gate import Lane
from evolve.core.model.json_value import JsonValue
from evolve.core.retrieval.log_odds import LogOdds
from evolve.core.search.cheaper import MARGIN, SAVING
from evolve.core.search.genome import Genome
from evolve.core.search.hand_written import HandWritten
from evolve.core.search.lookup import Lookup
from evolve.core.search.operators import Operator
from evolve.core.search.population import Candidate, best_of
from evolve.core.search.race import RaceDecision, balance, race_size, screen_tasks, weights
from evolve.core.search.samples import sample
from evolve.core.search.tasks import Task
from evolve.core.text.counts import count
from evolve.evolution.answering import Answering
from evolve.evolution.estimating import estimate_rest
from evolve.evolution.finals import FINALISTS, Finals
from evolve.evolution.gate_stage import Gates, GateStage
from evolve.evolution.proposer import Proposing
from evolve.evolution.reflectors import Reflector
from evolve.evolution.rollouts import Rollouts
from evolve.evolution.trials import Trial, Trials

GATE_SHARE = 0.55
"""Of the budget. The search finds most of its gains early, and a gate with fewer than eighty pairs proves little."""
VAL_SHARE = 0.1
"""Of the budget, for the finals; what the search leaves is spent there, too."""
MAX_CUT_SHARE = 0.1
"""Of the incumbent's first answers may be cut at the token limit; with more, scores measure the limit instead."""
_PIPELINE = 4
"""Children under trial at once: each is proposed when all but the last three before it have been judged. The number is
fixed, so that a seed is one run for any concurrency. With screens of six an endpoint has 24 questions at once."""
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
    objective: Lane = "better"
    """What the search looks for and the gate tests."""
    written: tuple[HandWritten, ...] = ()
    """Candidates that people wrote; they are tried before any operator proposes."""
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
        reflectors: Sequence[Reflector] = (),
        operators: Sequence[Operator] | None = None,
    ) -> None:
        self.plan = plan
        self._rollouts = rollouts
        self._answering = Answering(rollouts, shown, lookup)
        self._gate = GateStage(
            self._answering,
            gates,
            plan.tasks,
            run=plan.run,
            seed=plan.seed,
            opens_small=plan.opens_small_gate,
            objective=plan.objective,
        )
        self._aims_cheaper = plan.objective == "cheaper"
        self._margin = MARGIN if self._aims_cheaper else 0.0
        """A child may be so much worse than its parent, and the winner than the current agent."""
        self._text_of = text_of
        self._reflectors = tuple(reflectors)
        self._clock = clock
        self._begun = clock()
        self._chance = random.Random(plan.seed)
        self._proposing = Proposing(
            plan.tasks,
            incumbent=plan.incumbent,
            output=rollouts.base.output,
            shown=shown,
            odds=odds,
            chance=self._chance,
            reflectors=reflectors,
            operators=operators,
        )
        self._train = [task for task in plan.tasks if task.split == "train"]
        self._race = self._race_tasks()
        self._weights: Mapping[str, float] = {}
        self._written = deque(plan.written)
        self._idle = 0
        """Steps without a new candidate, since the last one."""
        self._is_spent = False
        """Whether a child could not be asked anything for what is left."""
        self._finals = Finals(self._answering, plan.tasks, seed=plan.seed)
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
        yield self._revised()
        async for event in self._search():
            yield event
        yield self._revised()
        finalists = self._finalists()
        if not finalists:
            yield self._finish_event(incumbent, "no-better", self._why_no_better(incumbent))
            return
        budget = self._rollouts.budget
        budget.reserved = min(self._gate_reserve, budget.of_answers(self._gate.wanted_with(incumbent)))
        async for event in self._finals.events(incumbent, *finalists):
            yield event
        best = self._finals.choose(incumbent, finalists)
        if behind := self._finals.why_behind(incumbent, best, self._margin):
            yield self._finish_event(incumbent, "no-better", behind)
            return
        self.winner = best
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
            reflector=sum(one.calls for one in self._reflectors),
            tokens=budget.tokens,
            model_s=self._rollouts.model_s,
            seconds=self._clock() - self._begun,
            cost=budget.cost,
            answer_s=budget.answer_s,
            used=budget.used,
        )

    # --- its parts

    def _race_tasks(self) -> list[Task]:
        """The train cases of the race: failure cases first, up to half of it, then a sample of the suite."""
        usable = [task for task in self._train if task.is_scored]
        budget = self._rollouts.budget
        size = race_size(budget.in_answers(budget.part(1 - GATE_SHARE - VAL_SHARE)), len(usable))
        opened = sample([task for task in usable if task.status == "open"], max(1, size // 2), seed=self.plan.seed)
        known = {task.id for task in opened}
        rest = sample([task for task in usable if task.id not in known], size - len(opened), seed=self.plan.seed)
        return [*opened, *rest]

    def _revised(self) -> EstimateRevised:
        return EstimateRevised(estimate_rest(self._rollouts, self.plan.estimate), self._rollouts.budget.spent)

    def _reserve(self) -> None:
        """Keep back what validation and gate will need."""
        budget = self._rollouts.budget
        self._gate_reserve = min(budget.of_answers(self._gate.wanted), budget.part(GATE_SHARE))
        budget.reserved = self._gate_reserve + min(budget.of_answers(self._finals.wanted), budget.part(VAL_SHARE))

    async def _first_round(self, incumbent: Candidate) -> AsyncGenerator[EvolutionEvent, None]:
        async for event in self._answering.answers(incumbent, self._race):
            yield event
        self._refuse_cut_answers(incumbent)
        self._state.population.append(incumbent)
        self._weights = incumbent.weights = weights(self._race, incumbent, self._train)
        self._race = balance(self._race, incumbent)
        mean = incumbent.plain_mean()
        yield CandidateScored(incumbent.id, "train", len(incumbent.scores), mean, reason="the incumbent")
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
        """Propose children and try them, several at once, until the search's part of the budget is spent."""
        trials = Trials(self._rollouts)
        try:
            while trials.running or self._may_start(trials):
                async for event in self._start(trials):
                    yield event
                if trials.running:
                    for event in self._take(await trials.first()):
                        yield event
        finally:
            await trials.close()

    async def _start(self, trials: Trials) -> AsyncGenerator[EvolutionEvent, None]:
        """Propose and start children, as many as may be under trial, until no operator has one."""
        while self._may_start(trials):
            child, events = await self._next_child()
            for event in events:
                yield event
            if child is None:
                return
            trials.start(self._trial(*child, trials.promised))

    def _may_start(self, trials: Trials) -> bool:
        """Whether another child may be tried now; it depends only on what was decided, not on what has arrived."""
        if len(trials.running) >= _PIPELINE or self._idle >= _IDLE_STEPS or self._is_spent or self._is_solved():
            return False
        budget = self._rollouts.budget
        if not trials.running:
            return budget.left >= budget.each * _MIN_SCREEN
        race = self._rollouts.most(self.plan.incumbent, self._race, budget.rates)
        return budget.left - trials.promised >= race

    async def _next_child(self) -> tuple[tuple[Candidate, Candidate] | None, list[EvolutionEvent]]:
        """The next child with its parent, None where the operator had none, and what happened on the way."""
        if self._written:
            return self._next_written()
        is_opening = self._proposing.has_openings
        made, rejected = await self._proposing.next(self._state.population, self._state.genomes)
        if made is None:
            self._idle += 0 if is_opening else 1
            return None, [*rejected]
        self._idle = 0
        parent, proposal = made.parent, made.proposal
        child = self._candidate(proposal.genome, (parent.id,), made.operator, proposal.note, made.reflector)
        parent.children += 1
        return (child, parent), [*rejected, CandidateProposed(self._info(child), self._rollouts.budget.spent)]

    def _next_written(self) -> tuple[tuple[Candidate, Candidate], list[EvolutionEvent]]:
        """The next candidate that a person wrote. It has no parent: the current agent is what it is compared with."""
        written = self._written.popleft()
        child = self._candidate(written.genome, (), BY_HAND, written.note)
        return (child, self._state.population[0]), [CandidateProposed(self._info(child), self._rollouts.budget.spent)]

    def _trial(self, child: Candidate, parent: Candidate, promised: float) -> Trial:
        budget = self._rollouts.budget
        rates = budget.rates
        allowance = min(self._rollouts.most(child.genome, self._race, rates), budget.left - promised)
        screen = [] if child.operator == BY_HAND else screen_tasks(parent, self._race, self._chance)
        below = self._answering.tokens(parent, parent).candidate if self._aims_cheaper else None
        leader = best_of(self._state.population)
        return Trial(child, parent, leader, screen, self._race, allowance, rates, below)

    def _take(self, trial: Trial) -> Iterator[EvolutionEvent]:
        """Follow one child from its answers to its place in the population."""
        child, parent, screened = trial.child, trial.parent, trial.decision
        self._is_spent = self._is_spent or not trial.answers
        yield from self._answering.counted(child, trial.answers[: trial.screened])
        if screened is not None:
            yield CandidateScreened(child.id, screened.kept, screened.reason)
        yield from self._answering.counted(child, trial.answers[trial.screened :])
        gain = child.mean() - parent.mean(child.scores)
        self._proposing.learn(child, self._worth(child, parent, gain))
        if trial.last is None:
            return
        dropped, reason = self._verdict(trial.last, gain)
        yield CandidateScored(child.id, "train", len(child.scores), child.plain_mean(), dropped, reason)
        if not dropped:
            self._state.population.append(child)
            is_best = self._best() is child
            yield Accepted(child.id, is_best, f"mean {child.mean():.2f} on {count(len(child.scores), 'case')}")

    def _worth(self, child: Candidate, parent: Candidate, gain: float) -> float:
        """What the bandits learn of a child: its gain, or what it saves of its parent's tokens."""
        if not self._aims_cheaper or gain < -self._margin:
            return gain
        return self._answering.tokens(parent, child).saved

    def _best(self) -> Candidate:
        """The best candidate, or the one with the fewest tokens of those that are not worse than the current agent."""
        population = self._state.population
        if not self._aims_cheaper:
            return best_of(population)
        first = population[0]
        return max([first, *self._as_good()], key=lambda c: (self._answering.tokens(first, c).saved, -c.number))

    def _verdict(self, last: RaceDecision, gain: float) -> tuple[bool, str]:
        """Whether a child that raced is dropped, and why: one without a gain would only pass on its noise."""
        if last.kept and (gain < -self._margin if self._aims_cheaper else gain <= 0):
            return True, f"no gain over its parent ({100 * gain:+.1f} points); {last.reason}"
        return not last.kept, last.reason

    def _finalists(self) -> list[Candidate]:
        """The best candidates that beat the incumbent on the cases they share, or need far fewer tokens there."""
        incumbent, *others = self._state.population
        prior = incumbent.mean()
        if self._aims_cheaper:
            saved = {c.id: self._answering.tokens(incumbent, c).saved for c in self._as_good()}
            cheaper = [c for c in others if saved.get(c.id, 0.0) >= SAVING]
            return sorted(cheaper, key=lambda c: (-saved[c.id], c.number))[:FINALISTS]
        better = [c for c in others if c.mean() > incumbent.mean(c.scores)]
        return sorted(better, key=lambda c: (-c.cautious_mean(prior), c.number))[:FINALISTS]

    def _as_good(self) -> list[Candidate]:
        """The candidates that are not worse than the incumbent by more than the margin, on the cases they share."""
        incumbent, *others = self._state.population
        return [c for c in others if c.mean() >= incumbent.mean(c.scores) - self._margin]

    # --- small things

    def _candidate(
        self, genome: Genome, parents: tuple[str, ...], operator: str, note: str, reflector: str = ""
    ) -> Candidate:
        number = len(self._state.genomes)
        made = Candidate(genome, parents, operator, note, number, weights=self._weights, reflector=reflector)
        self._state.genomes[genome.id] = genome
        return made

    def _info(self, candidate: Candidate) -> CandidateInfo:
        text = self._text_of(candidate.genome)
        operator, note = candidate.operator, candidate.note
        return CandidateInfo(candidate.id, candidate.parents, operator, note, text, candidate.reflector)

    def _is_solved(self) -> bool:
        """Whether a candidate passes every case of the race, so that the search has nothing left to fix."""
        size = len(self._race)
        return not self._aims_cheaper and any(c.mean() >= 1.0 and len(c.scores) >= size for c in self._state.population)

    def _why_no_gate(self) -> str:
        return f"better on the cases that the search has seen, but not tested on others: {self._gate.refusal}"

    def _why_no_better(self, incumbent: Candidate) -> str:
        tried = len(self._state.genomes) - 1
        if self._aims_cheaper:
            return f"none of {count(tried, 'candidate')} is as good with {SAVING:.0%} fewer tokens"
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
            round(self._rollouts.budget.total),
            tuple(self._task_info(task) for task in plan.tasks),
            self._info(incumbent),
            plan.estimate,
            plan.started_s,
            plan.resumed,
            plan.command,
            self._rollouts.budget.unit,
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
