"""The expressions whose value is stored on a host: in templates, and in the arguments of modules that write."""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from evolve.role_lint.homes import TaskScope, TextFile, Tree
from evolve.role_lint.jinja_text import file_expressions, node_expressions, task_expressions, templates_of
from evolve.role_lint.nodes import Spot
from evolve.role_lint.tasks import AnsibleTask
from evolve.role_lint.words import FILE_WRITERS

# Modules whose arguments stay on the host, apart from those that only decide whether the task runs.
_LASTING: Final = FILE_WRITERS | frozenset(
    ("file", "cron", "ini_file", "user", "docker_container", "sysctl", "systemd", "unarchive")
)
_PASSING: Final = frozenset(("validate", "creates", "removes"))
_CHOICE: Final = re.compile(r"\belse\b|\|\s*d(?:efault)?\(")


class Expression(NamedTuple):
    """The text inside of Jinja's braces."""

    spot: Spot
    inside: str
    task: AnsibleTask | None
    """The task with the argument; None for a template or a variable."""

    @property
    def is_guarded(self) -> bool:
        """Whether it is written only under a condition."""
        return self.task is not None and self.task.is_guarded

    @property
    def is_choice(self) -> bool:
        """Whether it is only a fallback for an unknown value."""
        return bool(_CHOICE.search(self.inside))


def lasting_expressions(tree: Tree) -> Iterator[Expression]:
    """Yield the expressions of templates that become files, and of arguments that are stored on the host."""
    for home in tree.homes:
        yield from _of_home(home)


def lasting_or_used(tree: Tree) -> Iterator[Expression]:
    """Yield the same, and the expressions in the role's variables that they use by name."""
    for home in tree.homes:
        direct = list(_of_home(home))
        yield from direct
        used = {word for found in direct if not found.is_choice for word in re.findall(r"[A-Za-z_]\w*", found.inside)}
        yield from (found for found in _variables(home, used))


def _of_home(home: TaskScope) -> Iterator[Expression]:
    looked_up = _lookup_names(home)
    for text in templates_of(home):
        if not _is_looked_up(text, looked_up):
            yield from (Expression(spot, inside, None) for spot, inside in file_expressions(text))
    for task in home.tasks:
        if task.module in _LASTING and task.text("state") != "absent":
            for key, spot, inside in task_expressions(task):
                if key not in _PASSING:
                    yield Expression(spot, inside, task)


def _lookup_names(home: TaskScope) -> str:
    """Return the texts of template lookups: a template that they name computes a value and becomes no file."""
    levels = [entry.node for entries in home.variables.values() for entry in entries.values()]
    levels += [node for task in home.tasks for _, node in task.strings()]
    texts = (node.text for level in levels for node in level.scalars())
    return " ".join(text for text in texts if "lookup(" in text and "template" in text)


def _is_looked_up(text: TextFile, looked_up: str) -> bool:
    return bool(looked_up) and text.path.rsplit("/", 1)[-1] in looked_up


def _variables(home: TaskScope, used: set[str]) -> Iterator[Expression]:
    for entries in home.variables.values():
        for name, entry in entries.items():
            if name in used:
                for node in entry.node.scalars():
                    yield from (Expression(spot, inside, None) for spot, inside in node_expressions(node))
    for task in home.tasks:
        for name, entry in task.args.items() if task.module == "set_fact" else ():
            if name in used:
                for node in entry.node.scalars():
                    yield from (Expression(spot, inside, task) for spot, inside in node_expressions(node))
