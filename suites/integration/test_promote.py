"""`evolve diff`, `promote`, `rollback` and `report` from outside, on a small evolution."""

import subprocess
import sys
from pathlib import Path

import pytest

from evolve.assembly import Settings
from evolve.core.agents import render_agent
from evolve.core.evolution_events import Promoted
from evolve.core.search.genome import agent_of, demos_of, incumbent_of
from evolve.core.templating.templates import Templates
from evolve.evolution_material import Wish, read_material
from evolve.store.agents import load_agent, load_bank
from fixtures.small_evolution import SmallEvolution, small_evolution


@pytest.fixture
def work(tmp_path: Path) -> SmallEvolution:
    made = small_evolution(tmp_path / "work")
    ended = made.run(budget=150)
    assert ended.returncode == 0, ended.stderr
    return made


def evolve(work: SmallEvolution, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "evolve", *words],
        cwd=work.folder,
        env={**work.environment, "CI": ""},
        text=True,
        capture_output=True,
        timeout=120,
        check=False,
    )


def test_a_winner_becomes_the_next_version_and_goes_back_again(work: SmallEvolution) -> None:
    before = work.agent.read_text()
    assert "+demos:" in evolve(work, "diff").stdout
    promoted = evolve(work, "promote", "--provisional")
    assert promoted.returncode == 0, promoted.stderr
    agent = load_agent(work.agent)
    assert (agent.version, agent.parent) == (2, "COLOUR_AGENT@1")
    assert agent.demos is not None
    assert isinstance(agent.evidence, dict)
    assert isinstance(agent.evidence["gate"], dict)
    assert load_bank(agent, work.agent, Templates("strict").render) is not None
    assert any(isinstance(event, Promoted) for event in work.events())
    assert evolve(work, "report").returncode == 0
    undone = evolve(work, "rollback", "AGENT.md")
    assert undone.returncode == 0, undone.stderr
    assert f"removed {(work.folder / agent.demos.bank).resolve()}" in undone.stdout
    assert work.agent.read_text() == before
    assert not (work.folder / agent.demos.bank).exists()


def test_an_agent_that_was_edited_since_the_run_is_not_overwritten(work: SmallEvolution) -> None:
    edited = work.agent.read_text().replace("Answer in one word.", "Answer in one word, always.")
    work.agent.write_text(edited)
    refused = evolve(work, "promote", "--provisional")
    assert refused.returncode == 2
    assert "edited since run" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert work.agent.read_text() == edited


def test_the_next_run_meets_the_promoted_agent_with_its_own_demos(work: SmallEvolution) -> None:
    assert evolve(work, "promote", "--provisional").returncode == 0
    agent, render = load_agent(work.agent), Templates("strict").render
    assert agent.demos is not None
    bank_file = work.folder / agent.demos.bank
    entries = bank_file.read_text().split("\n- ")
    bank_file.write_text("\n- ".join(entries[:3]) + "\n")  # a person kept two of them
    material = read_material(
        Wish((), suite=str(work.folder / "suite.yaml"), agent=str(work.agent)), Settings(env=work.environment)
    )
    genome = incumbent_of(material.agent)
    assert len(demos_of(genome, material.tasks, material.own_demos)) == 2
    task = next(task for task in material.tasks if task.split == "gate")
    bank = load_bank(agent, work.agent, render)
    sent = render_agent(agent, task.vars, bank, render, family=task.family)
    assert sent == render_agent(agent_of(genome, agent), task.vars, bank, render, family=task.family)


def test_a_report_is_made_anew_and_bad_places_are_told(work: SmallEvolution) -> None:
    made = evolve(work, "report", "-o", "again/report.html")
    assert made.returncode == 0, made.stderr
    assert "COLOUR_AGENT@1" in (work.folder / "again" / "report.html").read_text()
    refused = evolve(work, "report", "-o", "/proc/nowhere/report.html")
    assert refused.returncode in (2, 4)
    assert "Traceback" not in refused.stderr
