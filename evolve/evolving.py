"""Puts an evolution together: agent, cases, provider, ledger, gate log, and the loop that uses them."""

import hashlib
import json
import os
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from evolve.assembly import LoadedSuite, Settings, load, tools_for
from evolve.core.agents import Agent, DemoSettings, Render, search_key
from evolve.core.errors import InputError, Location, Problem
from evolve.core.evolution_events import Estimate
from evolve.core.judging import Judge
from evolve.core.log_odds import LogOdds
from evolve.core.ports import Ledger, Provider
from evolve.core.search.gate_history import GateRecord, usable_gate_families
from evolve.core.search.genome import Genome, agent_of, genome_of
from evolve.core.search.lookup import Lookup, best_lookup
from evolve.core.search.splits import sample
from evolve.core.search.task_list import CaseWithTest, case_tasks, merged, suite_tasks
from evolve.core.search.tasks import Task
from evolve.core.suite import ProviderSpec
from evolve.core.templating.templates import Templates
from evolve.engine import Evolution, Plan
from evolve.gate_stage import Gates
from evolve.proposing import Reflector
from evolve.providers import ProviderSettings, open_provider
from evolve.reflector import AgentReflector
from evolve.rollouts import Budget, Rollouts
from evolve.runner import Closable
from evolve.store.agent_files import agent_text
from evolve.store.agents import find_agent, load_agent
from evolve.store.answers import NoAnswers
from evolve.store.case_files import StoredCase, load_cases
from evolve.store.files import LocalFiles
from evolve.store.ledger import SqliteLedger
from evolve.store.scripts import LocalScripts

_Resource = TypeVar("_Resource", bound=Closable)

ADAPTATION_AGENT = "ADAPTATION_AGENT"
_SEARCH_DIGEST = 500
_CLOSED_SET_SHARE = 3
"""Answers are a closed set when there are at least so many labelled cases for each on average."""
_TYPICAL_DEMOS = DemoSettings("demos.yaml", "likely", k=2, digest=_SEARCH_DIGEST)
_PROBES = 3
_MINUTES_FACTOR = 0.9
_MIN_BUDGET = 40


@dataclass(frozen=True, slots=True)
class Wish:
    """What the user asked for."""

    cases: tuple[str, ...]
    """Failure cases: files or folders."""
    suite: str | None = None
    agent: str | None = None
    """Name or file; None for the agent that the cases name."""
    budget: int | None = 200
    minutes: float | None = None
    """In place of a budget: as many answers as this time allows, as measured."""
    seed: int = 1
    provider: str | None = None
    reflector: str | None = None
    reflector_cap: int = 30
    concurrency: int | None = None
    command: str = ""


@dataclass(frozen=True, slots=True)
class Material:
    """What a run works with, read and checked."""

    agent: Agent
    agent_path: Path
    tasks: tuple[Task, ...]
    judged_by: LoadedSuite
    """Whose templates and files assertions use."""
    cases: tuple[StoredCase, ...]


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


def read_material(wish: Wish, settings: Settings) -> Material:
    """Agent, suite and failure cases.

    Raises:
        InputError: every problem of them.
    """
    stored = load_cases(_case_files(wish.cases))
    path = find_agent(wish.agent or _agent_of(stored))
    agent = load_agent(path)
    suite_file = wish.suite or _suite_of(agent)
    loaded_cases = [(item, load(str(item.path), settings)) for item in stored]
    suite = load(suite_file, settings) if suite_file else None
    if suite is None and not loaded_cases:
        raise InputError(Problem("nothing to evolve on", None, "name failure cases (--test-case) or a suite (--suite)"))
    judged_by = suite or loaded_cases[0][1]
    tests = [CaseWithTest(item.case, loaded.suite.tests[0], str(item.path)) for item, loaded in loaded_cases]
    known = suite_tasks(suite.evaluations, agent.output, suite_file or "") if suite else []
    tasks = merged(known, case_tasks(tests, agent.output))
    _check_inputs(agent, tasks, suite_file)
    return Material(agent, path, tasks, judged_by, stored)


def without_worn_families(material: Material, gates: Sequence[GateRecord]) -> tuple[Material, str]:
    """The material without gate cases that earlier gates or the search have read too often, and what to say of it."""
    families = {task.family for task in material.tasks if task.split == "gate"}
    searched = {item.case.family for item in material.cases}
    supply = usable_gate_families(families, gates, material.agent.name, searched=searched)
    usable = frozenset(supply.usable)
    kept = tuple(task for task in material.tasks if task.split != "gate" or task.family in usable)
    return replace(material, tasks=kept), supply.advice


