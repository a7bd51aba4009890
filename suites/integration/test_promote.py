"""`evolve diff`, `promote`, `rollback` and `report` from outside, on a small evolution."""

import shutil
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from evolve.core.evaluation.agent_prompts import render_agent
from evolve.core.evolution.request import EvolutionRequest
from evolve.core.model.evolution_events import CaseRecorded, EvolutionFinished, EvolutionStarted, GateDecided, Promoted
from evolve.core.search.genome import agent_of, demos_of, incumbent_of
from evolve.core.templating.templates import Templates
from evolve.evaluation.setup import Settings
from evolve.evolution.inputs import read_inputs
from evolve.store.agents import load_agent, load_bank
from evolve.store.archive import Archive
from evolve.store.case_files import CaseFolder, load_case
from fixtures.agents.record_evidence import with_evidence
from fixtures.small_evolution import SmallEvolution, a_case, small_evolution

CASES = [("sea at night", "blue"), ("rose in rain", "red"), ("moss on stone", "green"), ("old blood", "red")]


@pytest.fixture(scope="module")
def evolved(tmp_path_factory: pytest.TempPathFactory) -> SmallEvolution:
    """An evolution on a suite and failure cases, run once; tests take a copy."""
    made = small_evolution(tmp_path_factory.mktemp("evolved") / "work")
    (made.folder / "cases").mkdir()
    for number, (thing, colour) in enumerate(CASES):
        (made.folder / "cases" / f"case_{number:012}.yaml").write_text(a_case(thing, colour, f"{number:012}"))
    ended = made.run("--test-case", "cases", budget=200)
    assert ended.returncode == 0, ended.stderr
    return made


@pytest.fixture
def work(evolved: SmallEvolution) -> SmallEvolution:
    """The evolved folder as the run left it, which this test may change; it goes back to its own place."""
    fresh = evolved.folder.with_name("fresh")
    if not fresh.exists():
        shutil.copytree(evolved.folder, fresh, symlinks=True)
    shutil.rmtree(evolved.folder)
    shutil.copytree(fresh, evolved.folder, symlinks=True)
    return evolved


def evolve(
    work: SmallEvolution, *words: str, ci: str = "", folder: Path | None = None, is_flagged: bool = True
) -> subprocess.CompletedProcess[str]:
    if words[0] == "promote" and "--despite-lookup" not in words and is_flagged:
        words = (*words, "--despite-lookup")
    return subprocess.run(
        [sys.executable, "-m", "evolve", *words],
        cwd=folder or work.folder,
        env={**work.environment, "CI": ci},
        text=True,
        capture_output=True,
        timeout=120,
        check=False,
    )


def refused(ended: subprocess.CompletedProcess[str]) -> str:
    """What a command said that did nothing."""
    assert (ended.returncode, ended.stdout) == (2, ""), ended.stderr
    assert "Traceback" not in ended.stderr
    return ended.stderr


def done(ended: subprocess.CompletedProcess[str]) -> str:
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def concluded(work: SmallEvolution, outcome: Any) -> None:
    """The run as if its gate had decided otherwise: recorded as a later attempt of it."""
    with closing(Archive(work.cache)) as archive:
        record = archive.find(None)
        events = list(archive.events(record.run))
        started = events[0]
        assert isinstance(started, EvolutionStarted)
        recorder = archive.begin(started, agent_file=work.agent, winner_file=Path(record.winner_file))
        for event in events:
            changed = replace(event, outcome=outcome) if isinstance(event, EvolutionFinished) else event
            recorder.event(changed)


def winner_file(work: SmallEvolution) -> Path:
    return next(work.folder.glob("reports/evolve/*/winner/COLOUR_AGENT.md"))


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
    assert "edited since run" in refused(evolve(work, "promote", "--provisional"))
    assert work.agent.read_text() == edited


def test_the_next_run_meets_the_promoted_agent_with_its_own_demos(work: SmallEvolution) -> None:
    assert evolve(work, "promote", "--provisional").returncode == 0
    agent, render = load_agent(work.agent), Templates("strict").render
    assert agent.demos is not None
    bank_file = work.folder / agent.demos.bank
    entries = bank_file.read_text().split("\n- ")
    bank_file.write_text("\n- ".join(entries[:3]) + "\n")  # a person kept two of them
    request = EvolutionRequest(suite=str(work.folder / "suite.yaml"), agent=str(work.agent))
    inputs = read_inputs(request, Settings(env=work.environment))
    genome = incumbent_of(inputs.agent)
    assert len(demos_of(genome, inputs.tasks, inputs.own_demos)) == 2
    task = next(task for task in inputs.tasks if task.split == "gate")
    bank = load_bank(agent, work.agent, render)
    sent = render_agent(agent, task.vars, bank, render, family=task.family)
    assert sent == render_agent(agent_of(genome, agent), task.vars, bank, render, family=task.family)


