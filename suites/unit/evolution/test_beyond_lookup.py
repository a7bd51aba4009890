"""The gate's comparison with baselines, and its veto of new harm, in whole evolutions."""

import asyncio
import json
from dataclasses import replace

import pytest

from evolve.core.model.answers import Answer, Request
from evolve.core.model.evolution_events import EvolutionFinished, GateDecided
from evolve.core.model.json_value import JsonValue
from evolve.core.model.suite import Assertion
from evolve.core.search.operators import known_operators
from evolve.core.search.tasks import Score, Task
from fixtures.engine_runs import EngineRun, account_of
from fixtures.simulated import SimulatedProvider, Simulation, World, read

SIMULATION = Simulation(World(seed=3, gain=0.4))
PLAIN = tuple(operator for operator in known_operators() if operator.reflecting is None)


class Knowing(SimulatedProvider):
    """A model that is always right once its prompt has a rule or a demo, also where words say nothing."""

    async def answer(self, request: Request) -> Answer:
        """See `Provider.answer`."""
        self.calls += 1
        reading = read(request.prompt)
        case = self.simulation.cases[reading.reference]
        is_helped = bool(reading.demos) or any("speak for" in line for line in reading.rules)
        wrong = next(answer for answer in self.simulation.answers if answer != case.answer)
        return Answer(json.dumps({"answer": case.answer if is_helped else wrong}))


def decided_in(run: EngineRun) -> tuple[GateDecided, EvolutionFinished]:
    events = run.events()
    (decided,) = [event for event in events if isinstance(event, GateDecided)]
    last = events[-1]
    assert isinstance(last, EvolutionFinished)
    return decided, last


def test_where_words_say_nothing_the_winner_is_beyond_the_lookup():
    simulation = Simulation(World(seed=4, is_shuffled=True))
    decided, _ = decided_in(EngineRun(simulation, budget=300, provider=Knowing(simulation), operators=PLAIN))
    assert decided.beyond is not None
    assert decided.beyond.is_beyond
    assert decided.beyond.winner_score == decided.decision.candidate == 1.0
    assert decided.beyond.cases == decided.decision.cases


def test_where_words_say_it_all_the_lookup_is_to_be_used():
    decided, _ = decided_in(EngineRun(SIMULATION, budget=300, operators=PLAIN))
    assert decided.beyond is not None
    assert not decided.beyond.is_beyond
    assert decided.beyond.baseline_score >= (decided.vote or 0.0) > decided.beyond.winner_score


def test_the_comparison_pays_for_no_answer():
    run = EngineRun(SIMULATION, budget=300, operators=PLAIN)
    account = account_of(run.events())
    assert account.search + account.gate == run.counted.calls <= 300


def forbidding(tasks: list[Task], split: str) -> list[Task]:
    """Each case of the split with every wrong answer but one forbidden."""
    wrong = {task.id: tuple({"answer": a} for a in SIMULATION.answers if {"answer": a} != task.label) for task in tasks}
    return [replace(task, forbidden=wrong[task.id]) if task.split == split else task for task in tasks]


class Harmful(SimulatedProvider):
    """Right with a demo or a rule, but for one gate case, where it is wrong then."""

    async def answer(self, request: Request) -> Answer:
        """See `Provider.answer`."""
        self.calls += 1
        reading = read(request.prompt)
        case = self.simulation.cases[reading.reference]
        is_helped = bool(reading.demos) or any("speak for" in line for line in reading.rules)
        is_first = case.family == "gate-0"
        wrong = next(answer for answer in self.simulation.answers if answer != case.answer)
        return Answer(json.dumps({"answer": case.answer if is_helped != is_first else wrong}))


@pytest.mark.parametrize("is_forbidden", [True, False])
def test_new_harm_is_a_veto_however_much_better_the_winner_is(is_forbidden):
    tasks = SIMULATION.tasks()
    tasks = forbidding(tasks, "gate") if is_forbidden else tasks
    decided, last = decided_in(
        EngineRun(SIMULATION, budget=300, tasks=tasks, provider=Harmful(SIMULATION), operators=PLAIN)
    )
    first = {task.description for task in tasks if task.family == "gate-0"}
    assert decided.decision.p_value < 0.001
    if is_forbidden:
        assert last.outcome == "rejected"
        assert set(decided.decision.new_harm) <= first
        assert decided.decision.reason.startswith("the candidate does harm where the current agent does not: case ")
    else:
        assert last.outcome == "proven"
        assert decided.decision.new_harm == ()


def test_an_answer_without_a_model_is_judged_as_a_models_would_be():
    checks: JsonValue = {"properties": {"memory_mb": {"minimum": 600, "maximum": 2048}}}
    (first, *_) = SIMULATION.tasks()
    right: JsonValue = {"action": "increase_memory", "memory_mb": 1024}
    test = replace(first.test, requirements=(Assertion("is-json", value=checks),))
    task = replace(first, test=test, accepted=(right,), label=right, forbidden=({"action": "free_disk"},))
    rollouts = EngineRun(SIMULATION, tasks=[task]).rollouts

    def score(output: JsonValue) -> Score:
        found = asyncio.run(rollouts.score_output(task, output))
        assert found is not None
        return found

    assert score({"action": "increase_memory", "memory_mb": 700}).passed
    assert not score({"action": "increase_memory", "memory_mb": 599}).passed
    assert score({"action": "free_disk", "path": "/srv"}).is_harmful
    assert not score(right).is_harmful
    assert not score({"path": "/srv"}).is_harmful
