"""Files that a task names but the role does not have."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from evolve.role_lint.homes import TaskScope
from evolve.role_lint.rule import Match, Rule, in_homes
from evolve.role_lint.tasks import AnsibleTask

_FOLDERS: Final = {"template": "templates", "copy": "files", "script": "files"}


def _find_missing(home: TaskScope) -> Iterator[Match]:
    for task in home.tasks:
        folder = _FOLDERS.get(task.module, "")
        node = task.arg("src")
        if not folder or not home.is_role or node is None or task.is_true("remote_src"):
            continue
        name = node.text
        if not name or "{{" in name or "{%" in name or name.startswith(("/", "~")) or task.depends_on_loop(name):
            continue
        if not any(place.exists() for place in _places(home, task, folder, name)):
            yield Match(node.spot, f"{name} is neither in {folder}/ of the role nor next to its tasks")


def _places(home: TaskScope, task: AnsibleTask, folder: str, name: str) -> Iterator[Path]:
    for base in (home.folder, Path(task.path).parent, home.folder / "tasks"):
        yield base / folder / name
        yield base / name


RULE = Rule(
    id="source-missing",
    what="a template or file that the role does not have",
    why="The task fails on every host that reaches it.",
    fix="correct the name, or add the file",
    find=in_homes(_find_missing),
)
