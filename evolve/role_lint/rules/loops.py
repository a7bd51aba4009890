"""Loops that lose their results or items."""

import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Final

from evolve.role_lint.homes import TaskScope
from evolve.role_lint.includes import find_included
from evolve.role_lint.nodes import Node
from evolve.role_lint.rule import Match, Rule, in_homes
from evolve.role_lint.tasks import AnsibleTask

_SINGLE: Final = r"(?<![\w.]){name}\s*\.\s*(stdout|stdout_lines|stderr|rc|stat|content|json)\b"


def _collides(home: TaskScope) -> Iterator[Match]:
    by_file: dict[str, list[AnsibleTask]] = defaultdict(list)
    for task in home.tasks:
        by_file[task.path].append(task)
    for task in home.tasks:
        if task.module != "include_tasks" or task.loop is None:
            continue
        for inner in by_file.get(find_included(task, by_file), ()):
            if inner.loop is not None and (shared := task.loop_names & inner.loop_names):
                other = f"line {inner.spot.line} of {inner.path}"
                text = f"`{min(shared)}` is the item of both this loop and the loop in {other}"
                yield Match(task.module_spot, text)
                break


COLLIDES = Rule(
    id="loop-variable-collides",
    what="a looped include of a file that loops with the same variable",
    why="The inner loop replaces the item of the outer one, and the tasks after it use the wrong item.",
    fix="give the outer loop its own variable: `loop_control: {loop_var: ...}`",
    find=in_homes(_collides),
)


def _shapes(home: TaskScope) -> Iterator[Match]:
    registered: dict[str, list[AnsibleTask]] = defaultdict(list)
    for task in home.tasks:
        if name := task.keyword_text("register"):
            registered[name].append(task)
    looped = {name: tasks for name, tasks in registered.items() if all(task.loop is not None for task in tasks)}
    for name, tasks in looped.items():
        pattern = re.compile(_SINGLE.format(name=re.escape(name)))
        for task in home.tasks:
            if task not in tasks and name not in task.loop_names:
                for node in _texts(task):
                    if found := pattern.search(node.text):
                        text = (
                            f"`{name}` is registered in a loop (line {tasks[0].spot.line}), so it has no `{found[1]}`"
                        )
                        yield Match(node.at(found.start()), text)


def _texts(task: AnsibleTask) -> Iterator[Node]:
    yield from task.own_conditions
    yield from (node for _, node in task.strings())
    for key in ("loop", "changed_when", "failed_when"):
        node = task.keyword(key)
        yield from node.scalars() if node else ()


SHAPES = Rule(
    id="loop-result-as-one",
    what="the result of a loop, read like the result of a single task",
    why="A loop registers a list, `.results`; the attribute is undefined and the play fails there.",
    fix="iterate over `NAME.results`",
    find=in_homes(_shapes),
)
