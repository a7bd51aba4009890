"""Files that two tasks of a role write differently."""

import itertools
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import partial
from typing import Final, NamedTuple

from evolve.role_lint.homes import TaskScope
from evolve.role_lint.nodes import Node
from evolve.role_lint.rule import Match, Rule, in_homes
from evolve.role_lint.tasks import AnsibleTask
from evolve.role_lint.words import WHOLE_FILE_WRITERS

_ITEM: Final = re.compile(r"\{\{-?\s*(\w+)((?:\.\w+)*)\s*-?\}\}")


class _Write(NamedTuple):
    task: AnsibleTask
    path: str


def paths_of(task: AnsibleTask, *names: str) -> Iterator[str]:
    """Yield the paths that an argument names: one, or one for each item of a literal loop."""
    text = task.text(*names)
    if not task.depends_on_loop(text):
        if text:
            yield text
        return
    for item in task.loop.items if task.loop is not None else ():
        expanded = _ITEM.sub(partial(_member, task=task, item=item), text)
        if not task.depends_on_loop(expanded):
            yield task.home.literals.resolve(expanded, task)


def _member(found: re.Match[str], task: AnsibleTask, item: Node) -> str:
    """Return the value of `{{ item.key }}` for one item of a literal loop; any other expression unchanged."""
    if found[1] not in task.loop_names:
        return found[0]
    node: Node | None = item
    for key in found[2].split(".")[1:]:
        node = node.get(key) if node is not None else None
    return node.text if node is not None and node.text else found[0]


def _writes(home: TaskScope) -> Iterator[_Write]:
    for task in home.plain_tasks:
        if task.module in WHOLE_FILE_WRITERS and task.always_runs and task.inherit("delegate_to") is None:
            for path in paths_of(task, "dest"):
                if not path.endswith("/"):
                    yield _Write(task, path)


def _twice(home: TaskScope) -> Iterator[Match]:
    first: dict[str, AnsibleTask] = {}
    for task, path in _writes(home):
        before = first.setdefault(path, task)
        if before is task or _write_the_same(before, task):
            continue
        if not task.is_false("force") and not before.is_false("force"):
            text = f"{path} is also written by line {before.spot.line} of {before.path}"
            yield Match(task.module_spot, text)


def _write_the_same(before: AnsibleTask, task: AnsibleTask) -> bool:
    """Return whether two tasks write the same file with the same arguments: needless, but neither undoes the other."""
    return (
        before.module == task.module and _plain_args(before) == _plain_args(task) and before.loop is None is task.loop
    )


def _plain_args(task: AnsibleTask) -> dict[str, object]:
    return {name: entry.node.plain for name, entry in task.args.items()}


TWICE = Rule(
    id="two-writers",
    what="two tasks that write the same whole file",
    why="Each undoes the other, so every run changes the file twice and notifies its handlers.",
    fix="keep one of the tasks, and put all of the content into one template",
    find=in_homes(_twice),
)


def _gone(home: TaskScope) -> Iterator[Match]:
    made = {path: task for task, path in _writes(home)}
    for task in home.plain_tasks:
        if task.module == "file" and task.text("state") == "absent" and task.always_runs:
            for path in paths_of(task, "path", "dest", "name"):
                if path in made:
                    yield Match(
                        task.module_spot,
                        f"{path} is removed here and written by line {made[path].spot.line} of {made[path].path}",
                    )


REMOVED = Rule(
    id="removed-and-written",
    what="a file that one task removes and another writes",
    why="Every run removes it and writes it again, and meanwhile the service may miss it.",
    fix="let the writing task replace the file; remove only files that no task writes",
    find=in_homes(_gone),
)


def _paths_with_mode(task: AnsibleTask) -> Iterator[str]:
    if task.module == "file":
        yield from paths_of(task, "path", "dest", "name")
    else:
        # What ends in a slash is a folder, and the mode is that of a file in it.
        yield from (path for path in paths_of(task, "dest") if not path.endswith("/"))


def _modes(home: TaskScope) -> Iterator[Match]:
    wanted: dict[tuple[str, str, bool], list[tuple[AnsibleTask, str]]] = defaultdict(list)
    for task in home.plain_tasks:
        if task.module not in ("file", *WHOLE_FILE_WRITERS) or not task.always_runs or task.inherit("delegate_to"):
            continue
        if task.text("state") == "absent" or task.is_false("force"):
            continue
        for path in _paths_with_mode(task):
            for key in ("mode", "owner", "group"):
                value = task.text(key).lstrip("0") if key == "mode" else task.text(key)
                if value and "{{" not in value:
                    # `copy` to a folder sets the mode of the files, not of the folder.
                    is_folder = task.text("state") == "directory"
                    wanted[path.rstrip("/"), key, is_folder].append((task, value))
    for (path, key, _), wishes in wanted.items():
        for (before, value), (task, other) in itertools.pairwise(wishes):
            if value != other and task is not before:
                text = f"{key} of {path} is {other} here and {value} in line {before.spot.line} of {before.path}"
                yield Match(task.args[key].spot, text)


MODES = Rule(
    id="modes-fight",
    what="two tasks that give the same path different modes or owners",
    why="Each undoes the other: both change on every run.",
    fix="set the mode and the owner once, in the task that creates the file",
    find=in_homes(_modes),
)


def _recurses(home: TaskScope) -> Iterator[Match]:
    for task in home.plain_tasks:
        if task.module == "file" and task.is_true("recurse") and re.fullmatch(r"0?[0-7]{3,4}", task.text("mode")):
            yield Match(
                task.args["mode"].spot,
                f"the same numeric mode for all files and folders below {task.text('path', 'dest', 'name')}",
            )


RECURSES = Rule(
    id="recursive-numeric-mode",
    what="`recurse: true` with a numeric mode",
    why="Files become executable or folders inaccessible, and each run changes files that the service wrote meanwhile.",
    fix="use a symbolic mode with X (`u=rwX,g=rX,o=`), or set modes where the files are created",
    find=in_homes(_recurses),
)
