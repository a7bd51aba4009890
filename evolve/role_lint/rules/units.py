"""systemd units that systemd does not read again, or that have a second owner."""

import re
from collections.abc import Iterator
from typing import Final

from evolve.role_lint.homes import TaskScope, Tree
from evolve.role_lint.literals import Literals
from evolve.role_lint.nodes import Spot
from evolve.role_lint.rule import Match, Rule
from evolve.role_lint.rules.fought_files import paths_of
from evolve.role_lint.tasks import AnsibleTask
from evolve.role_lint.text_files import without_comments
from evolve.role_lint.words import SERVICES

_UNIT: Final = re.compile(
    r"/(?:etc|lib|usr/lib)/systemd/system/(.+?)\.(service|timer|socket|path|mount|target)(?:\.d/[^/]+\.conf)?$"
)
_JOB: Final = re.compile(r'^\s*(?:job|task)\s+"([^"]+)"')


def unit_of(task: AnsibleTask) -> str:
    """Return the unit that a task writes, without its suffix; empty for other tasks."""
    if task.module in ("copy", "template"):
        for path in (*paths_of(task, "dest"), task.text("dest")):
            if found := _UNIT.search(path):
                return found[1].rsplit("/", 1)[-1]
    return ""


def _reloads(task: AnsibleTask) -> bool:
    if task.module in SERVICES and "daemon_reload" in task.args:
        return not task.is_false("daemon_reload")
    return task.command is not None and "daemon-reload" in task.command.text


def _unread(tree: Tree) -> Iterator[Match]:
    for home in tree.homes:
        if _home_reloads(tree, home):
            continue
        for task in home.plain_tasks:
            if unit_of(task):
                yield Match(task.module_spot, f"nothing in {home.name} makes systemd read {task.text('dest')} again")


def _home_reloads(tree: Tree, home: TaskScope) -> bool:
    near = [home, *(role for name in (*home.dependencies, *home.used_roles) if (role := tree.role(name)))]
    unknown = any("{{" in name or tree.role(name) is None for name in home.dependencies if name)
    playbooks = [other for other in tree.homes if not other.is_role]
    return unknown or any(_reloads(task) for other in (*near, *playbooks) for task in other.tasks)


UNREAD = Rule(
    id="unit-without-daemon-reload",
    what="a role that writes a systemd unit and does not reload systemd",
    why="systemd uses the old unit until the host restarts, and may not find a new one.",
    fix="notify a handler with `ansible.builtin.systemd_service: daemon_reload: true`",
    find=_unread,
)


def _find_owned_twice(tree: Tree) -> Iterator[Match]:
    units = _units(tree)
    for home, text in tree.all_texts():
        if not text.is_job:
            continue
        for number, line in enumerate(without_comments(text), 1):
            if not (found := _JOB.match(line)):
                continue
            name = home.literals.resolve(found[1]) if home else _shared_units(tree, found[1])
            where = units.get(_same(name))
            if where is not None:
                text_ = f"Nomad runs `{name}`, and systemd has a unit with that name ({where.path}:{where.line})"
                yield Match(Spot(text.path, number, found.start(1) + 1), text_)


def _shared_units(tree: Tree, text: str) -> str:
    return Literals(group=tree.shared).resolve(text)


def _units(tree: Tree) -> dict[str, Spot]:
    found: dict[str, Spot] = {}
    for task in tree.tasks:
        name = unit_of(task)
        runs = task.text("state") in ("started", "restarted") or task.is_true("enabled")
        if not name and task.module in SERVICES and runs and not task.is_handler:
            name = task.text("name", "service").removesuffix(".service")
        if name and "{{" not in name and "@" not in name:
            found.setdefault(_same(name), task.spot)
    return found


def _same(name: str) -> str:
    return name.lower().replace("_", "-")


OWNED_TWICE = Rule(
    id="two-owners",
    what="a service with both a systemd unit and a Nomad job",
    why="Both start it: they compete for its port and its data, and each restarts what the other stopped.",
    fix="keep one of them; remove the unit (or the job), also from hosts that have it",
    find=_find_owned_twice,
)