def test_a_report_is_made_again_and_bad_places_are_reported(work: SmallEvolution) -> None:
    made = evolve(work, "report", "-o", "again/report.html")
    assert made.returncode == 0, made.stderr
    assert "COLOUR_AGENT@1" in (work.folder / "again" / "report.html").read_text()
    assert "cannot write the report" in refused(evolve(work, "report", "-o", "/proc/nowhere/report.html"))


# --- what may be promoted


def test_a_proven_winner_needs_no_option(work: SmallEvolution) -> None:
    concluded(work, "proven")
    assert "COLOUR_AGENT@2 is in" in done(evolve(work, "promote"))


def test_a_provisional_winner_is_promoted_only_when_it_is_said(work: SmallEvolution) -> None:
    concluded(work, "provisional")
    before = work.agent.read_bytes()
    assert "--provisional" in refused(evolve(work, "promote"))
    assert work.agent.read_bytes() == before
    done(evolve(work, "promote", "--provisional"))
    assert load_agent(work.agent).version == 2


@pytest.mark.parametrize("outcome", ["rejected", "untested", "no-better"])
def test_what_the_gate_did_not_find_better_is_not_promoted(work: SmallEvolution, outcome: str) -> None:
    concluded(work, outcome)
    before = work.agent.read_bytes()
    assert f"nothing to promote ({outcome})" in refused(evolve(work, "promote", "--provisional"))
    assert work.agent.read_bytes() == before


def test_nothing_is_promoted_twice(work: SmallEvolution) -> None:
    done(evolve(work, "promote", "--provisional"))
    assert "it is COLOUR_AGENT@2 now" in refused(evolve(work, "promote", "--provisional"))


def test_ci_promotes_no_tracked_agent_and_false_is_no_ci(work: SmallEvolution) -> None:
    for words in (["init", "-q"], ["add", "AGENT.md"]):
        subprocess.run(["git", *words], cwd=work.folder, check=True)
    assert "no agent is promoted in CI" in refused(evolve(work, "promote", "--provisional", ci="true"))
    assert load_agent(work.agent).version == 1
    done(evolve(work, "promote", "--provisional", ci="false"))


def test_ci_may_promote_an_agent_in_a_scratch_copy(work: SmallEvolution) -> None:
    done(evolve(work, "promote", "--provisional", ci="true"))


# --- what a promotion needs


def test_a_winner_that_was_deleted_is_made_again_by_the_command_that_is_reported(work: SmallEvolution) -> None:
    shutil.rmtree(winner_file(work).parent)
    reported = refused(evolve(work, "promote", "--provisional"))
    assert "no longer exists" in reported
    assert "its answers are free: evolve --suite suite.yaml --agent AGENT.md" in reported
    bought = len(work.bought)
    assert work.run("--test-case", "cases", budget=200).returncode == 0
    assert len(work.bought) == bought
    done(evolve(work, "promote", "--provisional"))


def test_a_moved_agent_is_named(work: SmallEvolution) -> None:
    moved = work.folder / "moved" / "AGENT.md"
    moved.parent.mkdir()
    work.agent.rename(moved)
    reported = refused(evolve(work, "promote", "--provisional"))
    assert "COLOUR_AGENT@1, the agent of run" in reported
    assert "--agent FILE.md" in reported
    done(evolve(work, "promote", "--provisional", "--agent", "moved/AGENT.md"))
    assert load_agent(moved).version == 2
    assert not work.agent.exists()


# --- another target


def test_a_new_agent_gets_the_name_of_its_file_and_goes_away_again(work: SmallEvolution) -> None:
    said = done(evolve(work, "promote", "--provisional", "--to", "made/NEW_AGENT.md"))
    assert "not compared" not in said
    agent = load_agent(work.folder / "made" / "NEW_AGENT.md")
    assert (agent.title, agent.parent) == ("NEW_AGENT@1", "COLOUR_AGENT@1")
    assert load_agent(work.agent).version == 1
    said = done(evolve(work, "rollback", "made/NEW_AGENT.md"))
    assert "NEW_AGENT.md is removed again" in said
    assert "restored" not in said.replace("restored " + str(work.folder / "cases"), "")
    assert not [path for path in (work.folder / "made").rglob("*") if path.is_file()]


