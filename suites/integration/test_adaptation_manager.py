"""`evolve adapt` as a process: what a failed job starts, what waits, and what survives the death of any process."""

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from evolve.core.adaptation.failures import Labels, QueuedRequest
from evolve.core.adaptation.status import AgentAnswer
from evolve.core.cases.redaction import Redactor
from evolve.core.evolution.request import EvolutionRequest
from evolve.core.model.actions import Action
from evolve.core.model.errors import EnvironmentFault
from evolve.store.adaptation_queue import AdaptationQueue
from evolve.store.case_files import CaseFolder

pytestmark = pytest.mark.adaptation

AGENT = """---
name: TRIAGE
version: 1
description: Names the one action that heals a failed job.
inputs: {diagnostics: {digest: 400}}
output:
  type: object
  properties:
    action: {enum: [restart, free_port, free_disk, fix_config]}
  required: [action]
model: python:model.py
---
## Role
You name the action.

## Case
Report:
{{ diagnostics }}
"""
MODEL = '''"""Copies the answer of the demo that is nearest to the case; waits while there is a file `hold`."""
import json
import time
from pathlib import Path


def call_api(prompt, options, context):
    while Path("hold").exists():
        time.sleep(0.01)
    messages = json.loads(prompt)
    shown = [message["content"] for message in messages if message["role"] == "assistant"]
    return {"output": shown[-1] if shown else '{"action": "restart"}'}
'''
CAUSES = {
    "free_port": ("bind: address already in use", "listen failed, port is taken"),
    "free_disk": ("write: no space left on device", "disk quota exceeded"),
    "fix_config": ("unknown option in the config", "cannot parse the setting"),
}
CHANGES = ("alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda", "mu")


def report(cause: str, **more: object) -> dict[str, object]:
    return {"job_id": "web", "driver": "exec", "status": "failed", "stdout": "", "stderr": cause, **more}


def a_test(split: str, number: int, action: str) -> dict[str, object]:
    cause = f"{CAUSES[action][number % 2]} {split}{number}"
    schema = {"type": "object", "required": ["action"], "properties": {"action": {"enum": [action]}}}
    return {
        "description": f"{action} {split} {number}",
        "vars": {"diagnostics": report(cause)},
        "assert": [{"type": "is-json", "value": schema}],
        "metadata": {"family": f"{split} {action} {number}", "split": split, "accepted": [action]},
    }


