"""The loop itself, on the embedded model: a test fails, becomes a case, and the case a better prompt that passes it.

All of it happens in a scratch copy of the agents. The suite is cut from the reflection agent's own: the three causes
whose reports have words of their own, so that a search of few answers finds what helps (solved cases next to the one at
hand) and twelve families are enough for a proof: the plain ancestor passes next to none of them, a prompt with demos
nearly all. The test that fails is one that nearest and likeliest demos both solve, and the vote without a model too.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from evolve.core.formats.yaml12 import parse_yaml
from evolve.store.agents import AGENTS_DIR, load_agent
from evolve.store.case_files import CaseFolder
from fixtures.console_lines import Say

pytestmark = pytest.mark.adaptation

SUITE = Path(__file__).parents[1] / "agents" / "reflection.yaml"
ACTIONS = ("free_port", "free_disk", "increase_memory")
FAMILIES = {"train": 20, "val": 2, "gate": 4}
"""Of each action: enough to choose demos from; the gate's twelve are read in one go."""
BUDGET = "50"
"""Half for a race of twelve cases with the first candidate, which wins it; half for the gate."""
TIMEOUT_S = 1200
"""Of one command, on a machine that is busy with much else."""
FAMILY, TEST = "haskell-warp-resource-busy", "haskell"
"""The case, and the word by which `pytest -k` finds it."""
PLAIN = "REFLECTION_AGENT_PLAIN"
PROMPTS = f'''"""The prompt of the agent's scratch copy, as it is when it is asked."""

from pathlib import Path

from evolve.core.evaluation.agent_prompts import render_agent
from evolve.core.templating.templates import Templates
from evolve.store.agents import load_agent, load_bank

FILE = Path(__file__).parent / "agents" / "{PLAIN}.md"


def prompt(context):
    agent, render = load_agent(FILE), Templates("strict").render
    bank = load_bank(agent, FILE, render)
    # The case's own family is left out: it may be among the demos by now.
    made = render_agent(agent, context["vars"], bank, render, family="{FAMILY}")
    return {{"prompt": made.text, "config": dict(made.config)}}
'''


@dataclass
class Scratch:
    """A folder with a copy of the agents and a small suite."""

    folder: Path
    cache: Path
    say: Say

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """A module of Python's, as a user calls it."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("EVOLVE_") and name != "CI"}
        env = {**kept, "EVOLVE_CACHE_DIR": str(self.cache), "EVOLVE_IDLE_S": "30", "PYTEST_ADDOPTS": ""}
        command = [sys.executable, "-m", *words]
        with tempfile.TemporaryFile("w+") as out:
            child = subprocess.Popen(
                command, cwd=self.folder, env=env, stdout=out, stderr=subprocess.PIPE, text=True, bufsize=1
            )
            limit = threading.Timer(TIMEOUT_S, child.kill)
            limit.start()
            with child:
                said = "".join(self._shown(child))
            limit.cancel()
            out.seek(0)
            return subprocess.CompletedProcess(command, child.returncode, out.read(), said)

    def _shown(self, child: subprocess.Popen[str]) -> Iterator[str]:
        """What the child writes on stderr; its progress goes to the console as it comes."""
        assert child.stderr is not None
        for line in child.stderr:
            if line.startswith("evolve: "):
                self.say(f"  {line.rstrip()}")
            yield line

    def pytest(self) -> subprocess.CompletedProcess[str]:
        """The one test, under pytest, with capture of failures on."""
        return self.run("pytest", "-p", "no:cacheprovider", "suite.json", "-k", TEST)

    @property
    def agent(self) -> Path:
        return self.folder / "agents" / f"{PLAIN}.md"

    def result_of(self, *words: str) -> dict[str, Any]:
        """What a command says as JSON."""
        done = self.run(*words, "--json")
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found


@dataclass
class Loop:
    """What each step of the loop left behind."""

    before: str
    """The agent's file."""
    failing: subprocess.CompletedProcess[str]
    case_before: str
    result: Mapping[str, Any]
    promoting: subprocess.CompletedProcess[str]
    passing: subprocess.CompletedProcess[str]
    folder: Path = field(default=Path())


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache for this file: what one test has bought is free for the next."""
    return tmp_path_factory.mktemp("cache")


def scratch(folder: Path, cache: Path, say: Say) -> Scratch:
    shutil.copytree(AGENTS_DIR, folder / "agents", ignore=shutil.ignore_patterns("gate_log.jsonl"))
    (folder / "prompts.py").write_text(PROMPTS)
    (folder / "suite.json").write_text(json.dumps(small_suite()))
    (folder / "pytest.ini").write_text("[pytest]\nsuite_files = suite.json\nsuite_failure_cases = failure_cases\n")
    return Scratch(folder, cache, say)


def small_suite() -> dict[str, Any]:
    """The reflection agent's suite, cut by actions and families: the first case of each."""
    suite = parse_yaml(SUITE.read_text(encoding="utf-8"), str(SUITE))
    assert isinstance(suite, dict)
    whole: dict[str, Any] = suite
    whole["prompts"] = [{"id": "file://prompts.py:prompt", "label": PLAIN}]
    whole["defaultTest"]["metadata"] = {"agent": PLAIN}
    whole["tests"] = list(_cut(whole["tests"]))
    return whole


