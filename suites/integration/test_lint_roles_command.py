"""`evolve lint-roles` as a process: output, formats, exit codes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

RESTART = "- name: Restart\n  ansible.builtin.service:\n    name: app\n    state: restarted\n"


def lint(folder: Path, *arguments: str, module: tuple[str, ...] = ("evolve", "lint-roles")):
    command = [sys.executable, "-m", *module, *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    for role, text in {"bad": RESTART, "good": "- name: Nothing\n  ansible.builtin.debug:\n    msg: fine\n"}.items():
        (tmp_path / "roles" / role / "tasks").mkdir(parents=True)
        (tmp_path / "roles" / role / "tasks/main.yml").write_text(text)
    return tmp_path


def test_a_finding_has_its_place_its_rule_and_its_cure(repository: Path):
    done = lint(repository, "roles/")
    assert done.returncode == 1
    first, cure, last = done.stdout.splitlines()
    assert first.startswith("roles/bad/tasks/main.yml:2:3: restart-every-run: `state: restarted` in a task")
    assert "handler" in cure
    assert last.startswith("1 finding in 2 roles, 2 tasks")
    assert done.stderr == ""


def test_clean_roles_exit_zero(repository: Path):
    done = lint(repository, "roles/good", module=("evolve.cli.lint_roles",))
    assert (done.returncode, done.stdout.splitlines()[0][:20]) == (0, "no finding in 1 role")


def test_json_says_the_same(repository: Path):
    data = json.loads(lint(repository, ".", "--format", "json").stdout)
    (finding,) = data["findings"]
    assert (finding["rule"], finding["path"]) == ("restart-every-run", "roles/bad/tasks/main.yml")
    assert (finding["line"], finding["column"], data["roles"]) == (2, 3, 2)


def test_sarif_names_the_rule_and_the_place(repository: Path):
    done = lint(repository, "roles", "--format", "sarif", "--output", "reports/lint.sarif")
    assert done.returncode == 1
    assert done.stdout.strip().endswith("reports/lint.sarif")
    data = json.loads((repository / "reports/lint.sarif").read_text())
    (run,) = data["runs"]
    (result,) = run["results"]
    place = result["locations"][0]["physicalLocation"]
    assert data["version"] == "2.1.0"
    assert place["artifactLocation"]["uri"] == "roles/bad/tasks/main.yml"
    assert place["region"] == {"startLine": 2, "startColumn": 3}
    assert result["ruleId"] in {rule["id"] for rule in run["tool"]["driver"]["rules"]}


def test_only_the_chosen_rules_look(repository: Path):
    assert lint(repository, "roles", "--rules", "groups-replaced,append-every-run").returncode == 0
    assert lint(repository, "roles", "--rules", "restart-every-run").returncode == 1


def test_an_unknown_rule_is_reported_with_the_likely_one(repository: Path):
    done = lint(repository, "roles", "--rules", "restart-evry-run,nonsense")
    assert done.returncode == 2
    assert "did you mean 'restart-every-run'?" in done.stderr
    assert "'nonsense'" in done.stderr


def test_every_broken_file_is_reported_and_no_traceback(repository: Path):
    (repository / "roles/bad/tasks/main.yml").write_text("- name: [\n")
    (repository / "roles/good/tasks/main.yml").write_text("- name: 'open\n")
    done = lint(repository, "roles")
    assert done.returncode == 2
    assert "roles/bad/tasks/main.yml:" in done.stderr
    assert "roles/good/tasks/main.yml:" in done.stderr
    assert "Traceback" not in done.stderr


def test_rules_are_listed_and_a_missing_folder_is_asked_for(repository: Path):
    listed = lint(repository, "--list-rules")
    assert listed.returncode == 0
    assert len(listed.stdout.splitlines()) >= 35
    assert lint(repository).returncode == 2
    assert lint(repository, "nowhere").returncode == 2


def test_the_roles_and_playbooks_of_this_repository_have_no_smell():
    done = lint(Path(__file__).parents[2], ".")
    assert done.returncode == 0, done.stdout
