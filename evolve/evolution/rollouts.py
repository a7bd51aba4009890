"""Asks one candidate about cases and scores its answers, from the ledger where it has them, within a budget."""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from evolve.core.evaluation.agent_prompts import DemoBank, render_agent
from evolve.core.evaluation.cut_answers import limit_text
from evolve.core.evaluation.judging import Judge, is_model_graded, target, worst_error
from evolve.core.evaluation.scratch import drop_scratch, scratch_of
from evolve.core.formats.json_text import json_or
from evolve.core.model.agents import Agent, AgentPrompt, Demo, Render
from evolve.core.model.answers import Answer, Request, TokenUsage, repeated_identity
from evolve.core.model.errors import CannotEvaluate, EnvironmentFault, InputError, Location, Problem
from evolve.core.model.json_value import JsonValue
from evolve.core.model.ports import Ledger, LedgerAnswer, Provider
from evolve.core.model.suite import Evaluation, Prompt, ProviderSpec
from evolve.core.model.verdicts import Verdict, flatten
from evolve.core.search.genome import Genome, agent_of, demos_of
from evolve.core.search.tasks import Score, Task
from evolve.core.suites.suite_dump import requirements_mapping
from evolve.evolution.budget import Budget, Rates, Work, first_within

SCORER_VERSION = 1
"""Raise it when the same answer gets another score than before: stored scores of older versions are then ignored."""

_REASON_CHARS = 2000
"""Of the reasons of one answer's assertions together."""


