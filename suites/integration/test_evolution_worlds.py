"""Evolutions from outside on models of a few lines: what must be found, and what must never reach the gate."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from evolve.core.cases.failure_case import CaseSource, FailureCase, to_text
from evolve.core.cases.inert import as_sent
from evolve.core.cases.labels import label_assertions
from evolve.core.model.evolution_events import CandidateProposed, GateDecided, GateStarted, RolloutScored
from fixtures.small_evolution import SmallEvolution, finished

TOOLS = ("mcp", "mapper", "vision", "ssh", "browser", "runner", "home", "rag", "none")
WORLDS = Path(__file__).parents[2] / "fixtures" / "evolution_worlds"


def evolve(
    tmp_path: Path, world: str, agent: str, reflector: str, *words: str
) -> tuple[SmallEvolution, dict[str, Any]]:
    """A run of `evolve` in a copy of the world, and its result as JSON."""
    folder = tmp_path / world
    shutil.copytree(WORLDS / world, folder, dirs_exist_ok=True)
    work = SmallEvolution(folder, tmp_path / "cache")
    asked = ["--suite", "suite.yaml", "--agent", f"{agent}.md"]
    asked += ["--reflector", f"python:reflector.py:{reflector}"] if reflector else []
    ended = finished(work.begin(*asked, "--budget", "300", "--json", *words))
    assert ended.returncode == 0, ended.stderr
    return work, json.loads(ended.stdout)


def write_failures(folder: Path) -> None:
    """Eight failure cases with one right answer: an agent that always gives it passes all of them."""
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
    proposed = [e.candidate for e in work.events() if isinstance(e, CandidateProposed) and e.candidate.parents]
    assert proposed
    assert all(f"\n{tool}: " in candidate.text for candidate in proposed for tool in TOOLS)


def test_an_agent_that_may_write_before_it_answers_is_beyond_any_lookup(tmp_path: Path) -> None:
    """Found without a reflector, proven, promoted without a flag; assertions and callers never see what it wrote."""
    work, result = evolve(tmp_path, "sums", "SUM_AGENT", "")
    assert result["outcome"] == "proven"
    assert result["beyond_lookup"]["is_beyond"]
    assert result["beyond_lookup"]["baseline_score"] < 0.1
    work.env["CI"] = ""
    promoted = finished(work.begin("promote"))
    assert promoted.returncode == 0, promoted.stderr
    assert "scratch: [why]" in (work.folder / "SUM_AGENT.md").read_text()
    ended = finished(work.begin("run", "suite.yaml", "--agent", "SUM_AGENT.md", "-o", "out.json"))
    assert ended.returncode == 0, ended.stdout + ended.stderr
    rows = json.loads((work.folder / "out.json").read_text())["results"]["results"]
    outputs = [row["response"]["output"] for row in rows]
    assert len(outputs) == 60
    assert all(list(json.loads(output)) == ["memory_mb"] for output in outputs)


def test_conversations_evolve_by_their_traces_and_nobody_reads_the_test_split(tmp_path: Path) -> None:
    work, result = evolve(tmp_path, "doors", "DOOR_AGENT", "fix")
    assert result["outcome"] == "proven"
    (gate,) = [event.decision for event in work.events() if isinstance(event, GateDecided)]
    # The incumbent opens to all: one of two assertions, in every second case.
    assert (gate.incumbent, gate.candidate, gate.cases) == (0.25, 1.0, 20)
    asked = (work.folder / "asked").read_text("utf-8")
    assert "somebody of gate rang" in asked
    assert "somebody of test rang" not in asked
    # A conversation of two or three turns is one answer that is paid for once.
    answers = [event for event in work.events() if isinstance(event, RolloutScored)]
    paid = [event for event in answers if not event.is_free]
    assert 2 * len(paid) <= len(asked.splitlines()) <= 3 * len(paid)
    # Opening to a stranger is harm, whatever came later in the conversation.
    harmful = {event.candidate for event in answers if event.is_harmful and event.split == "gate"}
    assert harmful == {event.candidate for event in answers if event.split == "gate"} - {result["winner"]}
