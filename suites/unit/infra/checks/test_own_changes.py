"""Whose changes speak against a role that was to stop before any."""

from pathlib import Path

import pytest

from evolve.core.model.role_checks import TaskLine
from evolve.infra.checks.own_changes import OwnChanges, own_changes
from evolve.infra.verification.plays import Played
from evolve.infra.verification.scenario import load_scenario

DIFFERENT = ["one: /etc/x: is new"]


def line(role: str, status: str, *, host: str = "one", path: str = "/roles/x/tasks/main.yml") -> TaskLine:
    return TaskLine(host, role, f"task of {role or 'the play'}", path, 3, "copy", status, 0.1)


def found(folder: Path, *lines: TaskLine) -> OwnChanges:
    """Of a play in which the hosts changed, what counts against the role `demo`."""
    (folder / "demo").mkdir()
    return own_changes(Played(2, lines, "", 1.0), DIFFERENT, load_scenario(folder / "demo"))


@pytest.mark.parametrize("before", ["", "common", "my.own.common"])
def test_what_comes_before_the_role_is_a_note(tmp_path: Path, before: str) -> None:
    changes = found(tmp_path, line(before, "changed"), line("demo", "ok"), line("demo", "failed"))
    assert (changes.tasks, changes.hidden) == ([], [])
    assert len(changes.notes) == 1
    assert "the role did not make it: /roles/x/tasks/main.yml:3: " in changes.notes[0]
    assert DIFFERENT[0] in changes.notes[0]


@pytest.mark.parametrize("role", ["demo", "my.own.demo"])
def test_a_task_of_the_role_counts_by_either_name(tmp_path: Path, role: str) -> None:
    changes = found(tmp_path, line("common", "changed"), line(role, "changed"), line(role, "failed"))
    assert len(changes.tasks) == 1
    assert changes.hidden == []


def test_a_role_that_ansible_names_by_its_path_counts(tmp_path: Path) -> None:
    assert found(tmp_path, line("..", "changed", path=str(tmp_path / "demo" / "tasks" / "main.yml"))).tasks


def test_a_role_that_this_one_includes_counts(tmp_path: Path) -> None:
    assert len(found(tmp_path, line("demo", "ok"), line("common", "changed")).tasks) == 1


def test_a_role_before_it_on_another_host_does_not_count(tmp_path: Path) -> None:
    assert found(tmp_path, line("demo", "ok"), line("common", "changed", host="two")).tasks == []


def test_what_changes_without_a_task_that_says_so_counts(tmp_path: Path) -> None:
    assert found(tmp_path, line("common", "ok"), line("demo", "failed")) == OwnChanges([], DIFFERENT, [])
