"""Ports, paths and users that are hard-coded although a variable has them."""

import re
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from evolve.role_lint.container_text import container_paths, is_in_container, opaque, without_container_side
from evolve.role_lint.homes import TaskScope, TextFile, Tree
from evolve.role_lint.jinja_text import EXPRESSION
from evolve.role_lint.literals import Literals
from evolve.role_lint.nodes import Entry, Node, Spot
from evolve.role_lint.rule import Match, Rule
from evolve.role_lint.tasks import AnsibleTask
from evolve.role_lint.text_files import without_comments

_IN_CONTAINER: Final = re.compile(r"(?:^|_)container_")
_PORT_NAME: Final = re.compile(r"(?:^|_)port$")
_PATH_NAME: Final = re.compile(r"(?:^|_)(?:dir|path|home|root|folder|file|directory|socket|binary|bin)$")
_USER_NAME: Final = re.compile(r"(?:^|_)(?:user|group|owner)$")
_SYSTEM_USERS: Final = frozenset(("root", "nobody", "nogroup", "adm", "daemon", "users", "sudo", "wheel"))
_SYSTEM_PATHS: Final = re.compile(
    r"/(?:[^/]+/?|(?:usr|var|etc|run|home|opt|srv)/(?:bin|sbin|lib|lib64|local|share|log|cache|run|tmp|spool|default|systemd|ssl"
    r"|apt|profile\.d|cron\.d|logrotate\.d|sysctl\.d|sudoers\.d|lock)/?|usr/local/(?:bin|sbin|etc|lib|share|src)/?"
    r"|(?:etc|lib|usr/lib)/systemd/system/?|etc/apt/(?:sources\.list\.d|keyrings|trusted\.gpg\.d|preferences\.d)/?"
    r"|usr/bin/[^/]+|bin/[^/]+|usr/sbin/[^/]+|sbin/[^/]+|var/lib/(?:apt|dpkg|systemd)(?:/.*)?|dev/.*|proc/.*|sys/.*|tmp/?.*)"
)
_COMMON_PORTS: Final = frozenset(("80", "443", "3000", "5000", "8000", "8080", "8081", "8443", "8888", "9000"))
_USER_ARGS: Final = frozenset(("owner", "group", "user"))
_UNIT_USER: Final = re.compile(r"^\s*(User|Group|user|group)\s*=\s*\"?([a-z_][\w-]*)\"?\s*$")
_MESSAGES: Final = frozenset(("msg", "fail_msg", "success_msg", "prompt", "that", "validate", "regexp", "regex"))


class _Known(NamedTuple):
    name: str
    value: str
    spot: Spot
    pattern: re.Pattern[str]


def _known_values(levels: Mapping[str, Entry], kind: str, literals: Literals) -> list[_Known]:
    found = []
    for name, entry in levels.items():
        node = entry.node
        value = "" if node.is_list or node.entries else literals.resolve(node.text)
        pattern = _PATTERNS[kind](name, value) if value and "{{" not in value else None
        if pattern is not None:
            found.append(_Known(name, value, entry.spot, pattern))
    return sorted(found, key=lambda known: -len(known.value))


def _port(name: str, value: str) -> re.Pattern[str] | None:
    if not _PORT_NAME.search(name) or _IN_CONTAINER.search(name) or not value.isdecimal() or not 0 < int(value) < 65536:
        return None  # in a container each program has all ports for itself
    return re.compile(
        rf"(?:\b[\w.-]+|\]|\*|\}}):{value}\b(?![.\d:])"
        rf"|\b(?:[Pp]ort|PORT|[Ll]isten(?:er)?)\w*[\"']?\s*[ =:]+\s*[\"']?{value}\b(?![.\d])"
        rf"|--port[ =]{value}\b"
    )


def _path(name: str, value: str) -> re.Pattern[str] | None:
    value = value.rstrip("/")
    if not _PATH_NAME.search(name) or not value.startswith("/") or _SYSTEM_PATHS.fullmatch(value) or " " in value:
        return None
    return re.compile(rf"(?<![\w./}}-]){re.escape(value)}(?![\w.-])")


def _user(name: str, value: str) -> re.Pattern[str] | None:
    if not _USER_NAME.search(name) or not re.fullmatch(r"[a-z_][\w-]*", value) or value in _SYSTEM_USERS:
        return None
    return re.compile(re.escape(value))


_PATTERNS: Final = {"port": _port, "path": _path, "user": _user}


def _find(kind: str, tree: Tree) -> Iterator[Match]:
    shared = _known_values(tree.shared, kind, Literals(group=tree.shared))
    for home in tree.homes:
        own = _own(home, kind)
        group = _known_values(home.literals.group, kind, Literals(group=home.literals.group))
        known = _known_values(own, kind, home.literals) + [item for item in group if item.name not in own]
        if known:
            for task in home.tasks:
                yield from _in_task(kind, task, known)
            inside = _mounts(home)
            for text in home.texts:
                yield from _in_text(kind, text, [item for item in known if _is_on_host(item, text, inside)])
    for text in tree.texts if shared else ():
        # A script that no task renders cannot use a variable.
        if text.is_template or text.is_job:
            yield from _in_text(kind, text, shared)


def _mounts(home: TaskScope) -> frozenset[str]:
    """Return the paths in containers into which the role mounts something."""
    in_texts = (line for text in home.texts for line in without_comments(text))
    in_tasks = (node.text for task in home.tasks for key, node in task.strings() if key == "volumes")
    return container_paths(EXPRESSION.sub(lambda found: opaque(found[0]), line) for line in (*in_texts, *in_tasks))


