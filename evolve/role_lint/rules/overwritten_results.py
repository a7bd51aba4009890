"""Results that a skipped task overwrites."""

import itertools
import re
from collections import defaultdict
from collections.abc import Iterator

from evolve.role_lint.homes import TaskScope
from evolve.role_lint.nodes import Node
from evolve.role_lint.rule import Match, Rule, in_homes
from evolve.role_lint.tasks import AnsibleTask


def _overwritten(home: TaskScope) -> Iterator[Match]:
    by_name: dict[tuple[str, str], list[AnsibleTask]] = defaultdict(list)
    for task in home.tasks:
        if name := task.keyword_text("register"):
            by_name[task.path, name].append(task)
    for (_, name), registering in by_name.items():
        for before, task in itertools.pairwise(registering):
            user = _reader_after(home, name, task)
            if user is not None and _may_be_skipped_alone(before, task):
                lines = f"line {before.spot.line}, which line {user.spot.line} reads"
                yield Match(task.keywords["register"].spot, f"when skipped, this overwrites `{name}` of {lines}")


def _may_be_skipped_alone(before: AnsibleTask, task: AnsibleTask) -> bool:
    # A YAML alias is the same task in two places.
    return (
        before.spot != task.spot
        and bool(task.conditions)
        and _names_asked(before) != _names_asked(task)
        and before.parts == task.parts
    )


def _names_asked(task: AnsibleTask) -> set[str]:
    return {node.text for node in task.conditions}


def _reader_after(home: TaskScope, name: str, task: AnsibleTask) -> AnsibleTask | None:
    """Return the first later task that reads the result even if `task` was skipped."""
    word = re.compile(
        rf"\b{re.escape(name)}\b\s*(?:\.\s*(?:stdout|rc|stat|content|json|status|changed)|\[|is\s+changed)"
    )
    later = (other for other in home.tasks if other.path == task.path and other.spot > task.spot)
    alone = (other for other in later if not _names_asked(task) <= _names_asked(other))
    readers = (other for other in alone if any(word.search(node.text) for node in _texts(other)))
    return next((other for other in readers if not _registers_between(home, name, task, other)), None)


def _registers_between(home: TaskScope, name: str, task: AnsibleTask, reader: AnsibleTask) -> bool:
    """Return whether a task before the reader registers the name again, whenever the reader runs."""
    return any(
        other.keyword_text("register") == name and _names_asked(other) <= _names_asked(reader)
        for other in home.tasks
        if other.path == task.path and task.spot < other.spot < reader.spot
    )


def _texts(task: AnsibleTask) -> Iterator[Node]:
    yield from task.own_conditions
    yield from (node for _, node in task.strings())


RULE = Rule(
    id="register-overwritten",
    what="two tasks that register the same name, and the later may be skipped",
    why="A skipped task registers too: its result replaces that of the first, and a change gets lost.",
    fix="give each its own name, and test both",
    find=in_homes(_overwritten),
)
