"""Evolutions from outside on models of a few lines: what must be found, and what must never reach the gate."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from evolve.core.cases.failure_case import CaseSource, FailureCase, to_text
from evolve.core.cases.inert import as_sent
from evolve.core.cases.labels import label_assertions
from evolve.core.model.evolution_events import GateDecided, GateStarted, ProposalRejected
from fixtures.small_evolution import SmallEvolution, finished

WORLDS = Path(__file__).parents[2] / "fixtures" / "evolution_worlds"


def evolve(
    tmp_path: Path, world: str, agent: str, reflector: str, *words: str
) -> tuple[SmallEvolution, dict[str, Any]]:
    """A run of `evolve` in a copy of the world, and its result as JSON."""
    folder = tmp_path / world
    shutil.copytree(WORLDS / world, folder, dirs_exist_ok=True)
    work = SmallEvolution(folder, tmp_path / "cache")
    asked = ["--suite", "suite.yaml", "--agent", f"{agent}.md", "--reflector", f"python:reflector.py:{reflector}"]
    ended = finished(work.begin(*asked, "--budget", "300", "--json", *words))
    assert ended.returncode == 0, ended.stderr
    return work, json.loads(ended.stdout)


def write_failures(folder: Path) -> None:
    """Eight failure cases with one right answer: whoever gives it to everything passes all of them."""
    folder.mkdir(parents=True)
    output = {"type": "object", "properties": {"tool": {"enum": ["home", "none"]}}, "required": ["tool"]}
    for number in range(8):
        request = f"please mind the warmth {number}"
        case = FailureCase(
            agent="TOOL_AGENT",
            fingerprint=f"{number:012x}",
            description=request,
            vars={"request": request},
            prompt=as_sent(json.dumps([{"role": "user", "content": f"Request: {request}"}])),
            source=CaseSource("suite", "a test", "accuracy", "got vision", "echo", "TOOL_AGENT@1", "2025-03-04"),
            assertions=label_assertions(output, ["home"], []),
            accepted=("home",),
            family=f"warmth {number}",
        )
        (folder / f"{number}.yaml").write_text(to_text(case))


@pytest.mark.parametrize("agent", ["INCIDENT_AGENT", "PARTIAL_AGENT"])
def test_unlabelled_cases_evolve_from_the_reasons_of_their_assertions(tmp_path: Path, agent: str) -> None:
    """From nothing, and from half of the credit on each case, to all of it, on families that the search never saw."""
    work, result = evolve(tmp_path, "incidents", agent, "fix")
    assert result["outcome"] == "proven"
    (gate,) = [event.decision for event in work.events() if isinstance(event, GateDecided)]
    assert gate.incumbent == (0.0 if agent == "INCIDENT_AGENT" else 0.5)
    assert gate.candidate >= 0.95
    assert gate.cases >= 40


def test_a_reflector_that_proposes_no_fix_opens_no_gate(tmp_path: Path) -> None:
    work, result = evolve(tmp_path, "incidents", "INCIDENT_AGENT", "useless")
    assert result["outcome"] == "no-better"
    assert not any(isinstance(event, GateStarted) for event in work.events())


@pytest.mark.parametrize("reflector", ["collapse", "delete"])
@pytest.mark.parametrize("seed", ["1", "2", "3"])
def test_one_answer_for_everything_or_fewer_tools_never_reach_the_gate(
    tmp_path: Path, reflector: str, seed: str
) -> None:
    write_failures(tmp_path / "tools" / "failures")
    work, result = evolve(tmp_path, "tools", "TOOL_AGENT", reflector, "--seed", seed, "--test-case", "failures")
    assert result["outcome"] == "no-better"
    assert not any(isinstance(event, GateStarted) for event in work.events())
    if reflector == "delete":
        reasons = [event.reason for event in work.events() if isinstance(event, ProposalRejected)]
        assert any("no longer name 4 answers of the output: vision, ssh, browser, none" in why for why in reasons)
