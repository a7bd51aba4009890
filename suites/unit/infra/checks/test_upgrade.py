"""From which version of a role an upgrade begins, and what git has to say about it."""

import subprocess
from pathlib import Path

import pytest

from evolve.infra.checks.upgrade import last_other_version, old_scenario
from evolve.infra.verification.scenario import load_scenario


def git(folder: Path, *words: str) -> str:
    own = ["git", "-C", str(folder), "-c", "user.name=x", "-c", "user.email=x@example.org"]
    return subprocess.run([*own, *words], check=True, capture_output=True, text=True).stdout.strip()


def write(role: Path, text: str) -> None:
    (role / "tasks").mkdir(parents=True, exist_ok=True)
    (role / "tasks" / "main.yml").write_text(text)


def history(top: Path, role: Path) -> str:
    """A repository with one commit of the role, which then changed; returns the commit."""
    write(role, "---\n# old\n")
    git(top, "init", "-q")
    git(top, "add", ".")
    git(top, "commit", "-q", "-m", "first")
    write(role, "---\n# new\n")
    return git(top, "rev-parse", "HEAD")


@pytest.mark.parametrize("below", ["", "web", "roles/web"])
def test_an_upgrade_begins_from_the_last_commit_wherever_the_role_is(tmp_path: Path, below: str) -> None:
    top = tmp_path / "repository"
    role = top / below
    (role / "molecule" / "default").mkdir(parents=True)
    (role / "molecule" / "default" / "converge.yml").write_text("[]\n")
    write(top / "roles" / "base", "---\n# base\n")
    commit = history(top, role)
    assert last_other_version(role) == (commit, "")

    old = old_scenario(load_scenario(role), commit, tmp_path / "old", "bookworm")

    assert old.role == role.name
    assert (old.role_dir / "tasks" / "main.yml").read_text() == "---\n# old\n"
    assert old.converge == (old.role_dir / "molecule" / "default" / "converge.yml").resolve()
    assert below != "roles/web" or (old.role_dir.parent / "base" / "tasks" / "main.yml").exists()


def test_tests_and_texts_make_no_other_version(tmp_path: Path) -> None:
    history(tmp_path, tmp_path)
    write(tmp_path, "---\n# old\n")
    (tmp_path / "README.md").write_text("new\n")
    assert last_other_version(tmp_path) == (None, "no commit holds another version of the role")


def test_what_git_refuses_is_reported_in_its_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    history(tmp_path, tmp_path)
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    commit, why = last_other_version(tmp_path)
    assert commit is None
    assert "git reports: fatal: detected dubious ownership" in why
    assert "safe.directory" in why


def test_without_git_that_is_what_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert last_other_version(tmp_path).why_none.endswith("git reports: it is not installed here")


def test_a_folder_without_history_has_no_other_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert "no commit holds another version of the role" in last_other_version(tmp_path).why_none
