"""benchmarks/evolve_beyond.py: a killed unit continues, and recorded units are judged again without a model."""

import asyncio
import importlib
import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from evolve.core.model.answers import Answer, Request, TokenUsage
from evolve.core.model.errors import CannotEvaluate, EnvironmentFault, InputError
from evolve.core.model.families import SPLITS
from evolve.core.model.json_value import JsonValue
from evolve.core.search.genome import genome_of
from evolve.core.search.proposal_guard import ProposalGuard, answers_of
from evolve.store.agents import load_agent
from evolve.store.suites import load_suite

ROOT = Path(__file__).parents[2]
HERE = ROOT / "benchmarks"
RECORDED = ROOT / "fixtures/beyond"
UNITS = sorted(path.name for path in RECORDED.iterdir() if path.is_dir()) if RECORDED.exists() else []
MODEL = '''\
"""Notes each question, and dies at the one that the environment names."""

import os
import signal


def call_api(prompt, options, context):
    asked = os.path.join(os.path.dirname(__file__), "asked")
    with open(asked, "a") as file:
        file.write("x")
    if os.path.getsize(asked) == int(os.environ.get("DIES_AT", "0")):
        os.kill(os.getpid(), signal.SIGKILL)
    return {"output": '{"tool": "ha"}', "tokenUsage": {"total": 10, "prompt": 7, "completion": 3}}
'''


