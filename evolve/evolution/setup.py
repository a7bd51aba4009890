"""Puts an evolution together: agent, cases, provider, ledger, gate log, and the loop that uses them."""

import json
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import TypeVar

from evolve.core.evaluation.agent_prompts import search_key
from evolve.core.evaluation.judging import Judge
from evolve.core.model.agents import Agent, DemoSettings, Render
from evolve.core.model.evolution_events import Estimate
from evolve.core.model.ports import Ledger, Provider
from evolve.core.retrieval.log_odds import LogOdds
from evolve.core.search.genome import Genome, agent_of, incumbent_of
from evolve.core.search.lookup import SEARCH_DIGEST, Lookup, best_lookup
from evolve.core.search.samples import sample
from evolve.core.search.tasks import Task
from evolve.core.templating.templates import Templates
from evolve.evaluation.runner import Closable
from evolve.evaluation.setup import Settings, opened_provider, tools_for
from evolve.evolution.gate_stage import Gates
from evolve.evolution.inputs import Material, Wish
from evolve.evolution.loop import Evolution, Plan
from evolve.evolution.proposer import Reflector
from evolve.evolution.reflector import AgentReflector
from evolve.evolution.rollouts import Budget, Rollouts
from evolve.store.agent_files import agent_text
from evolve.store.agents import find_agent, load_agent
from evolve.store.answers import NoAnswers
from evolve.store.ledger import SqliteLedger

_Resource = TypeVar("_Resource", bound=Closable)

ADAPTATION_AGENT = "ADAPTATION_AGENT"
_CLOSED_SET_SHARE = 3
"""Answers are a closed set when there are at least so many labelled cases for each on average."""
_TYPICAL_DEMOS = DemoSettings("demos.yaml", "likely", k=2, digest=SEARCH_DIGEST)
_PROBES = 3
_EMBEDDED_AT_ONCE, _AT_ONCE = 2, 8
"""Questions at once: an embedded model has one slot, the second question waits at its door."""
_MINUTES_FACTOR = 0.9
_MIN_BUDGET = 40


@dataclass(slots=True)
class Prepared:
    """An evolution that is ready to run; `close` frees what it holds."""

    evolution: Evolution
    material: Material
    render: Render
    held: AsyncExitStack
    """Providers, tools and the ledger."""

    async def close(self) -> None:
        """Closes what it holds."""
        await self.held.aclose()


async def prepare(
    wish: Wish,
    material: Material,
    settings: Settings,
    gates: Gates,
    *,
    run: str,
    provider: str,
    known_budget: int | None,
) -> Prepared:
    """The evolution, its first answers measured for the estimate.

    Args:
        known_budget: what an earlier attempt of this run had measured; None for a first one.

    Raises:
        InputError: provider or reflector are wrong.
        EnvironmentFault: the provider does not answer.
    """
    async with AsyncExitStack() as held:
        templates = Templates("strict")
        ledger = _held(held, SqliteLedger(settings.cache_dir))
        opened = _held(held, opened_provider(provider, settings, templates))
        # Before the first answer is bought: a wrong name is told at once.
        reflector = _reflector(wish, settings, templates, ledger, held, run)
        named = replace(wish, provider=provider)
        budget = Budget(known_budget or wish.budget or _MIN_BUDGET)
        rollouts = rollouts_for(
            named, material, settings, run=run, provider=opened, ledger=ledger, budget=budget, held=held
        )
        evolution = await _evolution(named, material, rollouts, gates, reflector, templates.render, known_budget)
        return Prepared(evolution, material, templates.render, held.pop_all())


def rollouts_for(
    wish: Wish,
    material: Material,
    settings: Settings,
    *,
    run: str,
    provider: Provider,
    ledger: Ledger,
    budget: Budget,
    held: AsyncExitStack,
) -> Rollouts:
    """Asks the provider about the material's cases; what the assertions' tools hold is closed with `held`."""
    tools, resources = tools_for(material.judged_by, settings, NoAnswers())
    for resource in resources:
        _held(held, resource)
    is_embedded = provider.id.startswith("llamacpp:")
    return Rollouts(
        run=run,
        base=material.agent,
        provider=provider,
        ledger=ledger,
        judge=Judge(material.judged_by.templates, tools),
        render=Templates("strict").render,
        tasks=material.tasks,
        budget=budget,
        clock=time.perf_counter,
        own_demos=material.own_demos,
        concurrency=wish.concurrency or (_EMBEDDED_AT_ONCE if is_embedded else _AT_ONCE),
    )