def _cut(tests: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    seen: set[str] = set()
    counted: Counter[tuple[str, str]] = Counter()
    for test in tests:
        about = test["metadata"]
        action, split, family = about["accepted"][0], about["split"], about["family"]
        room = FAMILIES[split] - counted[split, action] > 0 or family == FAMILY
        if action in ACTIONS and family not in seen and room:
            seen.add(family)
            counted[split, action] += 1
            yield test


@pytest.fixture(scope="module")
def loop(tmp_path_factory: pytest.TempPathFactory, cache: Path, say: Say) -> Loop:
    place = scratch(tmp_path_factory.mktemp("loop"), cache, say)
    before = place.agent.read_text()
    say("the loop, 1 of 3: a test fails on the embedded model and becomes a case")
    failing = place.pytest()
    assert failing.returncode == pytest.ExitCode.TESTS_FAILED, failing.stdout
    assert "new failure cases: 1" in failing.stdout, failing.stdout
    (path,) = sorted((place.folder / "failure_cases").glob("**/*.yaml"))
    case = path.read_text()
    say(f"the loop, 2 of 3: the case evolves the prompt, with {BUDGET} answers of the model")
    result = place.result_of(
        *("evolve", "--test-case", "failure_cases", "--suite", "suite.json", "--budget", BUDGET),
        *("--agent", f"agents/{PLAIN}.md"),
    )
    say("the loop, 3 of 3: the winner is promoted, and the test passes")
    promoting = place.run("evolve", "promote", result["run"], "--despite-lookup")
    return Loop(before, failing, case, result, promoting, place.pytest(), place.folder)


def test_a_failing_test_becomes_a_failure_case(loop: Loop):
    assert "1 failed" in loop.failing.stdout
    assert "new failure cases: 1" in loop.failing.stdout
    assert "status: open" in loop.case_before
    assert f"family: {FAMILY}" in loop.case_before
    assert "- free_port" in loop.case_before


def test_the_case_evolves_the_prompt_within_its_budget_and_the_gate_proves_it(loop: Loop):
    account, gate = loop.result["account"], loop.result["gate"]
    assert 0 < account["search"] + account["gate"] <= int(BUDGET)
    assert loop.result["outcome"] == "proven", loop.result["reason"]
    assert gate["families"] >= 10
    assert gate["candidate"] - gate["incumbent"] > 0.4
    assert Path(loop.folder / loop.result["report"]).exists()


def test_the_winner_becomes_the_next_version_with_its_evidence(loop: Loop):
    assert loop.promoting.returncode == 0, loop.promoting.stderr
    agent = load_agent(loop.folder / "agents" / f"{PLAIN}.md")
    assert agent.title == f"{PLAIN}@2"
    assert agent.parent == f"{PLAIN}@1"
    assert isinstance(agent.evidence, dict)
    assert agent.evidence["run"] == loop.result["run"]
    assert (loop.folder / "agents" / f"{PLAIN}.md").read_text() != loop.before
    assert load_agent(AGENTS_DIR / f"{PLAIN}.md").version == 1  # the scratch copy alone was changed


def test_the_case_passes_with_the_promoted_agent_and_is_pinned(loop: Loop):
    assert loop.passing.returncode == 0, loop.passing.stdout
    (stored,) = CaseFolder(loop.folder / "failure_cases").load_all()
    assert stored.case.status == "pinned"


def test_a_failed_jobs_diagnostics_go_the_same_way(tmp_path: Path, cache: Path, say: Say):
    place = scratch(tmp_path, cache, say)
    # A job that the suite knows: its evolution is the loop's own once more, and costs nothing after that.
    (test,) = [test for test in small_suite()["tests"] if test["metadata"]["family"] == FAMILY]
    (tmp_path / "diagnostics.json").write_text(json.dumps(test["vars"]["diagnostics"]))
    result = place.result_of(
        *("evolve.cli.adaptation_manager", "diagnostics.json", "--action", "free_port", "--wait"),
        *("--agent", f"agents/{PLAIN}.md", "--suite", "suite.json", "--budget", BUDGET),
    )
    (evolution,) = result["evolutions"]
    assert (result["step"], result["change"]) == ("evolve", "new")
    assert result["answer"] not in ("free_port", "error")
    assert evolution["outcome"] == "proven", evolution["reason"]
    assert place.agent.read_text() == (AGENTS_DIR / f"{PLAIN}.md").read_text()
    (stored,) = CaseFolder(tmp_path / "failure_cases").load_all()
    assert (stored.case.status, stored.case.source.kind) == ("open", "incident")
    (agent,) = place.result_of("evolve.cli.adaptation_manager", "--status")["agents"]
    assert (agent["agent"], agent["waiting"], agent["last"]["outcome"]) == (PLAIN, [], "proven")
