"""Right answers in tests' metadata: tests are judged by them, and an answer that no agent can give is refused."""

from collections.abc import Callable
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
    queue: {enum: [billing, support, sales]}
  required: [queue]
model: python:model.py
---
## Role
Name the queue.

## Case
{{ mail }}
"""
MODEL = """import json
def call_api(prompt, options, context):
    open("asked", "w").close()
    return {"output": json.dumps({"queue": "billing"})}
"""
SUITE = """\
prompts: ["{{ mail }}"]
providers: ["python:model.py"]
tests:
  - vars: {mail: my invoice}
    metadata: {accepted: [billing]}
  - vars: {mail: it is broken}
    metadata: {accepted: [support]}
  - vars: {mail: an offer please}
    metadata: {accepted: sales, forbidden: [billing]}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EVOLVE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.delenv("EVOLVE_PROVIDER", raising=False)
    (tmp_path / "TRIAGE.md").write_text(AGENT)
    (tmp_path / "model.py").write_text(MODEL)
    (tmp_path / "suite.yaml").write_text(SUITE)
    return tmp_path


def with_agent_in_metadata() -> None:
    Path("suite.yaml").write_text(SUITE + "defaultTest: {metadata: {agent: TRIAGE}}\n")


def test_an_agent_is_judged_by_the_labels(capsys):
    assert main(["run", "suite.yaml", "--agent", "TRIAGE.md"]) == 1
    out, err = capsys.readouterr()
    assert "1 passed, 2 failed" in out
    assert "warning" not in err


def test_the_agent_that_metadata_name_is_judged_by_the_labels(capsys):
    with_agent_in_metadata()
    assert main(["run", "suite.yaml"]) == 1
    assert "1 passed, 2 failed" in capsys.readouterr().out


def test_an_assertion_of_the_test_counts_instead(capsys):
    Path("suite.yaml").write_text(SUITE.replace("metadata: {accepted: [support]}", "assert: [{type: is-json}]"))
    assert main(["run", "suite.yaml", "--agent", "TRIAGE.md"]) == 1
    assert "2 passed, 1 failed" in capsys.readouterr().out


def test_whole_answers_are_labels_too(capsys):
    Path("suite.yaml").write_text(SUITE.replace("[support]", "[{queue: support}]"))
    assert main(["run", "suite.yaml", "--agent", "TRIAGE.md"]) == 1
    assert "1 passed, 2 failed" in capsys.readouterr().out


def test_without_an_agent_there_is_one_warning(capsys):
    assert main(["run", "suite.yaml", "-o", "page.html"]) == 0
    _, err = capsys.readouterr()
    (line,) = [line for line in err.splitlines() if "warning" in line]
    assert "suite.yaml:4:5: tests[0]: 3 of 3 tests have no assertion and pass whatever is answered" in line
    assert "--agent NAME" in line
    assert "3 of 3 tests have no assertion" in Path("page.html").read_text()


def test_pytest_warns_once(pytester: pytest.Pytester, folder: Path):
    pytester.chdir()
    for name in ("suite.yaml", "model.py"):
        (pytester.path / name).write_text((folder / name).read_text())
    result = pytester.runpytest_inprocess("suite.yaml", "-W", "default")
    result.assert_outcomes(passed=3, warnings=1)
    result.stdout.fnmatch_lines(["*3 of 3 tests have no assertion*"])


def test_one_test_is_one_test(capsys):
    Path("suite.yaml").write_text("prompts: [a]\nproviders: [echo]\ntests: [{vars: {a: b}}]\n")
    assert main(["run", "suite.yaml"]) == 0
    assert "1 of 1 test has no assertion and passes whatever is answered" in capsys.readouterr().err


# --- labels outside of the agent's answers


def run(_: Path) -> list[str]:
    return ["run", "suite.yaml", "--agent", "TRIAGE.md"]


def run_with_metadata(_: Path) -> list[str]:
    with_agent_in_metadata()
    Path("suite.yaml").write_text(Path("suite.yaml").read_text().replace("[billing]}\n", "[biling]}\n", 1))
    return ["run", "suite.yaml"]


def evolve_on_a_suite(_: Path) -> list[str]:
    return ["--suite", "suite.yaml", "--agent", "TRIAGE.md"]


@pytest.mark.parametrize("command", [run, run_with_metadata, evolve_on_a_suite])
def test_an_answer_outside_of_the_agents_is_refused_with_its_place(
    capsys, folder: Path, command: Callable[[Path], list[str]]
):
    (folder / "suite.yaml").write_text(SUITE.replace("[billing]}\n", "[biling]}\n", 1))
    assert main(command(folder)) == 2
    place = "suite.yaml:5:27: tests[0].metadata.accepted[0]"
    assert (
        f"{place}: accepted: 'biling' is not an answer of TRIAGE (did you mean 'billing'?)" in capsys.readouterr().err
    )
    assert not (folder / "asked").exists()


def test_a_python_test_with_a_foreign_label_is_an_error(pytester: pytest.Pytester, folder: Path):
    pytester.chdir()
    for name in ("TRIAGE.md", "model.py"):
        (pytester.path / name).write_text((folder / name).read_text())
    pytester.makepyfile("def test_it(agent):\n    agent('TRIAGE.md', accepted=['biling']).ask(mail='x')\n")
    result = pytester.runpytest_inprocess()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["TRIAGE: accepted: 'biling' is not an answer of this agent (did you mean 'billing'?)"])
    assert not (pytester.path / "asked").exists()


def test_pytest_refuses_a_foreign_label_of_a_suite(pytester: pytest.Pytester, folder: Path):
    pytester.chdir()
    for name in ("TRIAGE.md", "model.py"):
        (pytester.path / name).write_text((folder / name).read_text())
    text = SUITE.replace("[billing]}\n", "[biling]}\n", 1) + "defaultTest: {metadata: {agent: TRIAGE}}\n"
    (pytester.path / "suite.yaml").write_text(text)
    result = pytester.runpytest_inprocess("suite.yaml")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*suite.yaml:5:27: *'biling' is not an answer of TRIAGE (did you mean 'billing'?)*"])