async def _evolution(
    wish: Wish,
    material: Material,
    rollouts: Rollouts,
    gates: Gates,
    reflector: Reflector | None,
    render: Render,
    known_budget: int | None,
) -> Evolution:
    """The loop, its first answers measured."""
    agent, genome = material.agent, incumbent_of(material.agent)
    key_agent = as_searched(agent)
    labelled = [task for task in material.tasks if task.split == "train" and task.label is not None]
    keys = {task.id: search_key(key_agent, task.vars, render) for task in material.tasks}
    odds, lookup = lookups(labelled, keys)
    is_closed = odds is not None
    estimate, rollouts.budget.total = await _estimate(wish, rollouts, genome, material.tasks, is_closed, known_budget)
    plan = Plan(
        run=rollouts.run,
        agent=agent.title,
        incumbent=genome,
        tasks=material.tasks,
        seed=wish.seed,
        budget=rollouts.budget.total,
        provider=wish.provider or agent.model,
        estimate=estimate,
        started_s=time.time(),
        resumed=known_budget is not None,
        command=wish.command,
        shrinking=material.shrinking,
    )
    return Evolution(
        plan,
        rollouts,
        gates=gates,
        shown=lambda task: keys[task.id],
        text_of=lambda genome: agent_text(replace(agent_of(genome, agent), evidence=None)),
        clock=time.perf_counter,
        odds=odds,
        lookup=lookup,
        reflector=reflector,
    )


def _held(held: AsyncExitStack, resource: _Resource) -> _Resource:
    """The resource, which is closed when the stack is."""
    held.push_async_callback(resource.close)
    return resource


def _reflector(
    wish: Wish, settings: Settings, templates: Templates, ledger: Ledger, held: AsyncExitStack, run: str
) -> Reflector | None:
    if wish.reflector is None:
        return None
    agent = load_agent(find_agent(ADAPTATION_AGENT))
    adviser = _held(held, opened_provider(wish.reflector, settings, templates))
    return AgentReflector(agent, adviser, ledger, templates.render, run=run, cap=wish.reflector_cap)


def as_searched(agent: Agent) -> Agent:
    """The agent as lookups see its cases: reports by a longer digest."""
    inputs = tuple(replace(i, digest_chars=SEARCH_DIGEST) if i.digest_chars else i for i in agent.inputs)
    return replace(agent, inputs=inputs, demos=None)


def lookups(labelled: Sequence[Task], keys: Mapping[str, str]) -> tuple[LogOdds | None, Lookup | None]:
    """What the labelled cases alone can say; nothing where answers are no closed set."""
    answers = [json.dumps(task.label, ensure_ascii=False) for task in labelled]
    if not answers or len(set(answers)) * _CLOSED_SET_SHARE > len(answers):
        return None, None
    texts, families = [keys[task.id] for task in labelled], [task.family for task in labelled]
    return LogOdds(texts, answers), best_lookup(texts, answers, families)


async def _estimate(
    wish: Wish, rollouts: Rollouts, genome: Genome, tasks: Sequence[Task], is_closed: bool, known_budget: int | None
) -> tuple[Estimate, int]:
    """What the run will cost at most, and its budget; a few answers of the incumbent are measured for it."""
    train = [task for task in tasks if task.split == "train" and task.is_scored]
    # The first that the race would ask: nothing is bought for the estimate alone.
    probes = sample([task for task in train if task.status == "open"] or train, _PROBES, seed=wish.seed)
    done = [rollout for task in probes for rollout in await rollouts.many(genome, [task])]
    timed = done[-2:]  # the first also waits for the model, and for its first reading of the static text
    plain_s = sum(rollout.latency_s for rollout in timed) / len(timed) if timed else 0.0
    tokens = sum(rollout.length for rollout in timed) / len(timed) if timed else 0.0
    each_s = plain_s * _growth(rollouts, genome, probes, is_closed)
    budget = known_budget or wish.budget or _MIN_BUDGET
    if known_budget is None and wish.minutes is not None:
        budget = max(_MIN_BUDGET, int(wish.minutes * 60 * _MINUTES_FACTOR / max(each_s, 1e-3)))
    left = max(0, budget - rollouts.budget.spent)
    return Estimate(left, left * each_s, each_s, int(left * tokens)), budget


def _growth(rollouts: Rollouts, genome: Genome, tasks: Sequence[Task], is_closed: bool) -> float:
    """How much longer than the incumbent's answer an answer of the run takes on average: demos are read each time."""
    with_demos = (
        replace(genome, demos=_TYPICAL_DEMOS, digest_chars=genome.digest_chars and 250) if is_closed else genome
    )
    plain = sum(_case_chars(rollouts, genome, task) for task in tasks)
    demos = sum(_case_chars(rollouts, with_demos, task) for task in tasks)
    return 1.0 if not plain else (1 + 2 * max(1.0, demos / plain)) / 3


def _case_chars(rollouts: Rollouts, genome: Genome, task: Task) -> int:
    """Characters of a prompt behind its static part, which a server caches."""
    return sum(len(message["content"]) for message in rollouts.prompt(genome, task).messages[1:])