@dataclass(frozen=True, slots=True)
class Rollout:
    """One candidate's answer to one case, scored."""

    task: Task
    score: Score
    is_free: bool
    tokens: TokenUsage
    seconds: float
    spent: int
    """Answers paid for so far, including this one."""
    latency_s: float = 0.0
    """How long the model worked on the answer, whichever run paid for it; includes waiting where only that is known."""
    length: int = 0
    """Its tokens, whichever run paid for them."""
    is_cut: bool = False
    """The answer was cut at the token limit."""
    used: float = 0
    """Of the budget so far, in its unit."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A rendered question and what decides its answer."""

    request: Request
    identity: JsonValue
    key: str
    """The identity as text."""
    work: Work
    """Its size."""
    scratch: tuple[str, ...] = ()
    """Fields of the answer that are dropped before it is judged."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """An answer that has not been counted against the budget yet, scored."""

    task: Task
    question: Asked
    received: LedgerAnswer
    score: Score
    seconds: float
    """0 for an answer that the ledger had."""

    def used(self, rates: Rates) -> float:
        """Return what the answer uses of a budget, whichever run paid for it."""
        return rates.used(self.received.answer, self.question.work, _model_s(self.received.answer))


class Rollouts:
    """Answers and scores of one run.

    Args:
        tasks: all cases; banks of demos are made of the labelled train cases.
        concurrency: questions in flight at once.
        own_demos: the bank of demos that came with the agent's file.
        clock: seconds from any starting point, never going back.
    """

    def __init__(
        self,
        *,
        run: str,
        base: Agent,
        provider: Provider,
        ledger: Ledger,
        judge: Judge,
        render: Render,
        tasks: Sequence[Task],
        budget: Budget,
        clock: Callable[[], float],
        concurrency: int = 4,
        own_demos: Sequence[Demo] = (),
    ) -> None:
        self.run, self.base, self.budget = run, base, budget
        self._provider, self._ledger, self._judge, self._render = provider, ledger, judge, render
        self._tasks, self._own_demos = tasks, own_demos
        self._clock = clock
        self.concurrency = concurrency
        self.provider_id = provider.id
        self._slots = asyncio.Semaphore(concurrency)
        self._fault: Exception | None = None
        """What the first question that failed raised."""
        self._banks: dict[JsonValue, DemoBank] = {}
        self._works: dict[str, dict[str, Work]] = {}
        """Sizes of questions, by genome and case: making a prompt takes long, and a search asks for its size often."""
        self._counted: set[str] = set()
        self._unstored: dict[str, Answer] = {}
        """Answers with an error: the ledger stores none, but one run must not pay for the same one twice."""
        self.model_s = 0.0
        """Seconds in which at least one call was running."""
        self.calls = 0
        """Calls that have ended."""
        self._under_way = 0
        self._busy_since = 0.0

    def prompt(self, genome: Genome, task: Task) -> AgentPrompt:
        """Return the candidate's prompt for a case; it contains no demo of the case's own family."""
        agent = agent_of(genome, self.base)
        return render_agent(agent, task.vars, self._bank(agent, genome), self._render, family=task.family)

    async def many(self, genome: Genome, tasks: Sequence[Task], *, repeat: int = 0) -> list[Rollout]:
        """Return the candidate's scores on cases, in their order; fewer than asked for when the budget ends first.

        Raises:
            EnvironmentFault: the endpoint failed. Answers from before are in the ledger.
        """
        rest = [(task, self._ask(genome, task, repeat)) for task in tasks]
        done: list[Rollout] = []
        # In rounds: what answers did not use of the most that they could pays for others.
        while asked := self._affordable(rest):
            done += [self.count(answer) for answer in await self._fetch(asked)]
            rest = rest[len(asked) :]
        return done

    async def fetch(self, genome: Genome, tasks: Sequence[Task]) -> list[Fetched]:
        """Return the candidate's answers to cases, in their order, before they count against the budget.

        Several calls may run at once: `concurrency` holds for all of them together. The caller has made sure that the
        budget pays for the answers, and counts them with `count`.

        Raises:
            EnvironmentFault: the endpoint failed. Answers from before are in the ledger.
        """
        return await self._fetch([(task, self._ask(genome, task, 0)) for task in tasks])

    async def _fetch(self, asked: Sequence[tuple[Task, Asked]]) -> list[Fetched]:
        working = [asyncio.ensure_future(self._next(task, question)) for task, question in asked]
        try:
            return await asyncio.gather(*working)
        finally:
            for one in working:
                one.cancel()
            await asyncio.gather(*working, return_exceptions=True)

    async def _next(self, task: Task, question: Asked) -> Fetched:
        async with self._slots:
            # Once a question failed, no other is asked: a dead endpoint is not asked once per question.
            if self._fault is not None:
                raise self._fault
            try:
                return await self._answered(task, question)
            except Exception as error:
                self._fault = error
                raise

    def within(self, genome: Genome, tasks: Sequence[Task], amount: float, rates: Rates) -> list[Task]:
        """Return as many of the first cases as an amount pays for, even if all answers were new.

        Args:
            genome: who would answer.
            tasks: the cases.
            amount: in the unit of the budget.
            rates: what an answer uses at most.
        """
        return list(tasks)[: first_within(amount, self._most(genome, tasks, rates))]

    def most(self, genome: Genome, tasks: Sequence[Task], rates: Rates) -> float:
        """Return the most that the candidate's answers to cases can use, even if all were new."""
        return sum(self._most(genome, tasks, rates))

    def _most(self, genome: Genome, tasks: Sequence[Task], rates: Rates) -> Sequence[float]:
        if rates.unit == "answers":
            return [1] * len(tasks)
        known = self._works.setdefault(genome.id, {})
        for task in tasks:
            if task.id not in known:
                known[task.id] = self._ask(genome, task, 0).work
        return [rates.most(known[task.id]) for task in tasks]

    def needs(self, genome: Genome, task: Task) -> float:
        """Return the most of the budget that the candidate's answer to this case can use; 0 where it is free."""
        return self._needs(self._ask(genome, task, 0))

    def _needs(self, question: Asked) -> float:
        return self.budget.rates.most(question.work) if self._price(question) else 0

    def price(self, genome: Genome, task: Task) -> int:
        """Return 1 when the candidate's answer to this case would count against the budget, 0 when it is free."""
        return self._price(self._ask(genome, task, 0))

    def _price(self, question: Asked) -> int:
        return 0 if question.key in self._counted else self._ledger.price(question.identity, self.run)

    def _affordable(self, asked: Sequence[tuple[Task, Asked]]) -> list[tuple[Task, Asked]]:
        """As many of the first questions as the budget can pay for."""
        left, known, taken = self.budget.left, set[str](), list[tuple[Task, Asked]]()
        for task, question in asked:
            left -= 0 if question.key in known else self._needs(question)
            known.add(question.key)
            if left < 0:
                break
            taken.append((task, question))
        return taken if self.budget.is_measured else taken[:1]

    def count(self, done: Fetched) -> Rollout:
        """Return an answer as a rollout, counted against the budget.

        Answers are counted in the order in which the search decides about them, whatever order they arrived in: then
        the same seed spends the same at each of its decisions.
        """
        answer, budget = done.received.answer, self.budget
        is_paid = self._price(done.question) > 0
        budget.see(done.question.work, _model_s(answer))
        if is_paid:
            self._counted.add(done.question.key)
            budget.pay(answer, done.question.work, _model_s(answer))
            budget.repeated += done.received.is_repeated
        else:
            budget.free += 1
        return Rollout(
            done.task,
            done.score,
            not is_paid,
            answer.tokens if is_paid else TokenUsage(),
            done.seconds,
            budget.spent,
            _model_s(answer),
            answer.tokens.total,
            answer.is_cut,
            budget.used,
        )

    def _ask(self, genome: Genome, task: Task, repeat: int) -> Asked:
        made = self.prompt(genome, task)
        request = Request(made.text, task.vars, made.config, label=self.base.name, repeat=repeat)
        identity = self._provider.identity(request)
        if identity is None:  # the provider's answers are never shared, but one run must not pay for the same one twice
            identity = {"run": self.run, "prompt": made.text, "config": dict(made.config)}
        named = repeated_identity(identity, repeat)
        return Asked(request, named, json.dumps(named, sort_keys=True), Work.of(request), genome.scratch)

    async def _answered(self, task: Task, question: Asked) -> Fetched:
        begun = self._clock()
        received = await self._ledger.answer(question.identity, self.run, lambda: self._buy(question))
        seconds = self._clock() - begun if received.is_new else 0.0
        answer = received.answer
        score = await self._score(task, question, answer)
        if answer.is_cut and not score.passed:
            score = replace(score, reason=f"{score.reason} (cut at the token limit, {limit_text(answer)})")
        return Fetched(task, question, received, score, seconds)

    async def _buy(self, question: Asked) -> Answer:
        if question.key in self._unstored:
            return self._unstored[question.key]
        answer = await self._time(question.request)
        if answer.error is not None:
            self._unstored[question.key] = answer
        return answer

    async def _time(self, request: Request) -> Answer:
        if not self._under_way:
            self._busy_since = self._clock()
        self._under_way += 1
        try:
            return await self._provider.answer(request)
        except CannotEvaluate as error:  # the user's own provider code
            return Answer(None, error=str(error))
        finally:
            self._under_way -= 1
            self.calls += 1
            if not self._under_way:
                self.model_s += self._clock() - self._busy_since

    async def _score(self, task: Task, question: Asked, given: Answer) -> Score:
        answer = replace(given, output=drop_scratch(given.output, question.scratch))
        thought = scratch_of(given.output, question.scratch) or None
        return replace(await self._score_of_answer(task, question, answer), thought=thought)

    async def _score_of_answer(self, task: Task, question: Asked, answer: Answer) -> Score:
        if answer.error is not None or answer.output is None:
            return Score(0.0, False, answer.error or "no output")
        judged = _scoring_key(task)
        stored = self._ledger.score(question.identity, judged)
        if isinstance(stored, dict):
            return _score_of(stored)
        verdict = await self._verdict(task, question.request, answer)
        score = _scored_event(task, answer, verdict)
        # Judge again what could not be judged now, and what a file judges: the file may change.
        if not verdict.error and "file://" not in json.dumps(judged):
            self._ledger.keep_score(question.identity, judged, _as_json(score))
        return score

    async def score_output(self, task: Task, output: JsonValue) -> Score | None:
        """Return what an output would be worth that no model gave; None where only a model could judge it."""
        if task.accepted and (is_model_graded(task.test) or not task.test.requirements):
            is_right = output in task.accepted
            return Score(float(is_right), is_right, "", output, task.is_harmful(output))
        if is_model_graded(task.test):
            return None
        text = output if isinstance(output, str) else json.dumps(output, ensure_ascii=False)
        answer = Answer(text)
        try:
            return _scored_event(task, answer, await self._verdict(task, Request("", task.vars), answer))
        except EnvironmentFault:  # what it needs is away now; the comparison is no reason to end a run
            return None

    async def _verdict(self, task: Task, request: Request, answer: Answer) -> Verdict:
        spec = ProviderSpec(self._provider.id)
        evaluation = Evaluation(task.description, task.test, task.vars, Prompt("", request.label), spec, 0, 0)
        verdict = await self._judge.verdict(target(answer.output, answer, evaluation, task.vars, request.prompt))
        if verdict.error and worst_error(verdict) == "environment":
            raise EnvironmentFault(verdict.error)
        if verdict.error and worst_error(verdict) == "input":
            raise InputError(Problem(f"{task.description}: {verdict.error}", Location(task.file)))
        return verdict

    def _bank(self, agent: Agent, genome: Genome) -> DemoBank | None:
        settings = agent.demos
        if settings is None:
            return None
        key = json.dumps([settings.select, settings.digest, genome.digest_chars, genome.demo_ids, genome.taught])
        if key not in self._banks:
            demos: list[Demo] = demos_of(genome, self._tasks, self._own_demos)
            self._banks[key] = DemoBank(agent, settings, demos, self._render)
        return self._banks[key].with_k(settings.k)


