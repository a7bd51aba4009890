"""The loop from end to end: the running app chooses a wrong tool, the case gets a better prompt, the app passes.

The commands are those of a user, in a folder with a copy of the agent. At night the larger model answers; each of its
answers is kept until the loop is through, so that a night that was cut short goes on. In CI the answers of such a night
are the only ones: whatever was not asked then is an error.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from evolve.core.formats.yaml12 import parse_yaml
from evolve.core.model.errors import ExitCode
from evolve.store.agents import load_agent
from evolve.store.case_files import CaseFolder
from evolve.system.cache_folder import cache_folder
from fixtures.e2e_app import AGENT_VARIABLE, LARGE, MODEL_URL_VARIABLE, PROVIDERS, large_model
from fixtures.real_experts import real_expert, shipped_model
from fixtures.recorded_model import RecordedModel, place_model, recorded_model, serve_as_embedded

pytestmark = pytest.mark.adaptation

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
LOOP = ROOT / "fixtures/e2e_loop"
ANSWERS = LOOP / "answers.jsonl"
VERDICT = LOOP / "verdict.json"
KEEP = os.environ.get("E2E_LOOP_KEEP", "")
"""A folder for the answers and the verdict of this night."""
TEST = "where the total is computed"
BUDGET = "200"
"""More than half of it for the gate, where current agent and winner answer 55 cases of its 54 families."""
TIMEOUT_S = 2700


@dataclass(frozen=True, slots=True)
class Place:
    """A folder with the agent's version that fails, a person's prompt and the end-to-end test."""

    folder: Path
    env: dict[str, str]

    def run(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """The command, as a user calls it."""
        return subprocess.run(
            [sys.executable, "-m", "evolve", *words],
            cwd=self.folder,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )

    def ask_app(self) -> "subprocess.CompletedProcess[str]":
        """The end-to-end test, with the app as it starts now."""
        return self.run("run", "e2e.json", "--write-cases", "failure_cases", "--no-suite-cache")


def end_to_end() -> dict[str, Any]:
    """The test of the suite, about the copy of the agent."""
    file = HERE / "e2e-tests.yaml"
    suite: Any = parse_yaml(file.read_text(encoding="utf-8"), str(file))
    (test,) = [one for one in suite["tests"] if one["description"] == TEST]
    known = ("family", "split", "accepted")
    test["metadata"] = {"agent": "agents/TWIN_AGENT.md", **{name: test["metadata"][name] for name in known}}
    provider = {"id": "python:ask_agent.py", "config": {"model": "large", "cache": False, "timeout": 900_000}}
    del test["providers"]
    return {"prompts": suite["prompts"], "providers": [provider], "tests": [test]}


@contextmanager
def the_place(folder: Path, answers: RecordedModel, cache: Path) -> Iterator[Place]:
    shutil.copytree(LOOP / "agents", folder / "agents")
    shutil.copy(LOOP / "BY_HAND.md", folder)
    shutil.copy(HERE / "ask_agent.py", folder)
    (folder / "pyproject.toml").touch()  # the end of the checkout
    (folder / "e2e.json").write_text(json.dumps(end_to_end()))
    kept = {name: value for name, value in os.environ.items() if not name.startswith("EVOLVE_") and name != "CI"}
    agent = str(folder / "agents/TWIN_AGENT.md")
    own = {"EVOLVE_CACHE_DIR": str(cache), "PYTHONPATH": str(ROOT), AGENT_VARIABLE: agent}
    with recorded_model(answers) as url:
        env = {**kept, **own, MODEL_URL_VARIABLE: url}
        serve_as_embedded(url, PROVIDERS["large"], env)
        yield Place(folder, env)


def go_through(place: Place) -> dict[str, Any]:
    """From the failing test to the passing one; what the gate decided on the way."""
    failing = place.ask_app()
    assert failing.returncode == ExitCode.FAILURES, failing.stdout + failing.stderr
    (stored,) = CaseFolder(place.folder / "failure_cases").load_all()
    case = stored.case
    assert (case.agent, case.accepted, case.status) == ("TWIN_AGENT", ("project_mapper",), "open")
    assert (case.source.agent, case.source.provider) == ("TWIN_AGENT@2", PROVIDERS["large"])
    assert case.drives_evolution

    evolving = place.run(
        *("--test-case", str(stored.path.relative_to(place.folder)), "--agent", "agents/TWIN_AGENT.md"),
        *("--suite", str(ROOT / "suites/agents/twin.yaml"), "--candidate", "BY_HAND.md"),
        *("--provider", PROVIDERS["large"], "--budget", BUDGET, "--json"),
    )
    assert evolving.returncode == ExitCode.DONE, evolving.stderr
    result = json.loads(evolving.stdout)
    verdict = {name: result[name] for name in ("outcome", "reason", "winner", "written_by_hand", "account")}
    print(json.dumps(verdict))
    # A gate may find a real gain too small for a proof; then a person takes the risk, in words.
    assert result["outcome"] in ("proven", "provisional"), result["reason"]
    assert result["written_by_hand"] == ["written by hand: BY_HAND.md"]

    flags = ["--provisional"] if result["outcome"] == "provisional" else []
    flags += [] if result["beyond_lookup"]["is_beyond"] else ["--despite-lookup"]
    promoting = place.run("promote", result["run"], *flags)
    assert promoting.returncode == ExitCode.DONE, promoting.stderr
    agent = load_agent(place.folder / "agents/TWIN_AGENT.md")
    assert agent.title == "TWIN_AGENT@3"

    passing = place.ask_app()
    assert passing.returncode == ExitCode.DONE, passing.stdout + passing.stderr
    (pinned,) = CaseFolder(place.folder / "failure_cases").load_all()
    assert pinned.case.status == "pinned"
    return {name: verdict[name] for name in ("outcome", "reason", "winner")}


def test_the_loop_as_a_night_recorded_it(tmp_path: Path) -> None:
    shipped_model()  # skips without the engine, whose version the provider names
    place_model(LARGE, tmp_path / "cache")
    answers = RecordedModel(ANSWERS)
    with the_place(tmp_path / "work", answers, tmp_path / "cache") as place:
        assert go_through(place) == json.loads(VERDICT.read_text())
    assert answers.unknown == []


@pytest.mark.nightly
def test_the_loop_on_the_larger_model(tmp_path: Path) -> None:
    file = large_model()
    if not file.is_file():
        pytest.skip("needs the larger model: ./bootstrap.sh model large")
    unfinished = cache_folder(os.environ) / "e2e-loop.jsonl"
    unfinished.parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache/models").symlink_to(file.parent)
    arguments = ("--ctx-size", "12288", "--parallel", "3")
    with real_expert(tmp_path / "model.log", *arguments, model=file) as upstream:
        answers = RecordedModel(unfinished, upstream)
        with the_place(tmp_path / "work", answers, tmp_path / "cache") as place:
            verdict = go_through(place)
    if KEEP:
        answers.keep_used(Path(KEEP, ANSWERS.name))
        Path(KEEP, VERDICT.name).write_text(json.dumps(verdict, indent=1) + "\n")
    # It went through: the next night asks the model again.
    unfinished.unlink()