def test_the_evidence_names_who_was_compared_when_another_agent_is_replaced(work: SmallEvolution) -> None:
    other = work.folder / "OTHER.md"
    text = work.agent.read_text().replace("name: COLOUR_AGENT", "name: OTHER").replace("version: 1", "version: 4")
    other.write_text(text)
    said = done(evolve(work, "promote", "--provisional", "--to", "OTHER.md"))
    assert "not compared with OTHER@4" in said
    agent = load_agent(other)
    assert isinstance(agent.evidence, dict)
    assert (agent.title, agent.evidence["compared_with"]) == ("OTHER@5", "COLOUR_AGENT@1")
    assert "OTHER@4 is in" in done(evolve(work, "rollback", "OTHER.md"))
    assert other.read_text() == text


def test_the_agent_by_another_way_of_writing_its_path_is_no_other_agent(work: SmallEvolution) -> None:
    done(evolve(work, "promote", "--provisional", "--to", "cases/../AGENT.md"))
    evidence = load_agent(work.agent).evidence
    assert isinstance(evidence, dict)
    assert "compared_with" not in evidence


def test_an_agent_of_another_contract_is_not_replaced(work: SmallEvolution) -> None:
    other = work.folder / "OTHER.md"
    text = work.agent.read_text().replace("thing", "item").replace("blue", "grey")
    other.write_text(text)
    reported = refused(evolve(work, "promote", "--provisional", "--to", "OTHER.md"))
    assert "the winner's inputs are ['thing'], those of COLOUR_AGENT@1 are ['item']" in reported
    assert "the winner's output schema differs" in reported
    assert other.read_text() == text


def test_a_target_that_is_no_agents_file_is_refused(work: SmallEvolution) -> None:
    assert "an agent's file ends in .md" in refused(evolve(work, "promote", "--provisional", "--to", "notes.txt"))
    assert not (work.folder / "notes.txt").exists()


def test_a_bank_that_cannot_be_written_leaves_the_agent_as_it_was(work: SmallEvolution) -> None:
    before = work.agent.read_bytes()
    (work.folder / "demos").write_text("a file where the folder should be")
    ended = evolve(work, "promote", "--provisional")
    assert ended.returncode == 4, ended.stderr
    assert "cannot write" in ended.stderr
    assert work.agent.read_bytes() == before
    assert not list(work.folder.glob(".AGENT*"))
    assert not any(isinstance(event, Promoted) for event in work.events())


# --- pinned cases, from wherever the commands are given


def statuses(work: SmallEvolution) -> list[str]:
    return [load_case(path).status for path in sorted((work.folder / "cases").glob("*.yaml"))]


def test_fixed_cases_are_pinned_reported_and_reopened(work: SmallEvolution, tmp_path: Path) -> None:
    said = done(evolve(work, "promote", "--provisional", folder=tmp_path))
    pinned = statuses(work).count("pinned")
    assert pinned > 0
    assert said.count("  pinned ") == pinned
    recorded = [event for event in work.events() if isinstance(event, CaseRecorded) and event.change == "pinned"]
    assert len(recorded) == pinned
    made = done(evolve(work, "report", "-o", "report.html", folder=tmp_path))
    assert "report: report.html" in made
    assert "Promoted: COLOUR_AGENT@2" in (tmp_path / "report.html").read_text()
    done(evolve(work, "rollback", str(work.agent), folder=tmp_path))
    assert set(statuses(work)) == {"open"}


def test_a_case_that_a_person_retired_stays_retired(work: SmallEvolution) -> None:
    done(evolve(work, "promote", "--provisional"))
    retired = next(
        path for path in sorted((work.folder / "cases").glob("*.yaml")) if load_case(path).status == "pinned"
    )
    CaseFolder(retired.parent).update(retired, lambda case: replace(case, status="retired", retired_because="gone"))
    done(evolve(work, "rollback", "AGENT.md"))
    assert load_case(retired).status == "retired"


# --- several models


def of_other_model(work: SmallEvolution) -> None:
    """Evolves on another model than the agent's own."""
    shutil.copy(work.folder / "model.py", work.folder / "other.py")
    done(work.run("--provider", "python:other.py"))


