"""The estimate of the rest of a run: by what its answers have taken, and before there are any by the first one."""

import asyncio

from evolve.core.model.evolution_events import Estimate
from evolve.core.search.genome import genome_of
from evolve.evolution.estimating import estimate_rest
from fixtures.engine_runs import EngineRun

FIRST = Estimate(100, 150.0, 1.5, 30_000)


def test_before_any_answer_the_rest_costs_what_was_estimated_first():
    rest = estimate_rest(EngineRun(budget=80).rollouts, FIRST)
    assert (rest.answers, rest.seconds, rest.tokens) == (80, 120.0, 24_000)


def test_without_answers_in_the_first_estimate_nothing_is_known():
    assert estimate_rest(EngineRun(budget=80).rollouts, Estimate(0, 0.0, 0.0, 0)).tokens == 0


def test_after_some_answers_their_own_tokens_count():
    run = EngineRun(budget=80)
    tasks = [task for task in run.simulation.tasks() if task.split == "train"][:10]
    asyncio.run(run.rollouts.many(genome_of(run.simulation.agent), tasks))
    each = run.rollouts.budget.tokens.total / 10
    assert estimate_rest(run.rollouts, FIRST).tokens == round(70 * each) > 0
