"""Who enters the gate: val decides, with the current agent among the finalists."""

import json
from collections import Counter
from dataclasses import replace

import pytest

from evolve.core.model.agents import Section
from evolve.core.model.answers import Answer, Request
from evolve.core.model.evolution_events import (
    CandidateProposed,
    CandidateScored,
    EvolutionFinished,
    GateStarted,
    RolloutScored,
)
from evolve.core.search.operators import Operator, Proposal
from evolve.core.search.operators._registry import Situation
from fixtures.engine_runs import SMALL_WORLD, EngineRun, account_of
from fixtures.simulated import SimulatedProvider, Simulation, read

SIMULATION = Simulation(SMALL_WORLD)
WIDE = Simulation(replace(SMALL_WORLD, families={"train": 14, "val": 14, "gate": 8}))
"""With val cases enough to tell finalists apart."""


class BySplit(SimulatedProvider):
    """A model that one line of the prompt makes right on some splits and wrong on the others.

    Without the line it is right on every second case.
    """

    def __init__(self, simulation: Simulation, line: str, right_on: tuple[str, ...]) -> None:
        super().__init__(simulation)
        self._line, self._right_on = line, right_on

    async def answer(self, request: Request) -> Answer:
        """See `Provider.answer`."""
        self.calls += 1
        reading = read(request.prompt)
        case = self.simulation.cases[reading.reference]
        is_right = int(case.reference) % 2 == 0
        if self._line in reading.rules:
            is_right = self.is_right(reading.reference)
        wrong = next(answer for answer in self.simulation.answers if answer != case.answer)
        return Answer(json.dumps({"answer": case.answer if is_right else wrong}))

    def is_right(self, reference: str) -> bool:
        """Return whether the model with the line is right about a case."""
        return self.simulation.cases[reference].split in self._right_on


class TwoLines(BySplit):
    """A second line is right on train alone; with both, the first decides."""

    async def answer(self, request: Request) -> Answer:
        """See `Provider.answer`."""
        reading = read(request.prompt)
        case = self.simulation.cases[reading.reference]
        if "Mind the first word." in reading.rules and self._line not in reading.rules:
            wrong = next(answer for answer in self.simulation.answers if answer != case.answer)
            return Answer(json.dumps({"answer": case.answer if case.split == "train" else wrong}))
        return await super().answer(request)


def once(situation: Situation) -> Proposal | None:
    """Add the line."""
    role = Section("Role", "Mind the second word.")
    return Proposal(replace(situation.genome, sections=(*situation.genome.sections, role)), "the line")


def other(situation: Situation) -> Proposal | None:
    """Add another line."""
    role = Section("Role", "Mind the first word.")
    return Proposal(replace(situation.genome, sections=(*situation.genome.sections, role)), "the other line")


LINE, OTHER = Operator("line", once), Operator("other", other)


def run_of(*right_on: str, budget: int = 200) -> EngineRun:
    provider = BySplit(SIMULATION, "Mind the second word.", right_on)
    return EngineRun(SIMULATION, budget=budget, provider=provider, operators=(LINE,))


def test_a_lone_finalist_that_is_behind_on_val_opens_no_gate():
    run = run_of("train")
    events = run.events()
    last = events[-1]
    assert isinstance(last, EvolutionFinished)
    assert (last.outcome, last.winner) == ("no-better", run.evolution.plan.incumbent.id)
    assert "behind the current agent on" in last.reason
    assert not run.gates.opened
    assert not any(isinstance(event, GateStarted) for event in events)
    assert run.evolution.winner is None


def test_the_incumbent_and_a_lone_finalist_answer_the_same_val_cases():
    events = run_of("train", "val", "gate").events()
    scored = [event for event in events if isinstance(event, CandidateScored) and event.split == "val"]
    asked = [
        sorted(e.task for e in events if isinstance(e, RolloutScored) and e.split == "val" and e.candidate == name)
        for name in (event.candidate for event in scored if event.candidate != "vote")
    ]
    assert len(asked) == 2
    assert asked[0] == asked[1]
    assert any(isinstance(event, GateStarted) for event in events)


@pytest.mark.parametrize("budget", [100, 200])
def test_what_the_search_leaves_is_spent_on_val(budget):
    """The search is over after one candidate, and val has fewer cases than the rest of the budget could pay for."""
    run = run_of("train", "val", "gate", budget=budget)
    events = run.events()
    val = {task.id for task in run.evolution.plan.tasks if task.split == "val"}
    asked = {e.task for e in events if isinstance(e, RolloutScored) and e.split == "val" and e.candidate != "vote"}
    assert asked == val
    assert (
        len([event for event in events if isinstance(event, CandidateProposed) and event.candidate.id != "vote"]) == 1
    )
    account = account_of(events)
    assert account.search + account.gate <= budget


class HalfOnVal(BySplit):
    """The line changes which val cases are right, not how many: the first half in place of every second one."""

    def is_right(self, reference: str) -> bool:
        """Return whether the model with the line is right about a case."""
        val = sorted(name for name, case in self.simulation.cases.items() if case.split == "val")
        even = sum(int(name) % 2 == 0 for name in val)
        return reference in val[:even] if reference in val else super().is_right(reference)


def test_a_finalist_that_is_level_on_val_enters_the_gate():
    """Val is small: a real gain is level there now and then."""
    provider = HalfOnVal(WIDE, "Mind the second word.", ("train", "gate"))
    events = EngineRun(WIDE, budget=300, provider=provider, operators=(LINE,)).events()
    assert any(isinstance(event, GateStarted) for event in events)


def test_a_finalist_that_is_behind_the_other_is_asked_no_more_than_the_first_val_cases():
    """What it would have cost pays for further cases of the other."""
    provider = TwoLines(WIDE, "Mind the second word.", ("train", "val", "gate"))
    run = EngineRun(WIDE, budget=300, provider=provider, operators=(LINE, OTHER))
    events = run.events()
    asked = Counter(e.candidate for e in events if isinstance(e, RolloutScored) and e.split == "val")
    names = {e.candidate.note: e.candidate.id for e in events if isinstance(e, CandidateProposed)}
    assert asked[names["the other line"]] == 6
    assert asked[names["the line"]] == asked[run.evolution.plan.incumbent.id] > 6
    assert run.evolution.winner is not None
    assert run.evolution.winner.id == names["the line"]
