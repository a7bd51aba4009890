"""Puts an evolution together: what it opens, its first answers measured, and the loop that uses them."""

import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, NoReturn, Protocol, TypeAlias, TypeVar

from evolve.core.evaluation.judging import Judge
from evolve.core.evolution.request import DEFAULT_BUDGET, EvolutionRequest
from evolve.core.model.agents import DemoSettings
from evolve.core.model.errors import InputError, Location, Problem
from evolve.core.model.evolution_events import BudgetUnit, Estimate
from evolve.core.model.ports import Ledger, Provider
from evolve.core.model.provider_id import is_embedded
from evolve.core.search.case_index import CaseIndex
from evolve.core.search.genome import Genome, agent_of, incumbent_of
from evolve.core.search.lookup import SEARCH_DIGEST
from evolve.core.search.samples import sample
from evolve.core.search.tasks import Task
from evolve.core.templating.templates import Templates
from evolve.evaluation.runner import Closable
from evolve.evaluation.setup import Settings, open_provider_by_id, tools_for
from evolve.evolution.budget import Budget, answer_limit
from evolve.evolution.gate_stage import Gates
from evolve.evolution.inputs import EvolutionInputs
from evolve.evolution.loop import Evolution, Plan
from evolve.evolution.reflectors import AgentReflector, Reflector
from evolve.evolution.rollouts import Rollouts
from evolve.executors.opening import Distributor
from evolve.store.agent_files import agent_text
from evolve.store.agents import find_agent, load_agent
from evolve.store.answers import NoAnswers
from evolve.store.ledger import SqliteLedger

_Resource = TypeVar("_Resource", bound=Closable)

ADAPTATION_AGENT = "ADAPTATION_AGENT"
"""The agent that a reflector answers for."""
_TYPICAL_DEMOS = DemoSettings("demos.yaml", "likely", k=2, digest=SEARCH_DIGEST)
"""Demos as most candidates use them: the estimate measures how much longer they make a prompt."""
_PROBES = 3
"""Answers that are measured for the estimate: the first also loads the model and is not timed, two more are."""
_EMBEDDED_AT_ONCE, _AT_ONCE = 2, 8
"""Questions at once: an embedded model has one slot; a second question waits, so that the slot is never idle."""


KnownBudget: TypeAlias = tuple[int, BudgetUnit]
"""A run's whole budget, and what it counts."""


class OpenLedger(Ledger, Closable, Protocol):
    """A ledger that holds its files until it is closed."""


@dataclass(frozen=True, slots=True)
class Openers:
    """How a run opens its provider and its ledger."""

    provider: Callable[[str, Settings, Templates], Provider] = open_provider_by_id
    ledger: Callable[[Path], OpenLedger] = SqliteLedger


OPENERS: Final = Openers()
"""The openers that the commands use."""


@dataclass(frozen=True, slots=True)
class Resources:
    """What one run has opened, each once: settling and evolving share it."""

    provider_id: str
    provider: Provider
    ledger: Ledger
    templates: Templates
    openers: Openers
    held: AsyncExitStack
    """Closes all of it."""

    def hold(self, resource: _Resource) -> _Resource:
        """Return the resource, which is closed with the others from now on."""
        return _hold(self.held, resource)


@asynccontextmanager
async def open_resources(provider: str, settings: Settings, openers: Openers) -> AsyncIterator[Resources]:
    """Open the ledger and the provider of this id; they are closed when the context ends.

    Raises:
        InputError: there is no such provider.
        EnvironmentFault: provider or ledger cannot be opened here.
    """
    async with AsyncExitStack() as held:
        templates = Templates("strict")
        ledger = _hold(held, openers.ledger(settings.cache_dir))
        opened = _hold(held, openers.provider(provider, settings, templates))
        yield Resources(provider, opened, ledger, templates, openers, held)


