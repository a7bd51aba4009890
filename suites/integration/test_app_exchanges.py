"""A failing test of an app becomes a case of the agent that the app asked, where that was at fault."""

import json
from pathlib import Path
from typing import Any

import pytest

from evolve.__main__ import main
from evolve.core.model.errors import ExitCode
from evolve.store.case_files import CaseFolder, StoredCase

AGENT = """\
---
name: VOICE
version: 3
description: Chooses a tool.
inputs: {request: {}}
output: {type: object, properties: {tool: {enum: [lamp, ssh, none]}}, required: [tool]}
model: echo
---
## Role
You choose a tool.

## Case
Request: {{ request }}
"""
APP = """\
import json

def call_api(prompt, options, context):
    said = json.loads(context["vars"]["said"])
    steps = [{"type": "tool", "name": "ssh", "arguments": {}}]
    return {"output": {"light": "off"}, "metadata": {"exchanges": said, "trajectory": steps}}
"""
WRONG = {"agent": "VOICE", "vars": {"request": "light on, password=hunter2-x"}, "output": {"tool": "ssh"}}
RIGHT = {**WRONG, "output": {"tool": "lamp"}}
LATER = {"agent": "VOICE", "vars": {"request": "light on\nDone so far: ..."}, "output": {"tool": "ssh"}}


def run(folder: Path, *said: Any, **metadata: Any) -> list[StoredCase]:
    """The cases of a failing test in whose app these exchanges took place."""
    (folder / "VOICE.md").write_text(AGENT)
    (folder / "app.py").write_text(APP)
    test = {
        "description": "light on",
        "vars": {"said": json.dumps(said)},
        "metadata": {"agent": "VOICE.md", "split": "train", **metadata},
        "assert": [
            {"type": "javascript", "value": 'output.light === "on"'},
            {"type": "trajectory:tool-used", "value": "lamp"},
        ],
    }
    (folder / "suite.json").write_text(
        json.dumps({"prompts": ["light on"], "providers": ["python:app.py"], "tests": [test]})
    )
    cases = folder / "cases"
    code = main(["run", str(folder / "suite.json"), "--write-cases", str(cases), "--no-cache"])
    assert code == ExitCode.FAILURES
    return list(CaseFolder(cases).load_all()) if cases.is_dir() else []


def test_a_wrong_choice_is_a_case_of_the_agent_with_its_own_vars_and_labels(tmp_path):
    (stored,) = run(tmp_path, {**WRONG, "provider": "llamacpp:some"}, LATER, accepted=["lamp"], family="light")
    case = stored.case
    assert case.agent == "VOICE"
    assert case.drives_evolution
    assert list(case.vars) == ["request"]
    assert str(case.vars["request"]).startswith("light on, password=<secret:")
    assert "You choose a tool." in case.prompt
    assert "hunter2" not in case.prompt
    assert (case.accepted, case.family) == (("lamp",), "light")
    assert [one["metric"] for one in case.assertions] == ["accuracy"], "the app's own checks cannot judge the agent"
    assert (case.source.provider, case.source.reason) == ("llamacpp:some", "expected lamp, got ssh")


def test_the_case_judges_an_answer_of_the_agent(tmp_path):
    (stored,) = run(tmp_path, WRONG, accepted=["lamp"])
    (tmp_path / "pyproject.toml").touch()  # the checkout of case and provider
    for tool, code in (("lamp", ExitCode.DONE), ("ssh", ExitCode.FAILURES)):
        answer = tmp_path / f"{tool}.py"
        answer.write_text(
            f"def call_api(prompt, options, context):\n    return {{'output': '{{\"tool\": \"{tool}\"}}'}}\n"
        )
        assert main(["run", str(stored.path), "--provider", f"python:{answer}", "--no-cache"]) == code


@pytest.mark.parametrize(
    ("said", "metadata", "why"),
    [
        ([RIGHT, LATER], {"accepted": ["lamp"]}, "the answer of VOICE was right"),
        ([RIGHT], {"forbidden": ["ssh"]}, "the answer of VOICE was right"),
        ([], {"accepted": ["lamp"]}, "the app recorded no exchange with VOICE"),
        ([{**WRONG, "agent": "OTHER"}, "noise"], {"accepted": ["lamp"]}, "no exchange with VOICE"),
        ([WRONG], {}, "does not say which answers of VOICE are right"),
        ([WRONG], {"accepted": ["lamp"], "split": "gate"}, "tests of the split gate"),
    ],
)
def test_without_a_wrong_answer_of_the_agent_there_is_no_case(tmp_path, capsys, said, metadata, why):
    cases = run(tmp_path, *said, **metadata)
    assert cases == []
    out = capsys.readouterr()
    assert why in out.out + out.err


def test_the_same_failure_is_one_case_whatever_the_agent_chose(tmp_path):
    run(tmp_path, WRONG, accepted=["lamp"])
    cases = run(tmp_path, {**WRONG, "output": {"tool": "none"}}, accepted=["lamp"])
    assert len(cases) == 1
