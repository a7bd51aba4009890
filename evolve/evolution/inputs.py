"""What an evolution works with: the agent, and the cases as tasks in splits, read and checked."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from evolve.core.evolution.request import EvolutionRequest
from evolve.core.model.agents import Agent, Demo
from evolve.core.model.errors import InputError, Location, Problem
from evolve.core.search.gate_history import GateRecord, usable_gate_families
from evolve.core.search.hand_written import HandWritten
from evolve.core.search.task_list import CaseWithTest, case_tasks, merge_tasks, suite_tasks
from evolve.core.search.tasks import Task
from evolve.core.suites.suite_dump import requirements_mapping
from evolve.core.text.counts import count
from evolve.evaluation.setup import LoadedSuite, Settings, load
from evolve.evolution.candidate_files import read_candidates
from evolve.store.agent_files import agent_text
from evolve.store.agents import find_agent, load_agent, load_demos
from evolve.store.case_files import StoredCase, load_cases


@dataclass(frozen=True, slots=True)
class EvolutionInputs:
    """What a run works with, read and checked."""

    agent: Agent
    agent_path: Path
    tasks: tuple[Task, ...]
    judged_by: LoadedSuite
    """The suite whose templates and files the assertions use."""
    cases: tuple[StoredCase, ...]
    settings: Settings
    """How suites are read, and the environment of the caller."""
    own_demos: tuple[Demo, ...] = ()
    """The bank of demos that came with the agent's file."""
    shrinking: int = 0
    """Answers that were paid for to settle the cases."""
    candidates: tuple[HandWritten, ...] = ()
    """What people wrote, in the order of the request."""
    missing_suite: str = ""
    """The suite that the agent's evidence names, where it does not exist here and the request names none."""


def read_inputs(request: EvolutionRequest, settings: Settings) -> EvolutionInputs:
    """Return the agent, suite and failure cases that a request names.

    Raises:
        InputError: every problem of these files.
    """
    stored = load_cases(_case_files(request.cases))
    path = find_agent(request.agent or _agent_of(stored))
    agent = load_agent(path)
    recorded = _suite_of(agent)
    suite_file = request.suite or (recorded if Path(recorded).is_file() else None)
    loaded_cases, suite = _load_all(stored, suite_file, settings, agent)
    if suite is None and not loaded_cases:
        hint = "pass failure cases (--test-case) or a suite (--suite)"
        raise InputError(Problem("nothing to evolve on", None, hint))
    judged_by = suite or loaded_cases[0][1]
    tests = [CaseWithTest(item.case, loaded.suite.tests[0], str(item.path)) for item, loaded in loaded_cases]
    known = suite_tasks(suite.evaluations, agent.output, suite_file or "") if suite else []
    tasks = merge_tasks(known, case_tasks(tests, agent.output, date.today().isoformat()))
    _check_inputs(agent, tasks, suite_file)
    demos = load_demos(agent, path)
    # The split `test` is not among the run's tasks, and no candidate may copy its cases either.
    everything = [*tasks, *(task for task in known if task.split == "test")]
    return EvolutionInputs(
        agent,
        path,
        tasks,
        judged_by,
        stored,
        settings,
        tuple(demos),
        candidates=read_candidates(request.candidates, agent, demos, everything),
        missing_suite="" if suite_file else recorded,
    )


def _load_all(
    stored: Sequence[StoredCase], suite_file: str | None, settings: Settings, agent: Agent
) -> tuple[list[tuple[StoredCase, LoadedSuite]], LoadedSuite | None]:
    """The cases and the suite, their labels checked against the agent's answers.

    Raises:
        InputError: every problem of all of them.
    """
    problems: list[Problem] = []
    loaded: list[LoadedSuite] = []
    for path in [*(str(item.path) for item in stored), *([suite_file] if suite_file else [])]:
        try:
            loaded.append(load(path, settings, agent=agent, needs_prompts=path != suite_file))
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError(problems)
    suite = loaded.pop() if suite_file else None
    return list(zip(stored, loaded, strict=True)), suite


def drop_overused_gate_families(inputs: EvolutionInputs, gates: Sequence[GateRecord]) -> tuple[EvolutionInputs, str]:
    """Return the inputs without gate cases that earlier gates or the search read too often, and a message."""
    families = {task.family for task in inputs.tasks if task.split == "gate"}
    searched = {item.case.family for item in inputs.cases}
    supply = usable_gate_families(families, gates, inputs.agent.name, searched=searched)
    usable = frozenset(supply.usable)
    kept = tuple(task for task in inputs.tasks if task.split != "gate" or task.family in usable)
    return replace(inputs, tasks=kept), supply.advice


def run_id(request: EvolutionRequest, inputs: EvolutionInputs, provider: str) -> str:
    """Return the name of a run: the same request on the same inputs is the same run, and continues it."""
    listed = [
        [task.id, task.split, task.status, requirements_mapping(task.test), list(task.forbidden)]
        for task in inputs.tasks
    ]
    bank = [[dict(demo.vars), demo.output] for demo in inputs.own_demos]
    budget = request.budget if request.minutes is None else f"{request.minutes:g}m"
    budget = budget if request.tokens is None else request.budget_text
    # One reflector alone: as runs from before there could be several.
    names = [*request.reflectors] if len(request.reflectors) > 1 else request.reflector
    reflector = [names, request.reflector_cap] if names else None
    parts = [agent_text(inputs.agent), bank, listed, request.seed, budget, provider, reflector]
    parts += [] if request.objective == "better" else [request.objective]
    # By what they are, not where: a file that moved is the same candidate.
    parts += [[one.genome.id for one in inputs.candidates]] if inputs.candidates else []
    # Eight hex digits: short enough to type, and two runs of one agent hardly ever share them.
    digest = hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:8]
    return f"{inputs.agent.name.lower().replace('_', '-')}-{digest}"


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
        raise InputError(Problem("no agent given", None, "pass --agent NAME, or FILE.md for an agent of your own"))
    raise InputError(Problem(f"the cases are of several agents: {', '.join(names)}", None, "choose one with --agent"))


def _suite_of(agent: Agent) -> str:
    """The suite that the agent's evidence was measured on, as the agent's file spells it; empty without one."""
    found = agent.evidence.get("suite") if isinstance(agent.evidence, dict) else None
    return found if isinstance(found, str) else ""


def _check_inputs(agent: Agent, tasks: Sequence[Task], suite: str | None) -> None:
    """Check that every case has the vars that the agent reads.

    Raises:
        InputError: naming each input that some case lacks.
    """
    problems = []
    for item in agent.inputs:
        lacking = [task for task in tasks if item.name not in task.vars]
        if lacking:
            first = lacking[0]
            where = Location(first.file or suite or "")
            have = f"{count(len(lacking), 'case')} {'has' if len(lacking) == 1 else 'have'}"
            what = f"{have} no var {item.name!r}, which {agent.name} reads"
            problems.append(Problem(f"{what}; the first is {first.description!r}", where))
    if problems:
        raise InputError(problems)