async def prepare(
    request: EvolutionRequest,
    inputs: EvolutionInputs,
    opened: Resources,
    index: CaseIndex,
    gates: Gates,
    *,
    run: str,
    known_budget: KnownBudget | None,
) -> Evolution:
    """Return the evolution, its first answers measured for the estimate.

    Args:
        request: what was asked for.
        inputs: agent and cases.
        opened: who answers, and where answers are stored.
        index: of the inputs' cases; it may hold more.
        gates: the project's memory of its gates.
        run: the run's name.
        known_budget: the budget of an earlier attempt of this run; None for the first attempt.

    Raises:
        InputError: the reflector is wrong; or the budget is one in tokens and no answer has a limit of them; or the run
            counts tokens, and the provider does not report them.
        EnvironmentFault: the provider does not answer.
    """
    # Before the first answer is paid for: a wrong name is reported at once.
    reflectors = [_reflector(request, name, inputs.settings, opened, run=run) for name in request.reflectors]
    budget = Budget(*(known_budget or _budget_of(request)))
    _check_limit(budget, inputs)
    rollouts = rollouts_for(request, inputs, opened, run=run, budget=budget)
    agent, genome = inputs.agent, incumbent_of(inputs.agent)
    is_closed = index.odds is not None
    estimate = await _estimate(request, rollouts, genome, inputs.tasks, is_closed)
    plan = Plan(
        run=run,
        agent=agent.title,
        incumbent=genome,
        tasks=inputs.tasks,
        seed=request.seed,
        provider=opened.provider_id,
        estimate=estimate,
        started_s=time.time(),
        resumed=known_budget is not None,
        command=request.command,
        shrinking=inputs.shrinking,
        written=inputs.candidates,
        opens_small_gate=request.small_gate,
        allow_cut_answers=request.allow_cut_answers,
        sampling=agent.sampling,
        objective=request.objective,
    )
    return Evolution(
        plan,
        rollouts,
        gates=gates,
        shown=lambda task: index.keys[task.id],
        text_of=lambda genome: agent_text(replace(agent_of(genome, agent), evidence=None)),
        clock=time.perf_counter,
        odds=index.odds,
        lookup=index.lookup,
        reflectors=reflectors,
    )


def rollouts_for(
    request: EvolutionRequest, inputs: EvolutionInputs, opened: Resources, *, run: str, budget: Budget
) -> Rollouts:
    """Return an object that asks the provider about the inputs' cases; closing `opened` closes it, too.

    Args:
        request: what was asked for.
        inputs: agent and cases.
        opened: who answers, and where answers are stored.
        run: the run that pays.
        budget: how many answers it may pay for.
    """
    tools, resources = tools_for(inputs.judged_by, inputs.settings, NoAnswers())
    for resource in resources:
        opened.hold(resource)
    return Rollouts(
        run=run,
        base=inputs.agent,
        provider=opened.provider,
        ledger=opened.ledger,
        judge=Judge(inputs.judged_by.templates, tools),
        render=opened.templates.render,
        tasks=inputs.tasks,
        budget=budget,
        clock=time.perf_counter,
        own_demos=inputs.own_demos,
        concurrency=request.concurrency or _at_once(opened.provider, inputs.settings.distributor),
    )


def _at_once(provider: Provider, distributor: Distributor | None) -> int:
    if distributor is not None:
        return distributor.slots
    return _EMBEDDED_AT_ONCE if is_embedded(provider.id) else _AT_ONCE


def _budget_of(request: EvolutionRequest) -> KnownBudget:
    if request.tokens is not None:
        return request.tokens, "tokens"
    if request.minutes is not None:
        return max(1, round(60 * request.minutes)), "seconds"
    return request.budget or DEFAULT_BUDGET, "answers"


def _check_limit(budget: Budget, inputs: EvolutionInputs) -> None:
    """Raise InputError where the tokens of an answer have no limit, so that no budget could be kept."""
    if budget.unit == "tokens" and not answer_limit(inputs.agent.sampling):
        hint = "set sampling.max_tokens in the agent's file, or give the budget in answers or minutes"
        where = Location(str(inputs.agent_path))
        raise InputError(Problem("a budget in tokens needs a limit for one answer", where, hint))


def _hold(held: AsyncExitStack, resource: _Resource) -> _Resource:
    """The resource, which is closed when the stack is."""
    held.push_async_callback(resource.close)
    return resource


