"""`evolve --candidate FILE.md` from outside: all that is wrong is reported, and a winner's origin stays with it."""

import json
import signal
import time
from pathlib import Path

import pytest

from evolve.core.model.evolution_events import CandidateProposed
from fixtures.small_evolution import AGENT, SmallEvolution, bought_twice, finished, small_evolution

MODEL = '''\
"""Knows colours where the prompt says what has which, else answers red; notes each question that it is asked."""

import hashlib
import json
import os

COLOURS = {"fire": "red", "blood": "red", "rose": "red", "grass": "green", "leaf": "green", "moss": "green",
           "sky": "blue", "sea": "blue", "ice": "blue"}


def call_api(prompt, options, context):
    asked = f"{context['repeatIndex']}:{prompt}"
    digest = hashlib.sha256(asked.encode()).hexdigest()
    with open(os.environ["BOUGHT"], "a") as bought:
        bought.write(digest + "\\n")
    messages = json.loads(prompt)
    known = "sea and sky are blue" in messages[0]["content"]
    words = messages[-1]["content"].split()
    colour = next((COLOURS[word] for word in words if word in COLOURS), "red") if known else "red"
    return {"output": json.dumps({"colour": colour}), "metadata": {"asked": digest},
            "tokenUsage": {"total": 10, "prompt": 7, "completion": 3}}
'''
MINE = AGENT.replace("Answer in one word.", "Answer in one word: sea and sky are blue, leaf is green, fire red.")
SAID = "written by hand: MINE.md"


@pytest.fixture
def work(tmp_path: Path) -> SmallEvolution:
    made = small_evolution(tmp_path / "work", model=MODEL)
    (made.folder / "MINE.md").write_text(MINE)
    return made


def refused(work: SmallEvolution, *words: str) -> str:
    ended = work.run(*words)
    assert (ended.returncode, ended.stdout) == (2, ""), ended.stderr
    assert work.bought == []
    return ended.stderr


def test_all_that_is_wrong_with_all_files_is_reported_at_its_place(work: SmallEvolution) -> None:
    changed = MINE.replace("blue]}", "blue, grey]}").replace("  thing: {}", "  thing: {}\n  place: {}")
    (work.folder / "OTHER.md").write_text(changed.replace("model: python:model.py", "model: echo"))
    (work.folder / "SAME.md").write_text(AGENT.replace("version: 1", "version: 7"))
    names = ("OTHER.md", "SAME.md", "MINE.md", "NOWHERE.md")
    reported = refused(work, *(word for name in names for word in ("--candidate", name)))
    assert "OTHER.md:5:1: inputs: expected thing, as in COLOUR_AGENT@1, got thing, place" in reported
    assert "OTHER.md:8:1: output: expected the schema of COLOUR_AGENT@1: it adds grey" in reported
    assert "OTHER.md:13:1: model: expected python:model.py, as in COLOUR_AGENT@1, got echo" in reported
    assert "SAME.md: it is the current agent's prompt" in reported
    assert "NOWHERE.md: no such agent file" in reported
    assert "\nevolve: error: MINE.md" not in reported


def test_one_prompt_in_two_files_is_refused(work: SmallEvolution) -> None:
    (work.folder / "TWICE.md").write_text(MINE.replace("COLOUR_AGENT", "ANOTHER_NAME"))
    reported = refused(work, "--candidate", "MINE.md", "--candidate", "TWICE.md")
    assert "TWICE.md: it is the same prompt as MINE.md" in reported


def test_a_text_with_a_case_of_the_gate_is_refused(work: SmallEvolution) -> None:
    stolen = "item sea kind ice of gate-b1"
    assert stolen in (work.folder / "suite.yaml").read_text()
    (work.folder / "MINE.md").write_text(MINE.replace("Answer in one word", f"{stolen} is blue"))
    assert "MINE.md: split gate: the text copies a case (" in refused(work, "--candidate", "MINE.md")


def test_a_persons_prompt_is_proven_and_its_origin_goes_with_it(work: SmallEvolution) -> None:
    ended = work.run("--candidate", "MINE.md", "--json")
    assert ended.returncode == 0, ended.stderr
    result = json.loads(ended.stdout)
    assert (result["outcome"], result["written_by_hand"]) == ("proven", [SAID])
    assert result["account"]["search"] + result["account"]["gate"] == len(work.bought) <= 120
    written = [e.candidate for e in work.events() if isinstance(e, CandidateProposed) and not e.candidate.parents]
    assert [(one.operator, one.note) for one in written if one.id != "vote"] == [("by-hand", SAID)]
    page = Path(work.folder, result["report"]).read_text()
    assert "by-hand" in page
    assert SAID in page
    assert SAID in finished(work.begin("diff")).stdout
    work.env["CI"] = ""
    promoted = finished(work.begin("promote", "--despite-lookup"))
    assert promoted.returncode == 0, promoted.stderr
    assert SAID in work.agent.read_text()
    assert "sea and sky are blue" in work.agent.read_text()


def test_a_run_that_is_killed_goes_on_with_its_candidates(work: SmallEvolution) -> None:
    process = work.start("--candidate", "MINE.md")
    until = time.monotonic() + 60
    while len(work.bought) < 40:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    (work.folder / "MINE.md").rename(work.folder / "MOVED.md")
    ended = work.run("--candidate", "MOVED.md", "--json")
    assert ended.returncode == 0, ended.stderr
    result = json.loads(ended.stdout)
    assert result["outcome"] == "proven"
    assert len(bought_twice(work.bought)) <= 8, "those in flight"
    assert len(list((work.folder / "reports/evolve").glob("colour-agent-*"))) == 1, "one run"
