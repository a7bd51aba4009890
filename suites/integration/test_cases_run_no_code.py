"""A file among failure cases may come from a stranger: it is data, and no command runs anything in it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

MARK = "a-stranger-was-here"
COMMAND = f"""
prompts: ["{{{{ q }}}}"]
providers: ["exec:touch {MARK}"]
tests:
  - vars: {{q: one}}
"""
PYTHON = f"""
prompts: ["a prompt of more than one line\\n"]
providers: [echo]
tests:
  - vars: {{q: one}}
    assert: [{{type: python, value: "__import__('pathlib').Path('{MARK}').touch() is None"}}]
"""
SCRIPT = """
prompts: ["{{ q }}"]
providers: ["file://answers.py"]
tests: [{vars: {q: one}}]
"""
SCRIPT_TEXT = f"""
from pathlib import Path

Path({MARK!r}).touch()


def call_api(*_):
    return {{"output": ""}}
"""


def project(folder: Path, text: str) -> Path:
    """Make a repository whose ini collects the failure cases, with one file by a stranger among them."""
    cases = folder / "failure_cases" / "MY_AGENT"
    cases.mkdir(parents=True)
    (cases / "case.yaml").write_text(text)
    (cases / "answers.py").write_text(SCRIPT_TEXT)
    (folder / "pytest.ini").write_text("[pytest]\nsuite_files = failure_cases/**/*.yaml\n")
    return cases / "case.yaml"


def traces(folder: Path) -> list[Path]:
    return list(folder.rglob(MARK))


@pytest.mark.parametrize("text", [COMMAND, PYTHON, SCRIPT], ids=["command", "python", "script"])
@pytest.mark.parametrize("reader", ["run", "pytest", "--test-case"])
def test_what_a_stranger_wrote_into_a_case_is_refused_and_does_not_run(tmp_path: Path, reader: str, text: str):
    path = project(tmp_path, text)
    arguments = {
        "run": ["evolve", "run", str(path)],
        "pytest": ["pytest", "-q", "-p", "no:cacheprovider", "failure_cases"],
        "--test-case": ["evolve", "--test-case", str(path), "--agent", "REFLECTION_AGENT"],
    }[reader]
    environment = {**os.environ, "EVOLVE_CACHE_DIR": str(tmp_path / "cache")}
    done = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert traces(tmp_path) == []
    assert done.returncode == 2, done.stdout + done.stderr
    assert "a case names no provider: choose one with --provider" in done.stdout + done.stderr


def test_the_same_suite_elsewhere_is_code_and_runs(tmp_path: Path):
    path = tmp_path / "suites" / "suite.yaml"
    path.parent.mkdir()
    path.write_text(COMMAND)
    subprocess.run(
        [sys.executable, "-m", "evolve", "run", str(path), "--no-suite-cache"],
        cwd=tmp_path,
        env={**os.environ, "EVOLVE_CACHE_DIR": str(tmp_path / "cache")},
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert traces(tmp_path) != []