def run_id(wish: Wish, material: Material, provider: str) -> str:
    """The name of a run: the same wish on the same material is the same run, whose second try goes on."""
    listed = [[task.id, task.split, task.status] for task in material.tasks]
    budget = wish.budget if wish.minutes is None else f"{wish.minutes:g}m"
    reflector = [wish.reflector, wish.reflector_cap] if wish.reflector else None
    told = [agent_text(material.agent), listed, wish.seed, budget, provider, reflector]
    digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:8]
    return f"{material.agent.name.lower().replace('_', '-')}-{digest}"


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
        opened = _held(held, _open(provider, settings, templates))
        # Before the first answer is bought: a wrong name is told at once.
        reflector = _reflector(wish, settings, templates, ledger, held, run)
        tools, resources = tools_for(material.judged_by, settings, NoAnswers())
        for resource in resources:
            _held(held, resource)
        rollouts = Rollouts(
            run=run,
            base=material.agent,
            provider=opened,
            ledger=ledger,
            judge=Judge(material.judged_by.templates, tools),
            render=templates.render,
            tasks=material.tasks,
            budget=Budget(known_budget or wish.budget or _MIN_BUDGET),
            clock=time.perf_counter,
            concurrency=wish.concurrency or (2 if provider.startswith("llamacpp:") else 8),
        )
        named = replace(wish, provider=provider)
        evolution = await _evolution(named, material, rollouts, gates, reflector, templates.render, known_budget)
        return Prepared(evolution, material, templates.render, held.pop_all())


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
    agent, genome = material.agent, genome_of(material.agent)
    key_agent = _with_search_view(agent)
    labelled = [task for task in material.tasks if task.split == "train" and task.label is not None]
    keys = {task.id: search_key(key_agent, task.vars, render) for task in material.tasks}
    odds, lookup = _lookups(labelled, keys)
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
    adviser = _held(held, _open(wish.reflector, settings, templates))
    return AgentReflector(agent, adviser, ledger, templates.render, run=run, cap=wish.reflector_cap)


def _case_files(names: Sequence[str]) -> list[Path]:
    """The files named, and those in the folders named.

    Raises:
        InputError: a name that is neither.
    """
    found: list[Path] = []
    problems: list[Problem] = []
    for name in names:
        path = Path(name)
        if path.is_dir():
            found += sorted(p for p in path.glob("**/*.yaml") if not p.name.startswith("."))
        elif path.is_file():
            found.append(path)
        else:
            problems.append(Problem("no such file or folder", Location(name), "--test-case takes failure cases"))
    if problems:
        raise InputError(problems)
    return list(dict.fromkeys(found))


def _agent_of(stored: Sequence[StoredCase]) -> str:
    names = sorted({item.case.agent for item in stored})
    if len(names) == 1:
        return names[0]
    if not names:
        raise InputError(Problem("which agent?", None, "name it with --agent"))
    raise InputError(Problem(f"the cases are of several agents: {', '.join(names)}", None, "choose one with --agent"))


def _suite_of(agent: Agent) -> str | None:
    """The suite that the agent's evidence was measured on, where it is here."""
    found = agent.evidence.get("suite") if isinstance(agent.evidence, dict) else None
    return found if isinstance(found, str) and Path(found).is_file() else None


def _check_inputs(agent: Agent, tasks: Sequence[Task], suite: str | None) -> None:
    """Every case must have what the agent reads.

    Raises:
        InputError: naming each input that some case lacks.
    """
    problems = []
    for item in agent.inputs:
        lacking = [task for task in tasks if item.name not in task.vars]
        if lacking:
            first = lacking[0]
            where = Location(first.file or suite or "")
            what = f"{len(lacking)} cases have no var {item.name!r}, which {agent.name} reads"
            problems.append(Problem(f"{what}; the first is {first.description!r}", where))
    if problems:
        raise InputError(problems)


def _open(name: str, settings: Settings, templates: Templates) -> Provider:
    return open_provider(
        ProviderSpec(name),
        base_dir=os.getcwd(),
        files=LocalFiles(os.getcwd()),
        env=settings.env,
        scripts=LocalScripts(),
        templates=templates,
        settings=ProviderSettings.from_environment(settings.env),
    )


def _with_search_view(agent: Agent) -> Agent:
    """The agent as lookups see its cases: reports by a longer digest."""
    inputs = tuple(replace(i, digest_chars=_SEARCH_DIGEST) if i.digest_chars else i for i in agent.inputs)
    return replace(agent, inputs=inputs, demos=None)


def _lookups(labelled: Sequence[Task], keys: Mapping[str, str]) -> tuple[LogOdds | None, Lookup | None]:
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
    train = [task for task in tasks if task.split == "train" and (task.accepted or task.test.requirements)]
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


__all__ = ["Material", "Prepared", "Wish", "prepare", "read_material", "run_id", "without_worn_families"]