def test_evidence_of_another_model_is_recorded_below_its_name(work: SmallEvolution) -> None:
    of_other_model(work)
    done(evolve(work, "promote", "--provisional"))
    evidence: Any = load_agent(work.agent).evidence
    assert "gate" not in evidence
    assert evidence["models"]["python:other.py"]["provider"] == "python:other.py"
    assert evidence["models"]["python:other.py"]["gate"]["word"]


def test_recorded_scores_of_any_model_do_not_keep_a_rollback_back(work: SmallEvolution) -> None:
    before = work.agent.read_text()
    of_other_model(work)
    done(evolve(work, "promote", "--provisional"))
    evidence: Any = load_agent(work.agent).evidence
    scores: Any = {"tolerance": 0.08, "splits": {"val": {"cases": 9, "accuracy": 0.5}}}
    models = {name: {**record, **scores} for name, record in {**evidence["models"], "third": {}}.items()}
    work.agent.write_text(with_evidence(work.agent.read_text(), {**evidence, "models": models}))
    done(evolve(work, "rollback", "AGENT.md"))
    assert work.agent.read_text() == before


# --- rollback


def test_recorded_scores_do_not_keep_a_rollback_back(work: SmallEvolution) -> None:
    before = work.agent.read_text()
    done(evolve(work, "promote", "--provisional"))
    evidence = load_agent(work.agent).evidence
    assert isinstance(evidence, dict)
    scores: Any = {"suite": "suite.yaml", "tolerance": 0.08, "splits": {"val": {"cases": 9, "accuracy": 0.5}}}
    work.agent.write_text(with_evidence(work.agent.read_text(), {**evidence, **scores}))
    done(evolve(work, "rollback", "AGENT.md"))
    assert work.agent.read_text() == before


@pytest.mark.parametrize("edited", ["AGENT.md", "demos/colour_agent.yaml"])
def test_an_edit_since_the_promotion_keeps_a_rollback_back(work: SmallEvolution, edited: str) -> None:
    done(evolve(work, "promote", "--provisional"))
    path = work.folder / edited
    path.write_text(path.read_text() + "# a line of a person\n")
    before = statuses(work)
    assert "changed since the promotion" in refused(evolve(work, "rollback", "AGENT.md"))
    assert path.read_text().endswith("# a line of a person\n")
    assert statuses(work) == before


def test_there_is_nothing_to_roll_back_before_and_after(work: SmallEvolution) -> None:
    assert "has no promotion of this file" in refused(evolve(work, "rollback", "AGENT.md"))
    done(evolve(work, "promote", "--provisional"))
    done(evolve(work, "rollback", "AGENT.md"))
    assert "has no promotion of this file" in refused(evolve(work, "rollback", "AGENT.md"))


# --- diff and report


def test_a_diff_of_any_candidate_can_be_seen_and_unknown_ones_are_reported(work: SmallEvolution) -> None:
    started = work.events()[0]
    assert isinstance(started, EvolutionStarted)
    reported = done(evolve(work, "diff", "--candidate-id", started.incumbent.id))
    assert "settings and sections: no change" in reported
    assert "demos: no change" in reported
    assert f"known: {started.incumbent.id}" in refused(evolve(work, "diff", "--candidate-id", "none"))
    assert "no run begins with 'none'" in refused(evolve(work, "diff", "none"))


def test_runs_are_listed_and_an_empty_list_says_so(work: SmallEvolution, tmp_path: Path) -> None:
    (line,) = done(evolve(work, "report", "--list")).splitlines()
    assert "COLOUR_AGENT@1" in line
    assert "--test-case cases" in line
    empty = SmallEvolution(work.folder, tmp_path / "cache")
    assert done(evolve(empty, "report", "--list")) == "no runs yet\n"


def test_a_winner_that_a_lookup_may_replace_takes_an_explicit_flag(work: SmallEvolution) -> None:
    """Colours follow from the words of the things, so that a lookup is as good as the model with its demos."""
    (decided,) = [event for event in work.events() if isinstance(event, GateDecided)]
    assert decided.beyond is not None
    assert not decided.beyond.is_beyond
    said = refused(evolve(work, "promote", "--provisional", is_flagged=False))
    assert "the winner is not shown to be better than a lookup without a model (" in said
    assert "--despite-lookup" in said
    assert "COLOUR_AGENT@2 is in" in done(evolve(work, "promote", "--provisional", "--despite-lookup"))
    assert "baseline: " in work.agent.read_text()
