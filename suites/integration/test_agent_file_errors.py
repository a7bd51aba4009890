"""What is wrong with an agent's file: every problem with its line, once, and before anyone is asked."""

import json
from pathlib import Path

import aiohttp  # noqa: F401  # pytester forgets what is first imported in a run of its own
import pytest

from evolve.__main__ import main

AGENT = """---
name: TRIAGE
version: one
description: Names the queue of a mail.
inputs: {mail: {digset: 4}}
output: {type: object}
model: python:model.py
sampling: {max_tokens: 48}
dmos: {bank: b.yaml}
demos:
  bank: b.yaml
  k: four
---
## Role
Name the queue.

## Case
Mail:
{{ mial }}
"""
PROBLEMS = [
    "BAD.md:3:10: version: front matter: 'version' must be a whole number, not 'one'",
    "BAD.md:5:17: inputs.mail.digset: front matter: inputs: mail: unknown key 'digset'; known: schema, digest",
    "BAD.md:9:1: dmos: front matter: unknown key 'dmos'; known: ",
    "BAD.md:12:6: demos.k: front matter: demos: 'k' must be a whole number, not 'four'",
    "BAD.md:19:4: ## Case shows 'mial', which is not an input of the agent (did you mean 'mail'?)",
]
MODEL = """def call_api(prompt, options, context):
    open("asked", "w").close()
    return {"output": "{}"}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EVOLVE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("EVOLVE_PROVIDER", raising=False)
    (tmp_path / "BAD.md").write_text(AGENT)
    (tmp_path / "model.py").write_text(MODEL)
    suite = {"prompts": ["{{ mail }}"], "providers": ["python:model.py"], "tests": [{"vars": {"mail": "x"}}] * 3}
    for name in ("one.yaml", "two.yaml"):
        (tmp_path / name).write_text(json.dumps(suite))
    (tmp_path / "report.json").write_text('{"job_id": "j", "driver": "d", "status": "s", "stdout": "", "stderr": ""}')
    return tmp_path


@pytest.mark.parametrize(
    "command",
    [
        ["run", "one.yaml", "two.yaml", "--agent", "BAD.md"],
        ["--suite", "one.yaml", "--agent", "BAD.md"],
        ["reflect", "report.json", "--agent", "BAD.md"],
    ],
    ids=["run", "evolve", "reflect"],
)
def test_every_problem_is_said_once_with_its_place(
    folder: Path, capsys: pytest.CaptureFixture[str], command: list[str]
):
    assert main(command) == 2
    err = capsys.readouterr().err
    for problem in PROBLEMS:
        assert err.count(problem) == 1, (problem, err)
    assert not (folder / "asked").exists()


def test_a_python_test_gets_the_problems_as_an_error(pytester: pytest.Pytester, folder: Path):
    pytester.chdir()
    (pytester.path / "BAD.md").write_text(AGENT)
    pytester.makepyfile("def test_it(agent):\n    agent('BAD.md').ask(mail='x')\n")
    result = pytester.runpytest_inprocess()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"{problem.replace('[', '[[]')}*" for problem in PROBLEMS])
    assert "Traceback" not in result.stdout.str()


def broken_template(text: str) -> str:
    good = AGENT.replace("version: one", "version: 1").replace("digset", "digest").replace("dmos: {bank: b.yaml}\n", "")
    good = good.replace("demos:\n  bank: b.yaml\n  k: four\n", "")
    return good.replace("{{ mial }}", text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{{ mail }", "BAD.md:15:1: the template of ## Case: "),
        ("{% if mail %}x", "BAD.md:1"),
        ("{{ mail }}\n{{ nothing }}", "BAD.md:16:4: ## Case shows 'nothing', which is not an input of the agent"),
    ],
)
def test_the_template_of_the_case_is_checked(folder: Path, capsys: pytest.CaptureFixture[str], text: str, said: str):
    (folder / "BAD.md").write_text(broken_template(text))
    assert main(["run", "one.yaml", "--agent", "BAD.md"]) == 2
    assert said in capsys.readouterr().err
    assert not (folder / "asked").exists()


def test_a_missing_bank_is_said_before_anyone_is_asked(folder: Path, capsys: pytest.CaptureFixture[str]):
    text = broken_template("{{ mail }}").replace("sampling:", "demos: {bank: none.yaml}\nsampling:")
    (folder / "BAD.md").write_text(text)
    assert main(["run", "one.yaml", "--agent", "BAD.md"]) == 2
    assert "none.yaml" in capsys.readouterr().err
    assert not (folder / "asked").exists()
