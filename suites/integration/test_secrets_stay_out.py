"""Secrets of failed jobs, from the report to the promoted agent: in no file that any command leaves behind."""

import json
import os
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from fixtures.planted_secrets import KINDS, survives
from fixtures.small_evolution import SmallEvolution, small_evolution

TRIALS = 10
PER_REPORT = 58
"""Two of each kind."""


def planted() -> list[tuple[list[str], str]]:
    """Secrets of each kind with the text that holds them."""
    return [KINDS[kind](Random(f"{kind} {trial}")) for trial in range(TRIALS) for kind in KINDS]


def files_below(folder: Path) -> str:
    """Everything that is in it, whatever the format."""
    return "\n".join(p.read_bytes().decode("utf-8", "replace") for p in sorted(folder.rglob("*")) if p.is_file())


def git(folder: Path, *words: str) -> str:
    who = ["-c", "user.name=a test", "-c", "user.email=test@example.invalid"]
    done = subprocess.run(["git", *who, *words], cwd=folder, capture_output=True, check=True, timeout=60)
    return done.stdout.decode("utf-8", "replace")


def evolve(work: SmallEvolution, *words: str, given: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "evolve", *words],
        cwd=work.folder,
        env={**work.environment, "CI": ""},
        input=given,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def output_of(work: SmallEvolution, *words: str, given: str = "") -> str:
    """What a command that succeeded printed."""
    done = evolve(work, *words, given=given)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


AGENT = """\
---
name: TRIAGE
version: 1
description: Names the one action that heals a failed job.
inputs: {diagnostics: {digest: 400}}
output:
  type: object
  properties:
    action: {enum: [restart, free_port, free_disk]}
  required: [action]
model: python:model.py
---
## Role
You name the action.

## Case
Report:
{{ diagnostics }}
"""
MODEL = """\
import json


def call_api(prompt, options, context):
    messages = json.loads(prompt)
    shown = [message["content"] for message in messages if message["role"] == "assistant"]
    return {"output": shown[-1] if shown else json.dumps({"action": "restart"})}
"""
CAUSES = {"free_port": "bind: address already in use", "free_disk": "write: no space left on device"}


def report(cause: str, job: str, log: str = "") -> dict[str, str]:
    return {"job_id": job, "driver": "exec", "status": "failed", "stdout": log, "stderr": cause}


def a_test(split: str, number: int, action: str) -> dict[str, object]:
    wanted = {"type": "object", "required": ["action"], "properties": {"action": {"enum": [action]}}}
    return {
        "description": f"{action} {split} {number}",
        "vars": {"diagnostics": report(f"{CAUSES[action]} {split}{number}", f"job-{number}")},
        "assert": [{"type": "is-json", "value": wanted}],
        "metadata": {"family": f"{split} {action} {number}", "split": split, "accepted": [action]},
    }


@pytest.fixture
def work(tmp_path: Path) -> SmallEvolution:
    made = small_evolution(tmp_path / "work", model=MODEL)
    (made.folder / "TRIAGE.md").write_text(AGENT)
    sizes = {"train": 6, "val": 2, "gate": 9}
    tests = [a_test(split, n, action) for split, size in sizes.items() for n in range(size) for action in CAUSES]
    suite = {"prompts": ["{{ diagnostics }}"], "providers": ["echo"], "tests": tests}
    (made.folder / "suite.json").write_text(json.dumps(suite))
    return made


def test_no_secret_of_a_report_is_in_any_case_ledger_report_log_or_git_object(work: SmallEvolution) -> None:
    secrets = [secret for found, _ in planted() for secret in found]
    texts = [text for _, text in planted()]
    output = ""
    for number, start in enumerate(range(0, len(texts), PER_REPORT)):
        cause = f"{CAUSES['free_port']}, try number {'abcdefgh'[number]}"
        given = report(cause, f"payments-{number}", "\n".join(texts[start : start + PER_REPORT]))
        output += output_of(
            work, "adapt", "-", "--agent", "TRIAGE.md", "--suite", "suite.json", given=json.dumps(given)
        )
    cases = sorted((work.folder / "failure_cases").rglob("*.yaml"))
    assert len(cases) == len(texts) / PER_REPORT
    assert all("<secret:" in case.read_text() for case in cases)
    for case in cases:
        output += output_of(work, "cases", "label", str(case), "free_port", "--agent", "TRIAGE.md")
    output += output_of(
        work, "--test-case", "failure_cases", "--agent", "TRIAGE.md", "--suite", "suite.json", "--budget", "100"
    )
    output += output_of(work, "promote", "--provisional", "--despite-lookup")
    left = files_below(work.folder) + output
    # What is searched is there at all: the reports' own words came through everywhere.
    assert "payments-0" in (work.folder / "cache" / "archive.sqlite").read_bytes().decode("utf-8", "replace")
    assert any("payments-0" in page.read_text() for page in work.folder.rglob("report.html"))
    git(work.folder, "init", "-q")
    git(work.folder, "add", "--all", "--force")
    git(work.folder, "commit", "-q", "-m", "all of it")
    objects = git(work.folder, "cat-file", "--batch", "--batch-all-objects")
    assert "payments-0" in objects
    assert [secret for secret in secrets if survives(secret, left)] == []
    assert [secret for secret in secrets if survives(secret, objects)] == []
    assert len(secrets) >= 200
    assert os.path.getsize(work.folder / "cache" / "ledger.sqlite") > 0
