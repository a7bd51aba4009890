"""One way to evolve: command and worker run the same request alike, and each thing is opened once."""

import asyncio
import json
import shlex
import subprocess
import sys
from collections.abc import Iterable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from evolve.adaptation.worker import Worker
from evolve.core.adaptation.failures import QueuedRequest
from evolve.core.evolution.request import EvolutionRequest
from evolve.core.model.evolution_events import Estimate, EvolutionEvent, EvolutionStarted
from evolve.core.model.ports import Provider
from evolve.core.templating.templates import Templates
from evolve.evaluation.setup import Settings, open_provider_by_id
from evolve.evolution.inputs import read_inputs
from evolve.evolution.run import EvolutionResult, Observer, run
from evolve.evolution.setup import Openers, OpenLedger
from evolve.store.adaptation_files import AdaptationFiles
from evolve.store.adaptation_queue import AdaptationQueue
from evolve.store.case_files import CaseFolder
from evolve.store.ledger import SqliteLedger
from fixtures.engine_runs import timeless
from fixtures.small_evolution import SmallEvolution, a_case, finished, small_evolution

CASE = "table_0123456789ab.yaml"


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SmallEvolution:
    """A small evolution with one failure case, whose environment is this process's own."""
    made = small_evolution(tmp_path / "work")
    folder = made.folder / "cases" / "COLOUR_AGENT"
    folder.mkdir(parents=True)
    (folder / CASE).write_text(a_case("grass on the old table by the door", "green", "0123456789ab"))
    for name in ("EVOLVE_PROVIDER", "EVOLVE_REFLECTOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("EVOLVE_CACHE_DIR", str(made.cache))
    monkeypatch.setenv("BOUGHT", str(made.folder / "bought"))
    monkeypatch.chdir(made.folder)
    return made


class Follower(Observer):
    """Remembers what it was shown."""

    def __init__(self) -> None:
        self.events: list[EvolutionEvent] = []
        self.warnings: list[str] = []

    def warn(self, text: str) -> None:
        self.warnings.append(text)

    def on(self, event: EvolutionEvent) -> None:
        self.events.append(event)


def machineless(events: Iterable[EvolutionEvent]) -> list[EvolutionEvent]:
    """The events without what this machine has measured."""
    same = Estimate(0, 0.0, 0.0, 0)
    return [
        replace(event, started_s=0.0, estimate=same) if isinstance(event, EvolutionStarted) else event
        for event in timeless(events)
    ]


# --- command and worker


def worked(work: SmallEvolution, request_: EvolutionRequest, follower: Follower) -> EvolutionResult:
    """What the worker makes of a request that waits in the queue."""
    said: list[str] = []
    files = AdaptationFiles(work.cache)
    with closing(AdaptationQueue(files.folder)) as queue:
        agent = str(work.agent)
        queued = QueuedRequest(request_, str(work.folder / "cases"), str(work.folder))
        file = work.folder / "cases" / "COLOUR_AGENT" / CASE
        queue.add(agent, "0123456789ab", str(file), queued, "key")
        (result,) = Worker(queue, files, 4, said.append, lambda: [follower]).work(agent)
        assert queue.evolved(agent, "0123456789ab") == (result.run, result.finished.outcome)
        assert not queue.waits(agent)
    assert said == ["evolving AGENT for 1 failure"]
    return result


def test_the_worker_and_the_command_that_it_records_do_the_same(
    work: SmallEvolution, capsys: pytest.CaptureFixture[str]
) -> None:
    follower = Follower()
    asked = EvolutionRequest(agent=str(work.agent), suite="suite.yaml", budget=40, seed=3, output_dir="out")
    result = worked(work, asked, follower)
    assert capsys.readouterr().out == "", "what the worker prints is no result"
    assert list(result.events) == follower.events
    started = result.events[0]
    assert isinstance(started, EvolutionStarted)
    program, *words = shlex.split(started.command)
    assert program == "evolve"

    command = replace(work, cache=work.folder / "another cache")
    ended = finished(command.begin(*words, "--json"))
    assert ended.returncode == 0, ended.stderr
    reported = json.loads(ended.stdout)
    expected = [
        replace(event, command=f"{event.command} --json") if isinstance(event, EvolutionStarted) else event
        for event in machineless(result.events)
    ]
    assert machineless(command.events()) == expected
    printed = json.loads(json.dumps(result.result_json()))
    assert {**printed, "account": reported["account"]} == reported


# --- each thing once


class Counted:
    """Opens what a machine has, and remembers what it has opened."""

    def __init__(self) -> None:
        self.opened: list[str] = []

    def provider(self, name: str, settings: Settings, templates: Templates) -> Provider:
        self.opened.append(name)
        return open_provider_by_id(name, settings, templates)

    def ledger(self, folder: Path) -> OpenLedger:
        self.opened.append("ledger")
        return SqliteLedger(folder)


@pytest.mark.parametrize("shrink_budget", [0, 30])
def test_provider_and_ledger_are_opened_once_also_where_cases_are_settled_first(
    work: SmallEvolution, shrink_budget: int
) -> None:
    counted = Counted()
    request_ = EvolutionRequest(("cases",), "suite.yaml", str(work.agent), budget=40, shrink_budget=shrink_budget)
    inputs = read_inputs(request_, Settings())
    openers = Openers(counted.provider, counted.ledger)
    result = asyncio.run(run(request_, inputs, [], openers=openers))
    assert counted.opened == ["ledger", "python:model.py"]
    assert (result.finished.account.shrinking > 0) == (shrink_budget > 0)
    account = result.finished.account
    assert len(work.bought) == account.shrinking + account.search + account.gate


# --- what the user should know


def test_observers_are_warned_of_gate_families_that_a_search_has_seen(work: SmallEvolution) -> None:
    path = work.folder / "cases" / "COLOUR_AGENT" / CASE
    CaseFolder(path.parent).update(path, lambda case: replace(case, family="gate-red-0"))
    follower = Follower()
    request_ = EvolutionRequest(("cases",), "suite.yaml", str(work.agent), budget=40)
    result = asyncio.run(run(request_, read_inputs(request_, Settings()), [follower]))
    (warning,) = follower.warnings
    assert warning.startswith("11 of 12 gate families are left")
    started = result.events[0]
    assert isinstance(started, EvolutionStarted)
    assert "gate-red-0" not in {task.family for task in started.tasks if task.split == "gate"}


# --- who answers


TEST = "def test_it(agent):\n    agent('EMPTY.md').ask(thing='sea')\n"
REPORT = {"job_id": "web", "driver": "exec", "status": "failed", "stdout": "", "stderr": "bind: in use"}
PYTEST = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", ".", "test_it.py"]
COMMANDS = {
    "evolve": ["-m", "evolve", "--suite", "suite.yaml", "--agent", "EMPTY.md"],
    "evolve with cases": ["-m", "evolve", "--test-case", "cases", "--agent", "EMPTY.md", "--shrink-budget", "5"],
    "reflect": ["-m", "evolve", "reflect", "--agent", "EMPTY.md", "report.json"],
    "adapt": ["-m", "evolve", "adapt", "--agent", "EMPTY.md", "report.json"],
    "adapt an answer": ["-m", "evolve", "adapt", "--agent", "EMPTY.md", "--answer", "restart", "report.json"],
}


def run_without_model(work: SmallEvolution, words: list[str], **env: str) -> subprocess.CompletedProcess[str]:
    """What Python says to these words in a folder with an agent that has no model."""
    (work.folder / "EMPTY.md").write_text(work.agent.read_text().replace("model: python:model.py", 'model: ""'))
    (work.folder / "report.json").write_text(json.dumps(REPORT))
    (work.folder / "test_it.py").write_text(TEST)
    return subprocess.run(
        [sys.executable, *words],
        cwd=work.folder,
        env={**work.environment, **env},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_an_agent_without_a_model_is_reported_with_its_file(work: SmallEvolution, command: list[str]) -> None:
    ended = run_without_model(work, command)
    assert (ended.returncode, ended.stdout) == (2, "")
    (line,) = [line for line in ended.stderr.splitlines() if line.startswith("evolve: error")]
    assert "EMPTY.md: model: the agent's model is empty" in line
    assert "--provider" in line
    assert work.bought == []


def test_the_fixture_reports_an_agent_without_a_model_with_its_file(work: SmallEvolution) -> None:
    ended = run_without_model(work, PYTEST)
    assert ended.returncode == 1, ended.stdout
    assert "EMPTY.md: model: the agent's model is empty" in ended.stdout
    assert work.bought == []


def test_an_agent_without_a_model_is_asked_where_a_provider_is_named(work: SmallEvolution) -> None:
    ended = run_without_model(work, PYTEST, EVOLVE_PROVIDER="python:model.py")
    assert ended.returncode == 0, ended.stdout
    assert len(work.bought) == 1
