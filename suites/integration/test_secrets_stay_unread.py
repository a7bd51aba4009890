"""Text in tests may be captured from anywhere: it must not read the environment's secrets."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from evolve.core.suites.visible_env import visible_env

SECRET = "canary-2f81c7"
SUITE = """
prompts: ["{{ x }}"]
providers: [echo]
tests:
  - vars: {x: "it is {{ env.MY_TOKEN }}"}
    assert: [{type: contains, value: "it is"}]
"""


def run(path: Path, *options: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "MY_TOKEN": SECRET,
        "EVOLVE_API_KEY": SECRET,
        "EVOLVE_CACHE_DIR": str(path.parent / "cache"),
    }
    command = [sys.executable, "-m", "evolve", "run", str(path), "--no-suite-cache", *options]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("name", ["MY_TOKEN", "EVOLVE_API_KEY"])
def test_a_tests_text_cannot_read_a_secret_of_the_environment(tmp_path: Path, name: str):
    path = tmp_path / "suites" / "suite.yaml"
    path.parent.mkdir()
    path.write_text(SUITE.replace("MY_TOKEN", name))
    report = tmp_path / "out.json"
    done = run(path, "-o", str(report), "--undefined", "empty")
    assert done.returncode in (0, 1), done.stderr
    assert SECRET not in done.stdout + done.stderr + report.read_text()


def test_a_test_file_beside_the_suite_cannot_either(tmp_path: Path):
    (tmp_path / "tests.yaml").write_text('- vars: {x: "it is {{ env.MY_TOKEN }}"}\n')
    path = tmp_path / "suite.yaml"
    path.write_text('prompts: ["{{ x }}"]\nproviders: [echo]\ntests: file://tests.yaml\n')
    report = tmp_path / "out.json"
    done = run(path, "-o", str(report), "--undefined", "empty")
    assert done.returncode in (0, 1), done.stderr
    assert SECRET not in done.stdout + done.stderr + report.read_text()


def test_a_config_that_names_a_variable_outside_its_tests_gets_it(tmp_path: Path):
    path = tmp_path / "suite.yaml"
    path.write_text(
        'prompts: ["{{ env.MY_TOKEN }}"]\nproviders: [echo]\n'
        "tests: [{assert: [{type: equals, value: canary-2f81c7}]}]\n"
    )
    assert run(path).returncode == 0


def test_a_failure_case_that_names_it_is_refused(tmp_path: Path):
    path = tmp_path / "failure_cases" / "case.yaml"
    path.parent.mkdir()
    path.write_text(SUITE.replace('"{{ x }}"', '"{{ env.MY_TOKEN }} {{ x }}"'))
    done = run(path, "--undefined", "empty")
    assert done.returncode == 2
    assert "case.yaml:2:11: prompts[0]: a template engine or a loader would interpret the text" in done.stderr
    assert SECRET not in done.stdout + done.stderr


def test_where_a_failure_case_lies_no_credential_is_visible():
    env = {"MY_TOKEN": SECRET, "EVOLVE_API_KEY": SECRET, "HOME": "/root", "EVOLVE_RETRIES": "2"}
    assert visible_env(env, "/srv/failure_cases/MY_AGENT/case.yaml", {}) == {"EVOLVE_RETRIES": "2"}
