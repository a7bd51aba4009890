"""What `evolve adapt` suggests as the next command: commands that its own parsers take."""

import re
import shlex
from typing import Any

import pytest

from evolve.cli import cases, diff, rollback
from evolve.cli import evolve as evolve_command
from evolve.core.adaptation.status import AgentAnswer, Evolved, IntakeResult
from evolve.core.model.actions import Action
from evolve.core.model.evolution_events import CaseRecorded
from evolve.report.evolution.adaptation_lines import intake_lines

pytestmark = pytest.mark.adaptation

FILE = "failure_cases/my cases/a.yaml"
PARSERS: dict[str, Any] = {
    "cases": cases.parser,
    "diff": diff.parser,
    "rollback": rollback.parser,
    "--test-case": evolve_command.parser,
}


def commands(step: Any, outcome: str = "", agent_file: str = "") -> list[list[str]]:
    """The words of every command that is named, each taken by its parser."""
    recorded = CaseRecorded(FILE, "0123456789ab", "A", "open", "new")
    evolved = Evolved("a-1f2e", outcome) if outcome else None
    taken = IntakeResult(
        "web", "A@2", AgentAnswer(Action.RESTART), recorded, step, evolved=evolved, agent_file=agent_file
    )
    text = "\n".join(intake_lines(taken))
    found = re.findall(r"next: (evolve .*)|`(evolve [^`]*)`", text)
    words = [shlex.split(listed or hinted)[1:] for listed, hinted in found]
    for name, *rest in words:
        PARSERS[name]().parse_args(rest if name in ("cases", "diff", "rollback") else [name, *rest])
    return words


def test_an_unlabelled_case_is_labelled() -> None:
    assert commands("unlabelled") == [["cases", "label", FILE, "ACTION"]]
    assert commands("unlabelled", agent_file="my A.md") == [["cases", "label", FILE, "ACTION", "--agent", "my A.md"]]


@pytest.mark.parametrize("outcome", ["proven", "provisional"])
def test_a_known_winner_is_shown_with_its_evidence(outcome: str) -> None:
    assert commands("known", outcome) == [["diff", "a-1f2e"]]


@pytest.mark.parametrize("outcome", ["rejected", "untested", "no-better"])
def test_what_was_not_found_is_searched_with_a_larger_budget(outcome: str) -> None:
    assert commands("known", outcome) == [["--test-case", FILE, "--budget", "400"]]


def test_a_regression_names_the_agent_whose_promotion_may_be_undone() -> None:
    assert commands("regression") == [["rollback", "A"], ["--test-case", FILE, "--budget", "400"]]
    assert commands("regression", agent_file="A.md")[0] == ["rollback", "A.md"]