@dataclass
class World:
    """A folder with an agent, its suite and its model, and a cache of its own."""

    folder: Path

    @property
    def cache(self) -> Path:
        return self.folder / "cache"

    @property
    def env(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("EVOLVE_") and name != "CI"}
        return {**kept, "EVOLVE_CACHE_DIR": str(self.cache), "API_TOKEN": "hunter2-hunter2-hunter2"}

    def words(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "evolve.cli.adaptation_manager", *arguments]

    def run(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.words(*arguments),
            cwd=self.folder,
            env=self.env,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def adapt(self, cause: str, *arguments: str) -> dict[str, Any]:
        """One report with a known right action, and what the command printed of it."""
        done = self.run("-", *self.settings, "--json", *arguments, stdin=json.dumps(report(cause)))
        assert done.returncode == 0, done.stderr
        reported: dict[str, Any] = json.loads(done.stdout)
        return reported

    settings = (
        *("--agent", "TRIAGE.md", "--suite", "suite.json", "--budget", "60"),
        *("--answer", "restart", "--action", "free_port", "--per-day", "40"),
    )

    def status(self) -> dict[str, Any]:
        """How things stand with the one agent."""
        done = self.run("--status", "--json")
        assert done.returncode == 0, done.stderr
        (reported,) = json.loads(done.stdout)["agents"]
        found: dict[str, Any] = reported
        return found

    def cases(self) -> list[Path]:
        return sorted((self.folder / "failure_cases").glob("**/*.yaml"))

    def hold(self) -> None:
        """From now on the model does not answer."""
        (self.folder / "hold").write_text("")

    def let_go(self) -> None:
        (self.folder / "hold").unlink()


@pytest.fixture
def world(tmp_path: Path) -> World:
    (tmp_path / "TRIAGE.md").write_text(AGENT)
    (tmp_path / "model.py").write_text(MODEL)
    sizes = {"train": 5, "val": 2, "gate": 6}
    tests = [a_test(split, n, action) for split, size in sizes.items() for n in range(size) for action in CAUSES]
    suite = {"prompts": ["{{ diagnostics }}"], "providers": ["echo"], "tests": tests}
    (tmp_path / "suite.json").write_text(json.dumps(suite))
    return World(tmp_path)


def until(condition: Callable[[], object], within_s: float = 90.0) -> None:
    """Returns when the condition holds; fails when it does not in time."""
    end = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < end, "what was waited for did not happen"
        time.sleep(0.05)


def test_a_labelled_failure_evolves_the_agent_and_changes_no_file_of_it(world: World):
    reported = world.adapt(CAUSES["free_port"][0], "--wait")
    (evolution,) = reported["evolutions"]
    assert (reported["step"], reported["change"], evolution["outcome"]) == ("evolve", "new", "proven")
    (case,) = world.cases()
    assert reported["case"] == str(case.relative_to(world.folder))
    assert "status: open" in case.read_text()
    assert (world.folder / "TRIAGE.md").read_text() == AGENT
    assert Path(world.folder / evolution["report"]).exists()


def test_an_unlabelled_failure_is_written_and_starts_nothing(world: World):
    done = world.run("-", "--agent", "TRIAGE.md", "--suite", "suite.json", stdin=json.dumps(report("what is this?")))
    assert done.returncode == 0, done.stderr
    (case,) = world.cases()
    assert f"evolve cases label {case.relative_to(world.folder)} ACTION --agent TRIAGE.md" in done.stdout
    assert "unlabelled" in case.read_text()
    assert world.run("--status").stdout == "nothing is running and nothing is waiting\n"


def test_a_label_that_comes_later_makes_the_same_case_drive(world: World):
    assert world.run("-", "--agent", "TRIAGE.md", stdin=json.dumps(report("odd: bind"))).returncode == 0
    reported = world.adapt("odd: bind", "--wait")
    assert (reported["change"], reported["step"]) == ("repeat", "evolve")
    assert len(world.cases()) == 1
    assert len(reported["evolutions"]) == 1


def test_what_the_agent_answers_right_is_nothing_to_adapt(world: World):
    done = world.run("-", "--agent", "TRIAGE.md", "--action", "restart", stdin=json.dumps(report("crashed")))
    assert done.returncode == 0
    assert "nothing to adapt" in done.stdout
    assert world.cases() == []


def test_a_case_that_was_evolved_already_starts_nothing_again(world: World):
    first = world.adapt(CAUSES["free_port"][0], "--wait")
    again = world.adapt(CAUSES["free_port"][0] + " ", "--wait")
    assert again["step"] == "known"
    assert again["evolved"]["run"] == first["evolutions"][0]["run"]
    assert world.status()["started_today"] == 1


def test_the_background_goes_on_alone_and_its_log_tells_it(world: World):
    reported = world.adapt(CAUSES["free_port"][0])
    assert reported["background"] == "started"
    until(lambda: world.status()["last"])
    log = Path(reported["log"]).read_text()
    assert "evolving TRIAGE for 1 failure" in log
    assert "Better: proven" in log
    assert world.status()["last"]["outcome"] == "proven"


def test_failures_that_come_meanwhile_share_the_next_evolution(world: World):
    world.hold()
    first = world.adapt(CAUSES["free_port"][0])
    until(lambda: world.status()["running"])
    others = [world.adapt(f"{CAUSES['free_port'][0]} {word}") for word in CHANGES[:3]]
    repeat = world.adapt(CAUSES["free_port"][0])
    assert [reported["background"] for reported in others] == ["queued"] * 3
    assert (repeat["step"], repeat["change"], repeat["background"]) == ("evolve", "repeat", "running")
    arguments = ("-", "--agent", "TRIAGE.md", "--answer", "restart", "--action", "restart")
    right = world.run(*arguments, stdin=json.dumps(report("x")))
    assert right.stdout.splitlines() == ["web: TRIAGE@1 answered restart, which is right: nothing to adapt"]
    status = world.status()
    assert status["running"]["pid"] == first["pid"] == others[0]["pid"]
    assert (len(status["running"]["failures"]), len(status["waiting"])) == (1, 3)
    world.let_go()
    until(lambda: world.status()["last"] and not world.status()["waiting"])
    log = Path(first["log"]).read_text()
    assert "evolving TRIAGE for 1 failure\n" in log
    assert "evolving TRIAGE for 3 failures\n" in log
    assert world.status()["started_today"] == 2
    assert len(world.cases()) == 4


def test_who_waits_for_another_evolution_learns_what_it_found(world: World):
    world.hold()
    world.adapt(CAUSES["free_port"][0])
    until(lambda: world.status()["running"])
    with subprocess.Popen(
        world.words("-", *world.settings, "--json", "--wait"),
        cwd=world.folder,
        env=world.env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as waiter:
        assert waiter.stdin is not None
        waiter.stdin.write(json.dumps(report(f"{CAUSES['free_port'][0]} again")))
        waiter.stdin.close()
        until(lambda: world.status()["waiting"])
        assert waiter.poll() is None
        world.let_go()
        assert waiter.stdout is not None
        reported = json.loads(waiter.stdout.read())
    assert reported["evolutions"] or reported["evolved"]["outcome"] == "proven"
    assert world.status()["waiting"] == []


def test_a_killed_owners_failures_are_taken_up_by_the_next_call(world: World):
    world.hold()
    first = world.adapt(CAUSES["free_port"][0])
    until(lambda: world.status()["running"])
    os.kill(first["pid"], signal.SIGKILL)
    until(lambda: world.status()["running"] is None)
    assert "its process was killed" in world.run("--status").stdout
    world.let_go()
    reported = world.adapt(f"{CAUSES['free_port'][0]} again", "--wait")
    assert [evolution["outcome"] for evolution in reported["evolutions"]] == ["proven"]
    status = world.status()
    assert (status["waiting"], status["started_today"]) == ([], 2)
    assert len(world.cases()) == 2


def test_no_more_evolutions_start_on_a_day_than_allowed(world: World):
    world.adapt(CAUSES["free_port"][0], "--wait", "--per-day", "1")
    reported = world.adapt(f"{CAUSES['free_port'][0]} again", "--per-day", "1")
    assert reported["background"] == "limit"
    assert len(world.status()["waiting"]) == 1
    waited = world.adapt(f"{CAUSES['free_port'][0]} again", "--wait", "--per-day", "1")
    assert (waited["evolutions"], waited["waits"]) == ([], True)
    done = world.run("--work", "--json", "--per-day", "2")
    assert [evolution["outcome"] for evolution in json.loads(done.stdout)["evolutions"]] == ["proven"]
    assert world.status()["waiting"] == []


def test_a_failure_whose_case_was_deleted_ends_quietly(world: World):
    world.adapt(CAUSES["free_port"][0], "--wait", "--per-day", "1")
    world.adapt(f"{CAUSES['free_port'][0]} again", "--per-day", "1")
    for path in world.cases():
        path.unlink()
    done = world.run("--work", "--json", "--per-day", "2")
    assert (done.returncode, json.loads(done.stdout)["evolutions"]) == (0, [])
    assert "are gone" in done.stderr
    assert world.status()["waiting"] == []


def test_a_dead_endpoint_is_no_failure_of_the_agent(world: World):
    arguments = ("-", "--agent", "TRIAGE.md", "--provider", "exec:/nowhere/at-all", "--action", "free_port")
    done = world.run(*arguments, stdin=json.dumps(report("bind")))
    assert done.returncode == 4
    assert "/nowhere/at-all" in done.stderr
    assert world.cases() == []
    assert world.run("--status").stdout == "nothing is running and nothing is waiting\n"


def test_an_evolution_whose_endpoint_dies_keeps_its_failures(world: World):
    arguments = ("-", *world.settings, "--wait", "--provider", "exec:/nowhere/at-all")
    done = world.run(*arguments, stdin=json.dumps(report(CAUSES["free_port"][0])))
    assert done.returncode == 4
    status = world.status()
    assert len(status["waiting"]) == 1
    assert "/nowhere/at-all" in status["last"]["outcome"]
    reported = world.adapt(f"{CAUSES['free_port'][0]} again", "--wait")
    assert [evolution["outcome"] for evolution in reported["evolutions"]] == ["proven"]
    assert world.status()["waiting"] == []


def test_a_suite_that_is_not_there_is_reported_before_anything_is_asked_or_queued(world: World):
    done = world.run("-", *world.settings, "--suite", "nope.json", "--wait", stdin=json.dumps(report("bind")))
    assert done.returncode == 2
    assert "nope.json: no such file" in done.stderr
    assert world.cases() == []
    assert world.run("--status").stdout == "nothing is running and nothing is waiting\n"


def test_the_corrected_command_runs_as_corrected_and_the_wrong_one_did_not_count(world: World):
    (world.folder / "wrong.json").write_text("{}")
    cause = json.dumps(report(CAUSES["free_port"][0]))
    limit = ("--wait", "--per-day", "1", "--json")
    wrong = world.run("-", *world.settings, "--suite", "wrong.json", *limit, stdin=cause)
    assert wrong.returncode == 2, wrong.stderr
    assert "wrong.json" in world.status()["last"]["outcome"]
    right = world.run("-", *world.settings, *limit, stdin=cause)
    assert right.returncode == 0, right.stderr
    assert [evolution["outcome"] for evolution in json.loads(right.stdout)["evolutions"]] == ["proven"]
    assert world.status()["started_today"] == 1


def test_secrets_of_a_report_stand_nowhere(world: World):
    secret = "ghp_" + "a1B2c3D4e5" * 4
    cause = f"{CAUSES['free_port'][0]} token={secret} and hunter2-hunter2-hunter2"
    reported = world.adapt(cause, "--wait")
    assert reported["evolutions"]
    for path in (p for p in world.folder.rglob("*") if p.is_file() and p.suffix != ".py"):
        content = path.read_bytes()
        assert secret.encode() not in content, path
        assert b"hunter2-hunter2" not in content, path


def test_a_report_that_cannot_be_searched_for_secrets_is_written_nowhere(world: World, monkeypatch: pytest.MonkeyPatch):
    from evolve.adaptation.intake import take_in
    from evolve.evaluation.agent_client import open_agent_client

    def broken(text: str) -> list[Any]:
        raise RuntimeError(text)

    monkeypatch.chdir(world.folder)
    (world.folder / "queue").mkdir()
    folder = CaseFolder(world.folder / "failure_cases")
    with closing(AdaptationQueue(world.folder / "queue")) as queue:
        with pytest.raises(EnvironmentFault, match="no case was written") as caught:
            take_in(
                {"job_id": "web", "driver": "exec", "status": "failed", "stdout": "", "stderr": "s3cret"},
                AgentAnswer(Action.RESTART),
                Labels(("free_port",)),
                client=open_agent_client("TRIAGE.md", "echo"),
                queued=QueuedRequest(EvolutionRequest(agent="TRIAGE.md"), str(folder.path), str(world.folder)),
                queue=queue,
                folder=folder,
                redactor=Redactor(scanners=[broken]),
            )
        assert queue.status() == ()
    assert "s3cret" not in str(caught.value)
    assert world.cases() == []


@pytest.mark.parametrize("start", [20, 176])
def test_a_secret_that_the_model_repeats_is_not_reported(world: World, start: int):
    (world.folder / "model.py").write_text(
        "def call_api(prompt, options, context):\n"
        f"    return {{'output': 'x ' * {start // 2} + 'API_TOKEN is hunter2-hunter2-hunter2 \\\\'}}\n"
    )
    for form in ((), ("--json",)):
        done = world.run("-", "--agent", "TRIAGE.md", *form, stdin=json.dumps(report("bind")))
        assert done.returncode == 0, done.stderr
        assert "is no valid action" in done.stdout
        assert "hunter" not in done.stdout + done.stderr


def test_an_answer_that_cannot_be_searched_for_secrets_is_not_shown(world: World, monkeypatch: pytest.MonkeyPatch):
    from evolve.adaptation.intake import ask
    from evolve.evaluation.agent_client import open_agent_client

    def broken(text: str) -> list[Any]:
        raise RuntimeError(text)

    async def answer() -> AgentAnswer:
        client = open_agent_client("TRIAGE.md", "python:model.py")
        try:
            return await ask(client, report("bind"), Redactor(scanners=[broken]))  # type: ignore[arg-type]
        finally:
            await client.close()

    monkeypatch.chdir(world.folder)
    monkeypatch.setenv("EVOLVE_CACHE_DIR", str(world.cache))
    (world.folder / "model.py").write_text("def call_api(*_):\n    return {'output': 'it is s3cret'}\n")
    said = asyncio.run(answer())
    assert said.action == Action.ERROR
    assert "(not shown" in said.error
    assert "s3cret" not in said.error


@pytest.mark.parametrize("word", ["false", "0", ""])
def test_a_variable_that_says_no_is_no_ci(world: World, word: str):
    done = subprocess.run(
        world.words("-", "--agent", "TRIAGE.md", "--json"),
        cwd=world.folder,
        env={**world.env, "CI": word},
        input=json.dumps(report("x")),
        capture_output=True,
        text=True,
        check=False,
    )
    assert json.loads(done.stdout)["case"].startswith("failure_cases/TRIAGE/"), done.stderr


def test_in_ci_new_cases_go_where_artifacts_are_kept(world: World):
    env = {**world.env, "CI": "true"}
    words = world.words("-", "--agent", "TRIAGE.md", "--json")
    done = subprocess.run(
        words, cwd=world.folder, env=env, input=json.dumps(report("x")), capture_output=True, text=True, check=False
    )
    assert json.loads(done.stdout)["case"].startswith("reports/failure_cases/TRIAGE/"), done.stderr
    assert world.cases() == []


def test_all_that_is_wrong_with_the_words_is_reported_at_once(world: World):
    done = world.run("--answer", "reboot")
    assert done.returncode == 2
    assert "no diagnostics given" in done.stderr
    assert "--answer reboot" in done.stderr
    done = world.run("-", "--agent", "TRIAGE.md", "--accepted", "reboot", "fly", stdin=json.dumps(report("x")))
    assert done.returncode == 2
    assert "'reboot' is not an answer" in done.stderr
    assert "'fly' is not an answer" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_wrong_report_is_one_clean_message(world: World):
    done = world.run("-", "--agent", "TRIAGE.md", stdin='{"job_id": 7}')
    assert done.returncode == 2
    assert "<stdin>" in done.stderr
    assert "Traceback" not in done.stderr


def start(world: World, cause: str) -> subprocess.Popen[str]:
    """A call that was given its report."""
    caller = subprocess.Popen(
        world.words("-", *world.settings, "--json"),
        cwd=world.folder,
        env=world.env,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert caller.stdin is not None
    caller.stdin.write(json.dumps(report(cause)))
    caller.stdin.close()
    return caller


def test_no_failure_is_lost_when_processes_are_killed_at_any_moment(world: World):
    chance = random.Random(4)
    causes = [f"{CAUSES['free_port'][0]} {word}" for word in CHANGES[:6]]
    for cause in causes:
        with start(world, cause) as caller:
            time.sleep(chance.uniform(0.3, 1.0))  # a random moment is what is tested
            caller.kill()
        reported = world.adapt(cause)  # who was killed is called again, as a supervisor would
        assert reported["change"] in ("new", "repeat")
        if reported.get("background") == "started":
            time.sleep(chance.uniform(0, 1.2))  # and here
            with suppress(ProcessLookupError):
                os.kill(reported["pid"], signal.SIGKILL)
    done = world.run("--work", "--json", "--per-day", "40")
    assert done.returncode == 0, done.stderr
    until(lambda: (world.status()["running"], world.status()["waiting"]) == (None, []))
    assert len(world.cases()) == len(causes)
    agent = str(world.folder / "TRIAGE.md")
    with closing(AdaptationQueue(world.cache / "adaptation")) as queue:
        assert all(queue.evolved(agent, path.stem.rpartition("_")[2]) for path in world.cases())
