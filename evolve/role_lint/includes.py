"""How files of tasks include each other, and so which of them a run executes."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from evolve.role_lint.nodes import Node
from evolve.role_lint.reach import Reachability
from evolve.role_lint.tasks import AnsibleTask
from evolve.role_lint.words import INCLUDES

_EXPRESSION: Final = re.compile(r"\{\{.*?\}\}")


class _Edge(NamedTuple):
    source: str
    target: str
    conditions: tuple[Node, ...]
    by_handler: bool
    is_choice: bool
    """A variable names the file: some runs include this one, others another."""
    in_rescue: bool
    """Only after a failure."""

    @property
    def is_guarded(self) -> bool:
        return bool(self.conditions) or self.in_rescue


def reach_of(tasks: Iterable[AnsibleTask], entries: Iterable[str], handler_files: Iterable[str]) -> Reachability:
    """Return how the files of a role are reached from its `tasks/main.yml`."""
    given = tuple(tasks)
    files = frozenset(task.path for task in given)
    edges = _edges(given, files)
    start = frozenset(entries) & files
    plain = [edge for edge in edges if not edge.by_handler]
    opened = _closure(start, [edge for edge in plain if not edge.is_guarded])
    always = _closure(start, [edge for edge in plain if not edge.is_guarded and not edge.is_choice])
    handlers = _closure(frozenset(handler_files), edges) & files
    return Reachability(always, files - opened, handlers - _closure(start, plain), _conditions(edges))


def _conditions(edges: Iterable[_Edge]) -> Mapping[str, tuple[Node, ...]]:
    found: dict[str, tuple[Node, ...]] = {}
    for edge in edges:
        for target in _closure(frozenset((edge.target,)), edges):
            found[target] = (*found.get(target, ()), *edge.conditions)
    return found


def _edges(tasks: Iterable[AnsibleTask], files: frozenset[str]) -> list[_Edge]:
    edges: list[_Edge] = []
    choices: list[tuple[AnsibleTask, str]] = []
    for task in tasks:
        if task.module in INCLUDES:
            name = _include_text(task)
            if target := find_included(task, files):
                edges.append(_edge(task, target, is_choice=False))
            elif "{{" in name:
                choices.append((task, name))
    named = {edge.target for edge in edges}
    for task, name in choices:
        pattern = re.compile("(?:.*/)?" + ".*".join(map(re.escape, _EXPRESSION.split(name))))
        fitting = filter(pattern.fullmatch, files - named - {task.path})
        edges += (_edge(task, path, is_choice=True) for path in fitting)
    return edges


def _edge(task: AnsibleTask, target: str, *, is_choice: bool) -> _Edge:
    return _Edge(task.path, target, task.conditions, task.in_handlers, is_choice, "rescue" in task.parts)


def file_of_include(task: AnsibleTask) -> str:
    """Return the path that an include names, relative or absolute; empty if it depends on the run."""
    text = _include_text(task)
    return "" if "{{" in text else text.split(" ", 1)[0]


def _include_text(task: AnsibleTask) -> str:
    node = task.arg("file", "_raw_params") or task.command
    return task.home.literals.resolve(node.text, task).strip() if node else ""


def find_included(task: AnsibleTask, files: Iterable[str] | Mapping[str, object]) -> str:
    """Return the file of the tree that an include refers to; empty if it is none of them."""
    name = file_of_include(task)
    if not name:
        return ""
    here = Path(task.path).parent
    for folder in (here, task.home.folder / "tasks", task.home.folder / "handlers", task.home.folder):
        path = _normal(folder / name)
        if path in files:
            return path
    return ""


def _normal(path: Path) -> str:
    parts: list[str] = []
    for part in path.parts:
        if part == ".." and parts and parts[-1] not in ("..", "/"):
            parts.pop()
        elif part != ".":
            parts.append(part)
    return str(Path(*parts)) if parts else ""


def _closure(start: frozenset[str], edges: Iterable[_Edge]) -> frozenset[str]:
    found, waiting = set(start), list(start)
    while waiting:
        here = waiting.pop()
        for edge in edges:
            if edge.source == here and edge.target not in found:
                found.add(edge.target)
                waiting.append(edge.target)
    return frozenset(found)
