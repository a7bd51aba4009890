"""What a run suggests as the next command: commands that work as they are."""

from pathlib import Path
from typing import Any

import pytest

from evolve.cli import diff, promote
from evolve.core.evolution.summary import fold
from evolve.core.model.evolution_events import Account, EvolutionFinished, GateDecided
from evolve.evolution.run import EvolutionResult
from fixtures.engine_runs import EngineRun


def next_commands(outcome: Any) -> list[str]:
    finished = EvolutionFinished("c0ffee", outcome, "because", Account())
    return EvolutionResult("a-1f2e", "A@1", (), finished, None, None, Path("report.html")).next_commands()


@pytest.mark.parametrize(("outcome", "is_provisional"), [("proven", False), ("provisional", True)])
def test_a_winner_can_be_seen_and_promoted(outcome: str, is_provisional: bool) -> None:
    seen, promoted = (command.split()[1:] for command in next_commands(outcome))
    assert diff.parser().parse_args(seen[1:]).run == "a-1f2e"
    assert promote.parser().parse_args(promoted[1:]).provisional is is_provisional


@pytest.mark.parametrize("outcome", ["rejected", "no-better", "nothing-to-do", "interrupted"])
def test_nothing_is_offered_where_nothing_is_better(outcome: str) -> None:
    assert next_commands(outcome) == []


def test_a_winner_that_no_gate_has_seen_is_shown_and_not_promoted() -> None:
    assert next_commands("untested") == ["evolve diff a-1f2e"]


@pytest.mark.parametrize("unit", ["answers", "tokens", "seconds"])
def test_what_was_used_of_the_budget_is_one_number_for_console_page_and_json(unit: Any) -> None:
    """Also with the gate's repeated answers, which no event of their own counts."""
    run = EngineRun(budget={"answers": 200, "tokens": 60_000, "seconds": 300}[unit], unit=unit)
    events = tuple(run.events())
    assert any(isinstance(event, GateDecided) for event in events)
    finished = events[-1]
    assert isinstance(finished, EvolutionFinished)
    budget = EvolutionResult("a", "A@1", events, finished, None, None, Path("report.html")).result_json()["budget"]
    assert isinstance(budget, dict)
    assert budget["used"] == fold(events).used == run.rollouts.budget.used
