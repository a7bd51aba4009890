"""Jinja expressions in texts, found without a parser, which is enough for names and filters."""

import re
from collections.abc import Iterator
from typing import Final

from evolve.role_lint.homes import TaskScope, TextFile
from evolve.role_lint.nodes import Node, Spot
from evolve.role_lint.tasks import AnsibleTask

EXPRESSION: Final = re.compile(
    r"\{\{(?P<out>.*?)\}\}|\{%-?(?P<statement>.*?)%\}|\{#.*?#\}|\{% raw %\}.*?\{% endraw %\}", re.DOTALL
)
_STRING: Final = re.compile(r"'[^']*'|\"[^\"]*\"")


def expressions(text: str) -> Iterator[tuple[int, str]]:
    """Yield the text inside of Jinja's braces, with its index; comments are skipped."""
    if "{" not in text:
        return
    for found in EXPRESSION.finditer(text):
        inside = found["out"] if found["out"] is not None else found["statement"]
        if inside is not None:
            yield found.start(), inside


def node_expressions(node: Node) -> Iterator[tuple[Spot, str]]:
    """Yield the expressions of a scalar, with their places."""
    for index, inside in expressions(node.text):
        yield node.at(index), inside


def bare(node: Node) -> Iterator[tuple[Spot, str]]:
    """Yield a scalar that is an expression without braces, as in `when` and `changed_when`."""
    yield node.spot, node.text


def file_expressions(text: TextFile) -> Iterator[tuple[Spot, str]]:
    """Yield the expressions of a template, with their places."""
    whole = "\n".join(text.lines)
    for index, inside in expressions(whole):
        before = whole[:index]
        yield Spot(text.path, before.count("\n") + 1, index - before.rfind("\n")), inside


def without_strings(inside: str) -> str:
    """Return an expression with its quoted texts made empty."""
    return _STRING.sub("''", inside)


def call_arguments(inside: str, start: int) -> str:
    """Return the text inside of the parentheses that open at `start`; empty if none do."""
    if inside[start : start + 1] != "(":
        return ""
    depth = 0
    for index in range(start, len(inside)):
        depth += {"(": 1, ")": -1}.get(inside[index], 0)
        if depth == 0:
            return inside[start + 1 : index]
    return inside[start + 1 :]


def templates_of(home: TaskScope) -> Iterator[TextFile]:
    """Return the texts of a role that Jinja renders."""
    return (text for text in home.texts if text.is_template)


def task_expressions(task: AnsibleTask) -> Iterator[tuple[str, Spot, str]]:
    """Yield the expressions in a task's arguments: the argument's name, the place, the expression."""
    for key, node in task.strings():
        for spot, inside in node_expressions(node):
            yield key, spot, inside