@pytest.fixture(scope="module")
def modules() -> Iterator[Any]:
    """Finds the benchmark's modules as its script finds them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(HERE))
        yield importlib.import_module


class Counting:
    """A model that numbers its answers."""

    id = "counting"

    def __init__(self) -> None:
        self.asked = 0

    def identity(self, _: Request) -> JsonValue:
        return None

    async def answer(self, request: Request) -> Answer:
        self.asked += 1
        if "too long" in request.prompt:
            raise CannotEvaluate("it does not fit")
        return Answer(f"answer {self.asked}", tokens=TokenUsage(12, 10, 2, 4, 1))

    async def close(self) -> None: ...


def request(text: str, **settings: JsonValue) -> Request:
    return Request(json.dumps([{"role": "user", "content": text}]), config={"passthrough": dict(settings)})


def asked(model: Any, question: Request) -> Answer:
    answer: Answer = asyncio.run(model.answer(question))
    return answer


def test_a_recorded_answer_is_given_again_without_the_model(modules: Any, tmp_path: Path) -> None:
    recorded = modules("beyond_recorded").RecordedModel
    model = Counting()
    first = recorded(tmp_path / "l.jsonl", model)
    given = asked(first, request("a", temperature=0))
    again = recorded(tmp_path / "l.jsonl", None)
    repeated = asked(again, request("a", temperature=0))
    assert (repeated.output, repeated.tokens, repeated.raw) == (given.output, given.tokens, given.raw)
    assert model.asked == 1
    with pytest.raises(EnvironmentFault, match="no model may be asked"):
        asked(again, request("b", temperature=0))


@pytest.mark.parametrize(("temperature", "answers"), [(0, 1), (0.7, 3)])
def test_a_repeated_question_is_another_one_where_chance_decides(
    modules: Any, tmp_path: Path, temperature: float, answers: int
) -> None:
    model = Counting()
    for _ in range(2):
        recorded = modules("beyond_recorded").RecordedModel(tmp_path / "l.jsonl", model)
        found = {(asked(recorded, request("a", temperature=temperature))).output for _ in range(3)}
        assert len(found) == model.asked == answers


def test_a_prompt_that_did_not_fit_does_not_fit_again(modules: Any, tmp_path: Path) -> None:
    model = Counting()
    for _ in range(2):
        recorded = modules("beyond_recorded").RecordedModel(tmp_path / "l.jsonl", model)
        with pytest.raises(CannotEvaluate, match="does not fit"):
            asked(recorded, request("too long", temperature=0))
    assert model.asked == 1


def test_half_a_line_of_a_killed_process_is_no_answer(modules: Any, tmp_path: Path) -> None:
    model = Counting()
    recorded = modules("beyond_recorded").RecordedModel
    for text in "ab":
        asked(recorded(tmp_path / "l.jsonl", model), request(text, temperature=0))
    file = tmp_path / "l.jsonl"
    file.write_text(file.read_text()[:-9])
    assert asked(recorded(file, model), request("a", temperature=0)).output == "answer 1"
    assert asked(recorded(file, model), request("b", temperature=0)).output == "answer 3"
    assert asked(recorded(file, None), request("b", temperature=0)).output == "answer 3"


def beyond(folder: Path, *words: str, dies_at: int = 0) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(HERE / "evolve_beyond.py"), "--folder", str(folder / "units"), *words]
    env = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "DIES_AT": str(dies_at), "HOME": str(folder)}
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=120, check=False)


def test_a_killed_unit_continues_where_it_was(tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text(MODEL)
    words = ("--targets", "python:model.py", "--arms", "plain,lookup", "--cases", "6")
    assert beyond(tmp_path, *words, dies_at=4).returncode == -signal.SIGKILL
    done = beyond(tmp_path, *words)
    assert done.returncode == 0, done.stderr
    assert len((tmp_path / "asked").read_text()) == 7, "six answers, and the one that was asked when it was killed"
    assert "| plain | 1 |" in done.stdout
    repeated = beyond(tmp_path, *words)
    assert repeated.stdout == done.stdout
    assert len((tmp_path / "asked").read_text()) == 7


def test_an_agent_that_a_person_wrote_has_the_plain_ones_contract_and_quotes_no_case_that_judges(
    modules: Any, tmp_path: Path
) -> None:
    task = modules("beyond_tasks").open_task("twin", tmp_path)
    agent = load_agent(HERE / "beyond_agents/TWIN_BY_HAND.md")
    assert (agent.output, agent.inputs, agent.sampling) == (task.agent.output, task.agent.inputs, task.agent.sampling)
    written = genome_of(agent)
    guard = ProposalGuard(genome_of(task.agent), answers_of(agent.output), task.held_out, task.shown)
    assert guard.check_answers(written) is None
    assert guard.check_copies(written, genome_of(task.agent)) is None


def test_an_arm_that_nobody_wrote_by_hand_names_the_file(modules: Any, tmp_path: Path) -> None:
    task = SimpleNamespace(name="bfcl")
    with pytest.raises(InputError, match=r"for bfcl \(write .*BFCL_BY_HAND\.md\)"):
        modules("beyond_own_arms").by_hand(SimpleNamespace(task=task))


@pytest.mark.parametrize("task", ["bfcl", "gsm_symbolic"])
def test_suites_from_sources_have_no_family_and_no_question_in_two_splits(
    modules: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, task: str
) -> None:
    """On data sets of the same form, but a few tests each; the real ones: ./bootstrap.sh bench."""
    monkeypatch.syspath_prepend(str(ROOT / "fixtures/test_sources"))
    suites = modules("beyond_suites")
    monkeypatch.setattr(suites, "_GSM_SET", "adding")
    monkeypatch.setattr(suites, "_GSM", {split: (9, seed) for seed, split in enumerate(SPLITS, 1)})
    first = suites.made_suite(task, tmp_path / "one").read_text()
    assert first == suites.made_suite(task, tmp_path / "two").read_text()
    found: dict[str, set[str]] = {}
    for test in load_suite(str(tmp_path / "one" / f"{task}.yaml")).tests:
        for name in (str(test.metadata["family"]), str(test.vars["question"])):
            found.setdefault(name, set()).add(str(test.metadata["split"]))
    assert {len(splits) for splits in found.values()} == {1}
    assert set().union(*found.values()) <= set(SPLITS)


def test_without_a_model_no_search_is_begun(tmp_path: Path) -> None:
    done = beyond(tmp_path, "--replay", "--targets", "python:model.py", "--arms", "gepa,ours", "--cases", "6")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("holds no complete search, and no model may be asked") == 2
    assert "not run: twin_python-model.py_gepa_1, twin_python-model.py_ours_1" in done.stdout
    assert not (tmp_path / "units/venvs").exists()


def test_unknown_words_are_reported_with_the_known_ones(tmp_path: Path) -> None:
    done = beyond(tmp_path, "--arms", "plan", "--tasks", "twn")
    assert done.returncode == 2
    assert (
        "no arm 'plan' (known: plain, lookup, think, demos, by-hand, shipped, gepa, dspy, apo, promptfoo, "
        "gepa+reflector, ours, ours+reflector, ours+by-hand)" in done.stderr
    )
    assert "no task 'twn'" in done.stderr


def result(modules: Any, arm: str, right: str, seed: int = 1, answer: str = "a") -> Any:
    """A unit whose case N, of family N, is right where the text has an x."""
    units, outcome = modules("beyond_units"), modules("evolve_splits").Outcome
    outcomes = tuple(outcome(str(n), answer, mark == "x", False) for n, mark in enumerate(right))
    bill = {"tokens": 90, "answers": 3, "model_cpu_s": 2.0, "client_cpu_s": 1.0}
    cases = tuple(map(str, range(len(right))))
    return units.UnitResult(units.Unit("twin", "m", arm, seed), cases, outcomes, "", bill, bill)


def test_gains_are_paired_and_seeds_pooled(modules: Any) -> None:
    found = modules("beyond_tables").table(
        [
            result(modules, "lookup", "xx......"),
            result(modules, "think", "xxxx...."),
            result(modules, "ours", "xxxxxxxx", seed=1),
            result(modules, "ours", "xxxx....", seed=2),
        ]
    )
    rows = {line.split(" | ")[0][2:]: line.split(" | ") for line in found.splitlines() if line.startswith("| ")}
    assert rows["think"][2:6] == ["0.500", "0.125 to 0.875", "+25.0 (+0.0 to +62.5)", ""]
    assert rows["ours"][1:3] == ["2", "0.750"]
    assert rows["ours"][4].startswith("+50.0 (")
    assert rows["ours"][5].startswith("+25.0 (")
    assert "8 held-out cases of 8 families" in found


def test_arms_with_other_cases_are_compared_on_those_that_both_answered(modules: Any) -> None:
    arms = [result(modules, "lookup", "....xxxx"), result(modules, "think", "...."), result(modules, "ours", "xxxx")]
    row = next(line for line in modules("beyond_tables").table(arms).splitlines() if line.startswith("| ours"))
    assert row.split(" | ")[4] == "+100.0 (+100.0 to +100.0)"


def test_kinds_of_cases_have_a_table_of_their_own(modules: Any) -> None:
    def kinds(one: Any) -> Any:
        outcomes = [replace(o, group="ab"[n % 2]) for n, o in enumerate(one.outcomes)]
        return replace(one, outcomes=tuple(outcomes))

    found = modules("beyond_tables").table(
        [kinds(result(modules, "think", "x.x.x.x.")), kinds(result(modules, "ours", "xxxxxx.."))]
    )
    assert "| ours | a | 4 | 0.750 | -25.0 (" in found
    assert "| ours | b | 4 | 0.750 | +75.0 (" in found


def test_an_arm_that_was_not_run_is_named(modules: Any) -> None:
    found = modules("beyond_tables").table([result(modules, "ours", "x.")])
    assert found.count("not run") == 2


@pytest.mark.parametrize("name", UNITS)
def test_recorded_answers_are_judged_as_they_were(modules: Any, tmp_path: Path, name: str) -> None:
    """To record them again, after a change of the suite or of a prompt: fixtures/beyond/README.md."""
    units, tasks = modules("beyond_units"), modules("beyond_tasks")
    shutil.copytree(RECORDED / name, tmp_path / name)
    known = json.loads((tmp_path / name / "result.json").read_text())
    (tmp_path / name / "result.json").unlink()
    task = tasks.open_task(known["unit"]["task"], tmp_path / "suites")
    effort = units.Effort(budget=1, cases=len(known["cases"]), may_ask=False)
    found = units.measured(units.Unit(**known["unit"]), effort, task, tmp_path, tmp_path)
    assert len(found.cases) == 12
    assert [vars_of(outcome) for outcome in found.outcomes] == [{"group": "", **one} for one in known["outcomes"]]


def vars_of(outcome: Any) -> dict[str, Any]:
    return {name: getattr(outcome, name) for name in ("family", "answer", "is_right", "is_harmful", "group")}
