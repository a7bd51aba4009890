"""`evolve --shrink-budget`: new failure cases are asked again first, made small, or found flaky."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from evolve.core.cases.failure_case import CaseSource, FailureCase, to_text
from evolve.core.cases.inert import as_sent
from evolve.core.cases.labels import label_assertions
from evolve.core.model.evolution_events import CaseRecorded, EvolutionFinished
from evolve.store.case_files import load_case
from fixtures.small_evolution import SmallEvolution, small_evolution

NOISE = "the delivery of this morning had a thing that somebody put on the long table beside the old door"
THING = f"{NOISE} grass {NOISE} leaf {NOISE}"
OUTPUT = {"type": "object", "properties": {"colour": {"enum": ["red", "green", "blue"]}}, "required": ["colour"]}
STUBBORN = """
import json, os
def call_api(prompt, options, context):
    with open(os.environ["BOUGHT"], "a") as bought:
        bought.write(f"{context['repeatIndex']}\\n")
    colour = %s
    return {"output": json.dumps({"colour": colour})}
"""


@pytest.fixture
def work(tmp_path: Path) -> SmallEvolution:
    made = small_evolution(tmp_path / "work", model=STUBBORN % "'red'")
    case = FailureCase(
        agent="COLOUR_AGENT",
        fingerprint="0123456789ab",
        description="what stood on the table",
        vars={"thing": THING},
        prompt=as_sent(json.dumps([{"role": "user", "content": f"Thing: {THING}"}])),
        source=CaseSource(
            "suite", "a test", "accuracy", "expected green, got red", "echo", "COLOUR_AGENT@1", "2025-03-04"
        ),
        assertions=label_assertions(OUTPUT, ["green"], []),
        accepted=("green",),
        family="table",
    )
    (made.folder / "cases").mkdir()
    (made.folder / "cases" / "table_0123456789ab.yaml").write_text(to_text(case))
    return made


def recorded(work: SmallEvolution) -> list[str]:
    return [event.change for event in work.events() if isinstance(event, CaseRecorded)]


def case_of(work: SmallEvolution) -> FailureCase:
    return load_case(work.folder / "cases" / "table_0123456789ab.yaml")


def test_a_case_keeps_the_words_that_call_for_the_right_answer_and_little_else(work: SmallEvolution) -> None:
    ended = work.run("--test-case", "cases", "--shrink-budget", "60", budget=40)
    assert ended.returncode == 0, ended.stderr
    case = case_of(work)
    assert recorded(work) == ["shrunk"]
    thing = str(case.vars["thing"])
    assert "grass" in thing.split() or "leaf" in thing.split()
    assert len(thing.split()) <= 3
    assert case.is_settled
    assert case.fingerprint == "0123456789ab"
    assert thing.strip() in case.prompt
    account = next(event.account for event in work.events() if isinstance(event, EvolutionFinished))
    assert 2 <= account.shrinking <= 60
    assert account.search + account.gate <= 40
    assert len(work.bought) == account.shrinking + account.search + account.gate


def test_a_settled_case_is_not_asked_again_and_the_run_is_the_same(work: SmallEvolution) -> None:
    work.run("--test-case", "cases", "--shrink-budget", "60", budget=40)
    before, text = len(work.bought), (work.folder / "cases" / "table_0123456789ab.yaml").read_text()
    again = work.run("--test-case", "cases", "--shrink-budget", "60", budget=40)
    assert again.returncode == 0
    assert len(work.bought) == before
    assert (work.folder / "cases" / "table_0123456789ab.yaml").read_text() == text


def test_a_case_that_does_not_fail_again_is_flaky_and_drives_nothing(work: SmallEvolution) -> None:
    (work.folder / "model.py").write_text(STUBBORN % "'red' if context['repeatIndex'] == 0 else 'green'")
    ended = work.run("--test-case", "cases", "--shrink-budget", "60", budget=40)
    assert ended.returncode == 0, ended.stderr
    case = case_of(work)
    assert (case.status, case.vars["thing"]) == ("flaky", THING)
    assert recorded(work) == ["flaky"]
    assert not case.drives_evolution


@pytest.mark.parametrize(
    "changes",
    [{"accepted": ("blue",)}, {"status": "pinned"}, {"description": "reported better"}],
    ids=lambda it: next(iter(it)),
)
def test_a_case_that_a_person_changes_meanwhile_stays_as_that_person_left_it(
    work: SmallEvolution, changes: dict[str, object]
) -> None:
    path = work.folder / "cases" / "table_0123456789ab.yaml"
    person = replace(case_of(work), **changes)  # type: ignore[arg-type]
    (work.folder / "other.txt").write_text(to_text(person))
    # The model's first answer is the moment at which somebody writes.
    (work.folder / "model.py").write_text(
        "import shutil\n"
        + (STUBBORN % "'red'").replace("    colour", f"    shutil.copy('other.txt', {str(path)!r})\n    colour", 1)
    )
    ended = work.run("--test-case", "cases", "--shrink-budget", "60", budget=40)
    assert ended.returncode == 0, ended.stderr
    assert case_of(work) == person
    assert recorded(work) == []


def test_without_a_budget_for_it_cases_stay_as_they_are(work: SmallEvolution) -> None:
    ended = work.run("--test-case", "cases", budget=40)
    assert ended.returncode == 0, ended.stderr
    assert case_of(work).vars["thing"] == THING
    assert not case_of(work).is_settled
