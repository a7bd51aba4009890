"""A run that looks for a cheaper prompt: what it takes into its gate, and what becomes of it."""

from dataclasses import replace

from evolve.core.model.agents import Section
from evolve.core.model.evolution_events import CandidateScreened, EvolutionFinished, GateDecided
from evolve.core.model.gate import Lane
from evolve.core.search.operators import known_operators
from fixtures.engine_runs import EngineRun, timeless
from fixtures.simulated import Simulation, World

NOTES = Section("Notes", "\n".join(f"Note {n}: it was always done like this, and nobody knows why." for n in range(9)))
COMPRESS = tuple(operator for operator in known_operators() if operator.name == "compress")


def wordy_run(
    *, noise: float = 0.0, budget: int = 1400, objective: Lane = "cheaper", concurrency: int = 1
) -> EngineRun:
    """An agent with nine lines that say nothing, on 300 gate families."""
    families = {"train": 20, "val": 6, "gate": 300}
    simulation = Simulation(World(seed=3, noise=noise, gain=0.0, repeat_noise=0.0, families=families))
    role, *others = simulation.agent.sections
    answers = replace(others[0], body="\n".join(simulation.answers))
    agent = replace(simulation.agent, sections=(role, answers, NOTES, others[-1]))
    return EngineRun(
        simulation,
        agent=agent,
        budget=budget,
        operators=COMPRESS,
        objective=objective,
        concurrency=concurrency,
    )


def test_lines_that_say_nothing_are_removed_and_that_is_proven_in_its_own_lane():
    run = wordy_run()
    *_, decided, finished = run.events()
    assert isinstance(decided, GateDecided)
    assert isinstance(finished, EvolutionFinished)
    decision = decided.decision
    assert (finished.outcome, decision.lane) == ("proven", "cheaper")
    assert decision.tokens is not None
    assert decision.tokens.saved >= 0.2
    assert decision.gain == 0
    assert run.evolution.winner is not None
    assert "Notes" in [section.title for section in run.evolution.winner.genome.sections]


def test_the_search_for_better_answers_finds_nothing_there():
    assert wordy_run(budget=300, objective="better").events()[-1].outcome == "no-better"  # type: ignore[union-attr]


def test_a_child_that_needs_more_tokens_leaves_after_its_screen():
    simulation = Simulation(World(seed=3, families={"train": 20, "val": 6, "gate": 60}))
    demos = tuple(operator for operator in known_operators() if operator.name == "nearest-demos")
    events = EngineRun(simulation, budget=200, operators=demos, objective="cheaper").events()
    reasons = [event.reason for event in events if isinstance(event, CandidateScreened)]
    assert reasons
    assert all("tokens for an answer, its parent" in reason for reason in reasons)
    assert events[-1].reason.endswith("is as good with 20% fewer tokens")  # type: ignore[union-attr]


def test_the_same_seed_is_the_same_run_however_many_questions_are_asked_at_once():
    one, other = wordy_run(budget=300, noise=0.1), wordy_run(budget=300, noise=0.1, concurrency=5)
    assert timeless(one.events()) == timeless(other.events())
