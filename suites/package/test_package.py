"""What users install: the sdist and the wheel that is built from it, in a clean environment outside of the clone."""

import json
import os
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from evolve import __version__

pytest.importorskip("build", reason="needs build: pip install build (tox run -e package does)")

ROOT = Path(__file__).parents[2]
SUITE = """
prompts: ["{{ word }}"]
providers: [echo]
tests:
  - description: a greeting
    vars: {word: hello}
    assert: [{type: contains, value: hello}, {type: word-count, value: {max: 3}}]
"""
REPORTS = """
prompts: ["{{ diagnostics }}"]
providers: [echo]
tests:
  - description: the disk is full
    vars: {diagnostics: {job_id: web, driver: docker, status: failed, stdout: "", stderr: no space left on device}}
    metadata: {family: disk, split: train, accepted: [free_disk]}
    assert: [{type: is-json, value: {type: object, required: [action]}}]
"""


@dataclass(frozen=True, slots=True)
class Installed:
    """A virtual environment that holds the wheel, and a folder with nothing in it."""

    programs: Path
    folder: Path

    def run(self, program: str, *arguments: str, code: int = 0) -> str:
        """Return what an installed program prints, in the empty folder; fail when it ends with another code."""
        done = run([str(self.programs / program), *arguments], self.folder)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr


def run(command: Sequence[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command that sees neither this clone nor the environment that the tests run in."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PYTEST", "EVOLVE"))}
    env.pop("VIRTUAL_ENV", None)
    # Its own cache folder: an answer that this machine has stored would hide a provider that is not in the wheel.
    env["EVOLVE_CACHE_DIR"] = str(folder.parent / "cache")
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)


@pytest.fixture(scope="session")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the sdist, and the wheel from the sdist, so that what the sdist lacks is missed."""
    folder = tmp_path_factory.mktemp("dist")
    done = run([sys.executable, "-m", "build", "--outdir", str(folder), str(ROOT)], folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="session")
def wheel(dist: Path) -> Path:
    (found,) = dist.glob("*.whl")
    return found


@pytest.fixture(scope="session")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clean")
    for command in (
        [sys.executable, "-m", "venv", str(folder / "venv")],
        [str(folder / "venv/bin/python"), "-m", "pip", "install", "-q", f"{wheel}[pytest]"],
    ):
        done = run(command, folder)
        assert done.returncode == 0, done.stdout + done.stderr
    return folder / "venv/bin"


@pytest.fixture
def installed(environment: Path, tmp_path: Path) -> Installed:
    folder = tmp_path / "empty"
    folder.mkdir()
    return Installed(environment, folder)


def test_there_is_one_wheel_and_one_sdist_of_this_version(dist: Path):
    names = sorted(path.name for path in dist.iterdir() if path.suffix in (".whl", ".gz"))
    assert names == [f"anneal_harness-{__version__}-py3-none-any.whl", f"anneal_harness-{__version__}.tar.gz"]


def test_the_wheel_holds_every_file_of_the_package_and_nothing_else(wheel: Path):
    command = ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard", "evolve", "pipecatapp"]
    files = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    expected = {name for name in files if (ROOT / name).is_file()}
    held = set(zipfile.ZipFile(wheel).namelist())
    assert {name for name in held if ".dist-info/" not in name} == expected
    assert {"evolve/py.typed", "pipecatapp/py.typed"} <= held
    assert {name.partition(".dist-info/")[2] for name in held if "LICENSE" in name} > {"licenses/LICENSE"}


def test_the_sdist_holds_what_a_reader_needs(dist: Path):
    (path,) = dist.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    assert {"README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "LICENSE", "pyproject.toml"} <= held
    assert not any(name.startswith(("suites/", "fixtures/", "reports/")) for name in held)


def test_the_command_says_its_version(installed: Installed):
    assert installed.run("evolve", "--version") == f"evolve {__version__}\n"
    where = installed.run("python", "-c", "import evolve; print(evolve.__file__)")
    assert not Path(where.strip()).is_relative_to(ROOT)


def test_a_suite_runs_and_its_page_is_written(installed: Installed):
    (installed.folder / "greet.yaml").write_text(SUITE)
    printed = installed.run("evolve", "run", "greet.yaml", "-o", "out.html", "-o", "out.json")
    assert "1 passed" in printed
    assert json.loads((installed.folder / "out.json").read_text())["results"]["stats"]["successes"] == 1
    assert "<script" in (installed.folder / "out.html").read_text()  # the page's assets are in the wheel


def test_pytest_collects_suites_with_the_ini_line_and_not_without(installed: Installed):
    (installed.folder / "prompts").mkdir()
    (installed.folder / "prompts/greet.yaml").write_text(SUITE)
    (installed.folder / "pytest.ini").write_text("[pytest]\n")
    assert "no tests collected" in installed.run("pytest", "--collect-only", "-q", code=5)
    (installed.folder / "pytest.ini").write_text("[pytest]\nsuite_files = prompts/**/*.yaml\n")
    assert "prompts/greet.yaml::a greeting" in installed.run("pytest", "--collect-only", "-q")
    assert "1 passed" in installed.run("pytest", "-q", "-n", "1")


def test_a_shipped_agent_fails_a_test_and_the_failure_becomes_a_case(installed: Installed):
    # Agents with their demo banks, the schema of diagnostics and that of cases are in the wheel.
    (installed.folder / "reports.yaml").write_text(REPORTS)
    arguments = ("--agent", "REFLECTION_AGENT", "--write-cases", "failure_cases")
    installed.run("evolve", "run", "reports.yaml", *arguments, code=1)
    (case,) = (installed.folder / "failure_cases").rglob("*.yaml")
    listed = json.loads(installed.run("evolve", "cases", "list", "--json"))
    assert [found["agent"] for found in listed] == ["REFLECTION_AGENT"]
    assert case.is_file()


def test_roles_are_linted_by_all_rules(installed: Installed):
    tasks = installed.folder / "roles/app/tasks/main.yml"
    tasks.parent.mkdir(parents=True)
    tasks.write_text("- name: Restart\n  ansible.builtin.service: {name: app, state: restarted}\n")
    assert "restart-every-run" in installed.run("evolve", "lint-roles", "roles", code=1)
