"""An agent's prompt is rendered once, in one place: everyone who asks the agent sends the model the same bytes."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp  # noqa: F401  # pytester forgets what is first imported in a run of its own
import pytest

from evolve.__main__ import main

SECTION = "Sum {{ 1+1 }} stays; {# this note #} too. {% if %} A log may hold {{ job.id }}."
AGENT = f"""---
name: PLAIN_TEXT
version: 1
description: Has template marks in a section.
inputs:
  diagnostics: {{digest: 4000}}
output:
  type: object
  properties:
    action: {{enum: [restart, free_disk]}}
  required: [action]
model: python:model.py
sampling: {{temperature: 0}}
---
## Role
{SECTION}

## Case
Report:
{{{{ diagnostics }}}}
"""
MODEL = """import json
def call_api(prompt, options, context):
    with open("seen.jsonl", "a") as seen:
        seen.write(json.dumps(prompt) + "\\n")
    messages = json.loads(prompt)
    has_demos = len(messages) > 2
    action = "free_disk" if has_demos and "space" in messages[-1]["content"] else "restart"
    return {"output": json.dumps({"action": action})}
"""
MARKS = "{{ 2+2 }} {% raw %}{{ x }}{% endraw %}"
FAMILIES = {"train": 12, "val": 4, "gate": 8}
FIRST = "case-train-0-"


def diagnostics(family: str, number: int) -> dict[str, str]:
    what = "no space left on device" if number % 2 else "crashed once"
    stderr = f"helm: error: {what} in case-{family}- {MARKS}"
    return {"job_id": "web", "driver": "docker", "status": "failed", "stdout": "", "stderr": stderr}


def a_test(split: str, number: int) -> dict[str, object]:
    family = f"{split}-{number}"
    right = "free_disk" if number % 2 else "restart"
    return {
        "description": family,
        "vars": {"diagnostics": diagnostics(family, number)},
        "metadata": {"family": family, "split": split, "accepted": [right]},
        "assert": [{"type": "contains", "value": right}],
    }


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EVOLVE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("EVOLVE_PROVIDER", raising=False)
    (tmp_path / "AGENT.md").write_text(AGENT)
    (tmp_path / "model.py").write_text(MODEL)
    tests = [a_test(split, number) for split, count in FAMILIES.items() for number in range(count)]
    (tmp_path / "suite.yaml").write_text(
        json.dumps({"prompts": ["{{ diagnostics.stderr }}"], "providers": ["python:model.py"], "tests": tests})
    )
    return tmp_path


def sent_about(folder: Path, case: str) -> set[str]:
    """The prompts about a case that reached the model since the last time."""
    seen = folder / "seen.jsonl"
    sent = [json.loads(line) for line in seen.read_text().splitlines()]
    seen.unlink()
    return {prompt for prompt in sent if case in json.loads(prompt)[-1]["content"]}


def run_suite(folder: Path, agent: str = "AGENT.md") -> None:
    assert main(["run", "suite.yaml", "--agent", agent, "--no-suite-cache", "-q"]) in (0, 1)


def reflect(folder: Path) -> None:
    (folder / "report.json").write_text(json.dumps(diagnostics("train-0", 0)))
    assert main(["reflect", "report.json", "--agent", "AGENT.md"]) == 0


def suite_with_a_prompt_function(folder: Path) -> None:
    (folder / "prompts.py").write_text(
        "from evolve.evaluation.agent_prompt import AGENT_FILE, agent_prompt\n"
        "def agent(context):\n"
        f"    config = {{AGENT_FILE: {str(folder / 'AGENT.md')!r}}}\n"
        "    return agent_prompt({'vars': context['vars'], 'config': config})\n"
    )
    suite = json.loads((folder / "suite.yaml").read_text()) | {"prompts": ["file://prompts.py:agent"]}
    (folder / "by_function.yaml").write_text(json.dumps(suite))
    assert pytest.main(["by_function.yaml", "--no-suite-cache", "-q", "-p", "no:cacheprovider"]) in (0, 1)


def python_test(folder: Path) -> None:
    given = diagnostics("train-0", 0)
    (folder / "test_agent.py").write_text(f"def test_it(agent):\n    agent('AGENT.md').ask(diagnostics={given!r})\n")
    assert pytest.main(["test_agent.py", "--no-suite-cache", "-q", "-p", "no:cacheprovider"]) == 0


def evolve(folder: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    asked = ["--suite", "suite.yaml", "--agent", "AGENT.md", "--budget", "150", "--json"]
    assert main(asked) == 0
    result: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return result


@pytest.mark.parametrize("ask", [run_suite, suite_with_a_prompt_function, python_test])
def test_suites_and_tests_send_what_reflect_sends(folder: Path, ask: Callable[[Path], None]):
    reflect(folder)
    wanted = sent_about(folder, FIRST)
    ask(folder)
    assert sent_about(folder, FIRST) == wanted
    (prompt,) = wanted
    assert SECTION in json.loads(prompt)[0]["content"]
    assert MARKS in json.loads(prompt)[1]["content"]


def test_search_and_gate_send_what_the_suite_sends(folder: Path, capsys: pytest.CaptureFixture[str]):
    run_suite(folder)
    by_suite = sent_about(folder, FIRST)
    capsys.readouterr()
    result = evolve(folder, capsys)
    assert result["gate"] is not None, result
    sent = [json.loads(line) for line in (folder / "seen.jsonl").read_text().splitlines()]
    assert by_suite <= set(sent), "the search asks the incumbent as the suite does"
    (folder / "seen.jsonl").unlink()
    run_suite(folder, result["winner_file"])
    by_winner = sent_about(folder, "case-gate-")
    assert len(by_winner) == FAMILIES["gate"]
    assert by_winner <= set(sent), "the gate asks the winner as the suite does"
