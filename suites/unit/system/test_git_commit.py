"""The commit of a folder, from real repositories."""

import subprocess
from pathlib import Path

import pytest

from evolve.system.git_commit import git_commit


def git(folder: Path, *words: str) -> str:
    who = ("-c", "user.name=a", "-c", "user.email=a@b")
    return subprocess.run(
        ["git", *who, "-C", str(folder), *words], check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "suite.yaml").write_text("prompts: [a]\n")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "-m", "one")
    return tmp_path


def test_a_folder_of_a_checkout_has_its_commit(checkout: Path) -> None:
    found = git_commit(str(checkout / "inner"))
    assert found is not None
    assert (found.id, found.has_changes) == (git(checkout, "rev-parse", "HEAD"), False)


def test_a_changed_file_is_noticed_and_a_new_one_is_not(checkout: Path) -> None:
    (checkout / "report.html").write_text("new")
    assert git_commit(str(checkout)).has_changes is False
    (checkout / "inner" / "suite.yaml").write_text("prompts: [b]\n")
    assert git_commit(str(checkout)).has_changes is True


def test_a_checkout_does_not_start_programs_of_its_own(checkout: Path) -> None:
    script = checkout / "hook"
    script.write_text(f"#!/bin/sh\ntouch {checkout}/ran\n")
    script.chmod(0o755)
    git(checkout, "config", "core.fsmonitor", str(script))
    assert git_commit(str(checkout)) is not None
    assert not (checkout / "ran").exists()


def test_without_a_repository_or_a_commit_there_is_none(tmp_path: Path) -> None:
    assert git_commit(str(tmp_path)) is None
    assert git_commit(str(tmp_path / "missing")) is None
    git(tmp_path, "init", "--quiet")
    assert git_commit(str(tmp_path)) is None


def test_without_git_there_is_none(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(checkout))
    assert git_commit(str(checkout)) is None