def _is_on_host(item: _Known, text: TextFile, mounts: frozenset[str]) -> bool:
    """Return whether a path in a file is the host's: units run on the host, other files may be a container's."""
    return text.name.endswith(".service") or not is_in_container(item.value, mounts)


def _own(home: TaskScope, kind: str) -> Mapping[str, Entry]:
    """Return the role's arguments; of users only the service's own, because others can be equal by chance."""
    defaults = home.literals.defaults
    if kind == "path":
        return {name: entry for name, entry in defaults.items() if not _is_only_a_home(home, name)}
    if kind != "user":
        return defaults
    prefix = re.escape(home.name.replace("-", "_"))
    service = re.compile(rf"_*{prefix}(?:__?(?:system|service|process|run|daemon|unix|os))?__?(?:user|group|owner)")
    return {name: entry for name, entry in defaults.items() if service.fullmatch(name)}


def _is_only_a_home(home: TaskScope, name: str) -> bool:
    """Return whether a variable is used only as a user's home; another path of the service may equal it by chance."""
    if not name.endswith("_home"):
        return False
    in_tasks = (key for task in home.tasks for key, node in task.strings() if name in node.text)
    return all(key == "home" for key in in_tasks) and not any(
        name in line for text in home.texts for line in text.lines
    )


def _in_task(kind: str, task: AnsibleTask, known: list[_Known]) -> Iterator[Match]:
    # What a task removes may belong to something else, or to an earlier version.
    if task.module in ("set_fact", "debug", "assert", "fail", "dpkg_divert") or task.text("state") == "absent":
        return
    if kind == "user":
        yield from _users(task, known)
        return
    for key, node in task.strings():
        if key in _MESSAGES:
            continue
        text = EXPRESSION.sub(lambda found: opaque(found[0]), node.text)
        if kind == "port" and key == "port" and text.isdigit():
            text = f"port {text}"
        yield from _match(kind, without_container_side(text), known, node)


def _match(kind: str, text: str, known: list[_Known], node: Node) -> Iterator[Match]:
    taken: list[tuple[int, int]] = []
    for item in known:
        for found in item.pattern.finditer(text) if _may_be_meant(kind, item, text) else ():
            if not any(start < found.end() and found.start() < end for start, end in taken):
                taken.append(found.span())
                yield Match(node.at(found.start()), _message(kind, item))


def _users(task: AnsibleTask, known: list[_Known]) -> Iterator[Match]:
    given = [(entry.node, key) for key, entry in task.args.items() if key in _USER_ARGS and not entry.node.entries]
    if task.module in ("user", "group") and (name := task.arg("name")) is not None:
        given.append((name, task.module))
    if (become := task.keyword("become_user")) is not None:
        given.append((become, "user"))
    for node, key in given:
        if item := _user_named(node.text, key, known):
            yield Match(node.spot, _message("user", item))


def _user_named(text: str, key: str, known: list[_Known]) -> _Known | None:
    """Return the variable with a user's name, or with a group's for a `group` argument."""
    is_group = key.lower() == "group"
    return next((item for item in known if item.value == text and item.name.endswith("group") == is_group), None)


def _may_be_meant(kind: str, item: _Known, line: str) -> bool:
    """Return whether a line speaks of the variable; a port that many services use may equal it by chance."""
    if kind != "port" or item.value not in _COMMON_PORTS:
        return True
    words = item.name.lower().strip("_").split("_")[:-1]
    return not words or all(word in line.lower() for word in words)


def _in_text(kind: str, text: TextFile, known: list[_Known]) -> Iterator[Match]:
    lines = tuple(EXPRESSION.sub(lambda found: opaque(found[0]), line) for line in without_comments(text))
    for number, line in enumerate(lines, 1):
        plain = without_container_side(line)
        if kind == "user":
            found = _UNIT_USER.match(plain)
            if found and (item := _user_named(found[2], found[1], known)):
                yield Match(Spot(text.path, number, found.start(2) + 1), _message(kind, item))
            continue
        taken: list[tuple[int, int]] = []
        for item in known:
            if not _may_be_meant(kind, item, plain):
                continue
            for match in item.pattern.finditer(plain):
                if not any(start < match.end() and match.start() < end for start, end in taken):
                    taken.append(match.span())
                    yield Match(Spot(text.path, number, match.start() + 1), _message(kind, item))


def _message(kind: str, item: _Known) -> str:
    return f"the {kind} {item.value} is hard-coded; `{item.name}` ({item.spot.path}:{item.spot.line}) has it"


PORTS = Rule(
    id="hard-coded-port",
    what="a hard-coded port that a variable of the role or of group_vars has",
    why="When somebody changes the variable, a part of the cluster still uses the old port.",
    fix="use the variable",
    find=lambda tree: _find("port", tree),
    cannot_see="Ports of other programs that equal the variable by chance. A port that many services use, such as "
    "8080, is reported only where the line has the words of the variable's name; ports on a container's "
    "side of a mapping, and those of variables with `container` in their name, are left alone.",
)
PATHS = Rule(
    id="hard-coded-path",
    what="a hard-coded path that a variable of the role or of group_vars has",
    why="When somebody changes the variable, the parts of the role no longer find each other.",
    fix="use the variable",
    find=lambda tree: _find("path", tree),
    cannot_see="Which paths are inside of a container, except where the role mounts something into them; the values "
    "of variables that a run computes.",
)
USERS = Rule(
    id="hard-coded-user",
    what="a hard-coded user or group that a variable of the role or of group_vars has",
    why="When somebody changes the variable, files belong to a user who does not run the service.",
    fix="use the variable",
    find=lambda tree: _find("user", tree),
)
