"""Candidates that people wrote, in the loop: tried first, by the rules of all, within the budget, and as parents."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from evolve.core.evolution.origins import origins
from evolve.core.evolution.summary import fold
from evolve.core.model.evolution_events import (
    BY_HAND,
    CandidateProposed,
    CandidateScored,
    CandidateScreened,
    EvolutionEvent,
    EvolutionFinished,
    EvolutionStarted,
    GateDecided,
    RolloutScored,
)
from evolve.core.search.genome import Genome, genome_of
from evolve.core.search.hand_written import HandWritten
from evolve.core.search.operators import Operator, Proposal
from evolve.core.search.operators._registry import Situation
from evolve.core.search.population import Candidate
from evolve.core.search.race import BLOCKS, RaceDecision
from evolve.core.search.tasks import Task
from evolve.evolution.budget import Rates
from evolve.evolution.trials import Trial
from evolve.report.evolution.words import lineage
from fixtures.engine_runs import SMALL_WORLD, EngineRun, account_of
from fixtures.memory_ledger import MemoryLedger
from fixtures.simulated import Simulation

SIMULATION = Simulation(SMALL_WORLD)
PLAIN = genome_of(SIMULATION.agent)
CAUSES = {case.cause: case for case in SIMULATION.cases.values()}
RULES = tuple(f"Reports with {', '.join(case.cause_words)} are {case.answer}." for case in CAUSES.values())
GOOD = HandWritten("GOOD.md", replace(PLAIN, rules=RULES))
USELESS = HandWritten("USELESS.md", replace(PLAIN, rules=("Think well before you answer.",)))


def run_with(*written: HandWritten, **more: Any) -> EngineRun:
    return EngineRun(SIMULATION, written=written, **{"budget": 160, "operators": (), **more})


def of_kind(events: list[EvolutionEvent], kind: type) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


def test_a_good_one_is_raced_compared_on_val_and_meets_the_gate():
    events = run_with(GOOD).events()
    (proposed,) = [e.candidate for e in of_kind(events, CandidateProposed) if e.candidate.id != "vote"]
    assert (proposed.operator, proposed.note, proposed.parents) == (BY_HAND, "written by hand: GOOD.md", ())
    assert not of_kind(events, CandidateScreened), "six cases would drop a good one by chance"
    splits = {e.split for e in of_kind(events, CandidateScored) if e.candidate == proposed.id}
    assert splits == {"train", "val", "gate"}
    (decided,) = of_kind(events, GateDecided)
    assert decided.candidate == proposed.id
    started = of_kind(events, EvolutionStarted)[0]
    pairs = {
        name: {e.task for e in of_kind(events, RolloutScored) if (e.candidate, e.split) == (name, "gate")}
        for name in (proposed.id, started.incumbent.id)
    }
    assert len(set(map(frozenset, pairs.values()))) == 1, "both answer the same cases"


def test_one_that_fixes_nothing_is_measured_on_at_least_the_first_block():
    events = run_with(USELESS).events()
    scored = [e for e in of_kind(events, CandidateScored) if e.candidate == USELESS.genome.id and e.split == "train"]
    assert [e.cases >= BLOCKS[0] for e in scored] == [True]


def test_one_that_nothing_is_left_for_is_said_to_be_unmeasured():
    class NothingLeft:
        def within(self, *_: Any) -> list[Task]:
            return []

    parent, child = (Candidate(genome, (), "test", "", number) for number, genome in enumerate((PLAIN, USELESS.genome)))
    trial = Trial(child, parent, parent, [], EngineRun(SIMULATION).evolution.plan.tasks, 0, Rates())
    asyncio.run(trial.run(NothingLeft()))  # type: ignore[arg-type]  # nothing else of it is asked
    assert trial.decision == RaceDecision(False, "what is left of the budget pays for none of its answers")
    assert trial.last is None


def test_one_that_needs_more_tokens_is_dropped_where_tokens_are_the_objective():
    events = run_with(GOOD, objective="cheaper").events()
    (scored,) = [e for e in of_kind(events, CandidateScored) if e.candidate == GOOD.genome.id]
    assert scored.dropped
    assert "tokens for an answer, its parent" in scored.reason


def test_a_useless_one_never_reaches_the_gate():
    events = run_with(USELESS).events()
    assert not of_kind(events, GateDecided)
    (finished,) = of_kind(events, EvolutionFinished)
    assert finished.outcome == "no-better"


def test_they_are_tried_before_any_operator_in_the_order_of_the_request():
    events = run_with(USELESS, GOOD, operators=None, budget=200).events()
    names = [e.candidate.id for e in of_kind(events, CandidateProposed) if e.candidate.id != "vote"]
    assert names[:2] == [USELESS.genome.id, GOOD.genome.id]


def test_operators_work_on_it():
    def sampled(situation: Situation) -> Proposal | None:
        parent = situation.parent
        if parent.operator != BY_HAND or parent.children:
            return None
        return Proposal(replace(parent.genome, rules=parent.genome.rules[::-1]), "turned round")

    events = run_with(GOOD, operators=(Operator("turn", sampled),), budget=200).events()
    (child,) = [e.candidate for e in of_kind(events, CandidateProposed) if e.candidate.operator == "turn"]
    assert child.parents == (GOOD.genome.id,)
    known = {e.candidate.id: e.candidate for e in of_kind(events, CandidateProposed)}
    assert origins(known, child.id) == ("written by hand: GOOD.md",)
    assert origins(known, "of another run") == ()


def test_its_answers_are_in_the_budget_and_a_second_run_pays_none():
    ledger = MemoryLedger()
    first = run_with(GOOD, USELESS, ledger=ledger, operators=None)
    account = account_of(first.events())
    assert first.counted.calls == account.search + account.gate <= 160
    again = run_with(GOOD, USELESS, ledger=ledger, operators=None)
    assert account_of(again.events()).search == account.search
    assert again.counted.calls == 0


@pytest.mark.parametrize("concurrency", [1, 8])
def test_how_many_are_asked_at_once_changes_nothing(concurrency: int):
    events = run_with(USELESS, GOOD, operators=None, concurrency=concurrency).events()
    once = run_with(USELESS, GOOD, operators=None).events()
    assert [e.candidate for e in of_kind(events, CandidateProposed)] == [
        e.candidate for e in of_kind(once, CandidateProposed)
    ]


def test_the_reports_name_where_the_winner_comes_from():
    summary = fold(run_with(GOOD).events())
    assert summary.origins == ("written by hand: GOOD.md",)
    assert [one.info.id for one in lineage(summary)] == [GOOD.genome.id]


def test_without_any_the_run_is_as_before():
    assert EngineRun(SIMULATION).evolution.plan.written == ()
    assert isinstance(GOOD.genome, Genome)
