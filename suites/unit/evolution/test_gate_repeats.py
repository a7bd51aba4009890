"""The winner's answers that are asked for once more: only those that it has given."""

import asyncio

from evolve.core.search.genome import genome_of
from evolve.core.search.population import Candidate
from fixtures.engine_runs import EngineRun


def test_a_case_that_the_budget_did_not_reach_is_not_asked_again():
    run = EngineRun(budget=80)
    gate = [task for task in run.simulation.tasks() if task.split == "gate"]
    winner = Candidate(genome_of(run.simulation.agent), (), "rule", "a rule", 1)

    async def repeated() -> float | None:
        for done in await run.rollouts.many(winner.genome, gate[1:4]):
            winner.scores[done.task.id] = done.score
        return await run.evolution._gate._disagreement(winner, gate[:4])

    share = asyncio.run(repeated())
    assert share is not None
    assert 0 <= share <= 1
    assert run.counted.calls == 6