def _reflector(request: EvolutionRequest, name: str, settings: Settings, opened: Resources, *, run: str) -> Reflector:
    agent = load_agent(find_agent(ADAPTATION_AGENT))
    adviser = opened.hold(opened.openers.provider(name, settings, opened.templates))
    return AgentReflector(agent, adviser, opened.ledger, opened.templates.render, run=run, cap=request.reflector_cap)


async def _estimate(
    request: EvolutionRequest,
    rollouts: Rollouts,
    genome: Genome,
    tasks: Sequence[Task],
    is_closed: bool,
) -> Estimate:
    """What the run will cost at most; a few answers of the incumbent are measured for it.

    Raises:
        InputError: the run counts tokens, and the provider does not report them; or the budget pays for no question.
    """
    train = [task for task in tasks if task.split == "train" and task.is_scored]
    # The first cases that the race would ask, so that no answer is paid for the estimate alone.
    probes = sample([task for task in train if task.status == "open"] or train, _PROBES, seed=request.seed)
    # The first also waits for the model, and for its first reading of the static text.
    first = await rollouts.many(genome, probes[:1])
    if probes and not first:
        _refuse_budget(rollouts.budget, rollouts.needs(genome, probes[0]))
    timed = await rollouts.many(genome, probes[1:]) or first
    plain_s = sum(rollout.latency_s for rollout in timed) / len(timed) if timed else 0.0
    tokens = sum(rollout.length for rollout in timed) / len(timed) if timed else 0.0
    growth = _growth(rollouts, genome, probes, is_closed)
    each_s, budget = plain_s * growth, rollouts.budget
    if timed and not tokens:
        _refuse_without_tokens(request, rollouts)
    if budget.unit == "tokens":
        budget.expected = tokens * growth
    elif budget.unit == "seconds":
        budget.expected = max(each_s, budget.used / budget.spent if budget.spent else 0.0)
    left = max(0, budget.in_answers(budget.total - budget.used))
    return Estimate(left, left * each_s, each_s, int(left * tokens))


def _refuse_budget(budget: Budget, needed: float) -> NoReturn:
    text = f"a budget of {budget.total:,.0f} {budget.unit} pays for no question: the first may need {needed:,.0f}"
    usual = f"{DEFAULT_BUDGET * needed:.0f}-{budget.unit}"
    raise InputError(Problem(text, None, f"the usual {DEFAULT_BUDGET} answers need at most --budget {usual}"))


def _refuse_without_tokens(request: EvolutionRequest, rollouts: Rollouts) -> None:
    """Raise InputError where the run counts tokens, which the provider does not report."""
    text = f"{rollouts.provider_id} does not report tokens"
    if rollouts.budget.unit == "tokens":
        hint = "give the budget in answers (--budget 200) or in minutes (--budget 5m)"
        raise InputError(Problem(text, None, hint))
    if request.objective == "cheaper":
        hint = "leave --objective cheaper out, or use a provider that reports them"
        raise InputError(Problem(f"{text}, so that no prompt can be found cheaper", None, hint))


def _growth(rollouts: Rollouts, genome: Genome, tasks: Sequence[Task], is_closed: bool) -> float:
    """How much longer than the incumbent's answer an answer of the run takes on average: demos are read each time."""
    # About two of three answers of a run come from candidates with demos; 250 characters are a typical digest then.
    with_demos = (
        replace(genome, demos=_TYPICAL_DEMOS, digest_chars=genome.digest_chars and 250) if is_closed else genome
    )
    plain = sum(_case_chars(rollouts, genome, task) for task in tasks)
    demos = sum(_case_chars(rollouts, with_demos, task) for task in tasks)
    return 1.0 if not plain else (1 + 2 * max(1.0, demos / plain)) / 3


def _case_chars(rollouts: Rollouts, genome: Genome, task: Task) -> int:
    """Characters of a prompt behind its static part, which a server caches."""
    return sum(len(message["content"]) for message in rollouts.prompt(genome, task).messages[1:])
