"""Files that a task names but the role does not have."""

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Final

from evolve.role_lint.homes import TaskScope, Tree
from evolve.role_lint.rule import Match, Rule
from evolve.role_lint.tasks import AnsibleTask
from evolve.role_lint.words import FILE_WRITERS

_FOLDERS: Final = {"template": "templates", "copy": "files", "script": "files"}

_LOOKED_FOR: Final = re.compile(r"\bis\s+(?:file|exists|directory|link)\b|(?:lookup|query)\([^)]*file")
"""A condition that looks on the controller whether a file is there: a user of the role may add it."""
_FOUND: Final = re.compile(r"(?<!not )\b(\w+)\.stat\.exists\b")
_OF_THE_CONTROLLER: Final = re.compile(r"\b(?:role_path|playbook_dir|inventory_dir)\b")


def _find_missing(tree: Tree) -> Iterator[Match]:
    beside_plays = tuple({home.folder: None for home in (*tree.homes, *tree.around) if not home.is_role})
    written = {PurePosixPath(task.text("dest", "path")).name for task in tree.tasks if task.module in FILE_WRITERS}
    for home in tree.homes:
        yield from _missing_in(home, beside_plays, written)


def _missing_in(home: TaskScope, beside_plays: tuple[Path, ...], written: set[str]) -> Iterator[Match]:
    for task in home.tasks:
        folder = _FOLDERS.get(task.module, "")
        node = task.arg("src")
        if not folder or not home.is_role or node is None or task.is_true("remote_src"):
            continue
        name = node.text
        if any(_asks_for_file(condition.text, home) for condition in task.conditions):
            continue
        if not name or "{{" in name or "{%" in name or name.startswith(("/", "~")) or task.depends_on_loop(name):
            continue
        # Ansible searches next to the playbook last; a file that another task writes is there in time.
        bases = (home.folder, Path(task.path).parent, home.folder / "tasks", *beside_plays)
        is_there = any((base / folder / name).exists() or (base / name).exists() for base in bases)
        if not is_there and PurePosixPath(name).name not in written:
            yield Match(node.spot, f"{name} is neither in {folder}/ of the role nor next to its tasks")


def _asks_for_file(condition: str, home: TaskScope) -> bool:
    """Whether a condition asks for a file of the controller: a test of Jinja, or the result of `stat` there."""
    names = set(_FOUND.findall(condition))
    return _LOOKED_FOR.search(condition) is not None or any(
        task.keyword_text("register") in names and _is_on_controller(task) for task in home.tasks if names
    )


def _is_on_controller(task: AnsibleTask) -> bool:
    delegate = task.keyword("delegate_to")
    is_here = delegate is not None and delegate.text in ("localhost", "127.0.0.1")
    return task.module == "stat" and (is_here or _OF_THE_CONTROLLER.search(task.text("path")) is not None)


RULE = Rule(
    id="source-missing",
    what="a template or file that the role does not have",
    why="The task fails on every host that reaches it.",
    fix="correct the name, or add the file",
    find=_find_missing,
    cannot_see="Files that a user of the role has to add; sources whose path a run computes.",
)
