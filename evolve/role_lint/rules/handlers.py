"""Notifications and handlers that have no effect."""

import re
from collections.abc import Iterator
from typing import Final

from evolve.role_lint.homes import TaskScope, Tree
from evolve.role_lint.rule import Match, Rule, in_homes, in_tasks
from evolve.role_lint.tasks import AnsibleTask

_EXPRESSION: Final = re.compile(r"\{\{.*?\}\}")


def _has_strangers(tree: Tree, home: TaskScope) -> bool:
    """Return whether a role or playbook uses roles that were not found: they may define any handler."""
    known = {role.name for role in (*tree.homes, *tree.around) if role.is_role}
    names = (*home.dependencies, *home.used_roles)
    return any(_last_part(name) not in known for name in names if name)


def _runs_with_strangers(tree: Tree, home: TaskScope) -> bool:
    """Return whether a playbook lists this role next to roles that were not found."""
    plays = (other for other in (*tree.homes, *tree.around) if not other.is_role)
    return any(home.name in map(_last_part, other.used_roles) and _has_strangers(tree, other) for other in plays)


def _last_part(name: str) -> str:
    return re.split(r"[./]", name)[-1]


def _names(task: AnsibleTask) -> Iterator[str]:
    listen = task.keyword("listen")
    for text in (task.name, *(item.text for item in (listen.items if listen else ()))):
        if text:
            yield task.home.literals.resolve(text, task)


def _unknown(tree: Tree) -> Iterator[Match]:
    known: set[str] = set()
    patterns: list[re.Pattern[str]] = []
    for home in (*tree.homes, *tree.around):
        for handler in home.tasks:
            if handler.in_handlers or handler.is_handler:
                for name in _names(handler):
                    known |= {name.lower(), f"{home.name} : {name}".lower()}
                    if "{{" in name:
                        patterns.append(re.compile(_pattern(name), re.IGNORECASE))
    strangers = {id(home) for home in tree.homes if _has_strangers(tree, home) or _runs_with_strangers(tree, home)}
    for task in tree.tasks:
        if id(task.home) in strangers:
            continue
        for node in task.notified:
            name = task.home.literals.resolve(node.text, task)
            plain = name.split(" : ", 1)[-1]
            if (
                not name
                or "{{" in name
                or "{%" in name
                or {name.lower(), plain.lower()} & known
                or any(p.fullmatch(plain) for p in patterns)
            ):
                continue
            yield Match(node.spot, f"no handler has the name, or listens to, `{name}`")


def _pattern(name: str) -> str:
    return ".*".join(map(re.escape, _EXPRESSION.split(name)))


UNKNOWN = Rule(
    id="handler-unknown",
    what="`notify` names a handler that no file defines",
    why="The play fails there, but only when the task changes something.",
    fix="correct the name, or add the handler",
    find=_unknown,
    cannot_see="Handlers of roles that are not installed: a role that a playbook lists next to such roles is not "
    "judged. Names that a run computes.",
)


def _twice(home: TaskScope) -> Iterator[Match]:
    first: dict[tuple[str, str, int], AnsibleTask] = {}
    for handler in home.handlers:
        if not handler.name:
            continue
        # Each play of a playbook has handlers of its own.
        play = id(handler.outer[0]) if handler.outer and not home.is_role else 0
        before = first.setdefault((handler.path, handler.name, play), handler)
        if before is not handler:
            yield Match(
                handler.spot,
                f"the handler `{handler.name}` of line {before.spot.line} never runs: this one has the same name",
            )


TWICE = Rule(
    id="handler-twice",
    what="two handlers with the same name in one file",
    why="Only the last one can run, even if its `when` is false.",
    fix="give each its own name, and let both `listen` to one topic",
    find=in_homes(_twice),
)


def _never(task: AnsibleTask) -> Iterator[Match]:
    if task.never_changes and task.keyword("notify") is not None:
        yield Match(task.keywords["notify"].spot, "a task with `changed_when: false` never notifies a handler")


NEVER = Rule(
    id="notify-never",
    what="`notify` on a task with `changed_when: false`",
    why="The handler never runs.",
    fix="let `changed_when` say when the task changes something, or remove `notify`",
    find=in_tasks(_never),
)
