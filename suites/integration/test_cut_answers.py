"""Answers that end at the token limit are named everywhere, and no agent is evolved on many of them."""

import json
from pathlib import Path

import aiohttp  # noqa: F401  # pytester forgets what is first imported in a run of its own
import pytest

from evolve.__main__ import main

AGENT = """---
name: TRIAGE
version: 1
description: Names the queue of a mail.
inputs: {mail: {}}
output:
  type: object
  properties:
    queue: {enum: [billing, support]}
  required: [queue]
model: python:model.py
sampling: {max_tokens: 24}
---
## Role
Name the queue.

## Case
{{ mail }}
"""
MODEL = """import json
def call_api(prompt, options, context):
    if "long" in prompt:
        return {"output": '{"queue": "bil', "finishReason": "length", "tokenUsage": {"total": 30, "completion": 24}}
    return {"output": json.dumps({"queue": "billing"}), "finishReason": "stop"}
"""
SAID = "were cut at the token limit (max_tokens: 24) and may be wrong only for that: "


def write_suite(folder: Path, long: int, short: int) -> None:
    mails = [f"a long mail {number}" for number in range(long)] + [f"mail {number}" for number in range(short)]
    tests = [
        {
            "description": mail,
            "vars": {"mail": mail},
            "metadata": {"accepted": ["billing"], "split": "train" if number % 3 else "gate"},
            "assert": [{"type": "is-json"}],
        }
        for number, mail in enumerate(mails)
    ]
    config = {"prompts": ["{{ mail }}"], "providers": ["python:model.py"], "tests": tests}
    (folder / "suite.yaml").write_text(json.dumps(config))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EVOLVE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.delenv("EVOLVE_PROVIDER", raising=False)
    (tmp_path / "TRIAGE.md").write_text(AGENT)
    (tmp_path / "model.py").write_text(MODEL)
    write_suite(tmp_path, 4, 6)
    return tmp_path


def test_console_and_page_count_them_and_name_the_option(folder: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["run", "suite.yaml", "--agent", "TRIAGE.md", "-o", "page.html"]) == 1
    out = capsys.readouterr().out
    said = f"4 of 10 answers {SAID}raise sampling.max_tokens in the agent's file"
    assert f"warning: {said}" in out
    assert "cut:    the answer ended at the token limit (max_tokens: 24)" in out
    assert said.replace("'", "&#x27;") in (folder / "page.html").read_text().replace("&#39;", "&#x27;")


def test_without_an_agent_the_providers_option_is_named(folder: Path, capsys: pytest.CaptureFixture[str]):
    main(["run", "suite.yaml", "-q"])
    assert f"4 of 10 answers {SAID}raise max_tokens in the provider's config" in capsys.readouterr().out


def test_whole_answers_are_not_spoken_of(folder: Path, capsys: pytest.CaptureFixture[str]):
    write_suite(folder, 0, 3)
    main(["run", "suite.yaml"])
    assert "cut" not in capsys.readouterr().out


@pytest.mark.parametrize("workers", [[], ["-n", "2"]])
def test_pytest_names_them(pytester: pytest.Pytester, folder: Path, workers: list[str]):
    for name in ("suite.yaml", "model.py"):
        (pytester.path / name).write_text((folder / name).read_text())
    pytester.chdir()
    result = pytester.runpytest_inprocess("suite.yaml", *workers)
    result.assert_outcomes(passed=6, failed=4)
    result.stdout.fnmatch_lines(["*cut:    the answer ended at the token limit (max_tokens: 24): raise max_tokens*"])
    result.stdout.fnmatch_lines(["4 of 10 answers were cut at the token limit*"])


EVOLVE = ["--suite", "suite.yaml", "--agent", "TRIAGE.md", "--budget", "40"]


def test_no_search_begins_on_many_of_them(folder: Path, capsys: pytest.CaptureFixture[str]):
    assert main(EVOLVE) == 2
    err = capsys.readouterr().err
    assert SAID + "raise sampling.max_tokens in the agent's file (or pass --allow-cut-answers)" in err


def test_a_flag_lets_the_search_go_on(folder: Path, capsys: pytest.CaptureFixture[str]):
    assert main(EVOLVE) == 2
    assert main([*EVOLVE, "--allow-cut-answers"]) == 0


def test_a_tenth_of_them_is_let_pass(folder: Path, capsys: pytest.CaptureFixture[str]):
    write_suite(folder, 1, 40)
    assert main(EVOLVE) == 0
