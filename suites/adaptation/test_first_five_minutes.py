"""A new user's first five minutes, on the embedded model: every command of the example's README, in their order."""

import re
from pathlib import Path

import pytest

from evolve.cli.init import EXAMPLE
from fixtures.own_agent import OwnAgent, Step, commands_of

pytestmark = pytest.mark.nightly


def done(step: Step, code: int = 0) -> str:
    assert step.code == code, (step.words, step.out, step.err)
    return step.out


def failed(step: Step) -> int:
    found = re.search(r"(\d+) passed, (\d+) failed, 0 errors", step.out)
    assert found, step.out
    return int(found[2])


def test_the_example_is_improved_promoted_and_rolled_back(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    user = OwnAgent(tmp_path / "work", tmp_path / "cache", {"EVOLVE_IDLE_S": "30"})
    done(user.type("evolve init"))
    before = (user.folder / "ALERT_AGENT.md").read_text()
    steps = [user.type(command, timeout_s=900) for command in commands_of((EXAMPLE / "ALERTS_README.md").read_text())]
    first, cases, evolving, diff, promoting, again, rollback = steps
    assert failed(first) > 24, "the prompt is weak on purpose"
    assert "failure cases" in done(cases)
    assert "Better: proven" in done(evolving)
    assert "demos: 24 added" in done(diff)
    assert "ALERT_AGENT@2 is in" in done(promoting)
    assert failed(again) < failed(first) / 2
    assert "ALERT_AGENT@1 is in" in done(rollback)
    assert (user.folder / "ALERT_AGENT.md").read_text() == before