def _scoring_key(task: Task) -> JsonValue:
    """Everything that decides what an answer is worth."""
    return {
        "version": SCORER_VERSION,
        "requirements": [*requirements_mapping(task.test)],
        "forbidden": list(task.forbidden),
        "task": task.id,
    }


def _scored_event(task: Task, answer: Answer, verdict: Verdict) -> Score:
    output = json_or(answer.output, answer.output) if isinstance(answer.output, str) else answer.output
    value = float(verdict.passed) if task.accepted else min(1.0, max(0.0, verdict.score))
    return Score(value, verdict.passed, _why(verdict), output, task.is_harmful(output))


def _why(verdict: Verdict) -> str:
    """The reasons of all assertions that failed, each once; the test's own where none has one."""
    leaves = [part for part in flatten(verdict.components) if not part.components]
    reasons = dict.fromkeys(part.reason for part in leaves if not part.passed and part.reason)
    return "; ".join(reasons)[:_REASON_CHARS] if len(reasons) > 1 else verdict.reason


def _model_s(answer: Answer) -> float:
    """llama.cpp reports its own time; an endpoint's latency may include waiting for other questions."""
    timings = answer.raw.get("timings") if isinstance(answer.raw, dict) else None
    if isinstance(timings, dict):
        parts = [timings.get("prompt_ms"), timings.get("predicted_ms")]
        if all(isinstance(part, int | float) for part in parts):
            return sum(float(str(part)) for part in parts) / 1000
    return answer.latency_ms / 1000


def _as_json(score: Score) -> dict[str, JsonValue]:
    return {
        "value": score.value,
        "passed": score.passed,
        "reason": score.reason,
        "output": score.output,
        "harm": score.is_harmful,
    }


def _score_of(stored: Mapping[str, JsonValue]) -> Score:
    value = stored["value"]
    return Score(
        float(value) if isinstance(value, int | float) else 0.0,
        bool(stored["passed"]),
        str(stored["reason"]),
        stored["output"],
        bool(stored["harm"]),
    )


__all__ = ["SCORER_VERSION", "Fetched", "Rollout", "Rollouts"]
