"""Commands that change the host but report no change."""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from evolve.role_lint.rule import Match, Rule, in_tasks
from evolve.role_lint.shell_text import commands, redirects
from evolve.role_lint.tasks import AnsibleTask
from evolve.role_lint.words import COMMANDS

_WRITERS: Final = frozenset(
    [
        "mkdir",
        "rm",
        "rmdir",
        "mv",
        "cp",
        "ln",
        "touch",
        "chmod",
        "chown",
        "chgrp",
        "useradd",
        "usermod",
        "userdel",
        "groupadd",
        "groupdel",
        "gpasswd",
        "adduser",
        "addgroup",
        "deluser",
        "install",
        "chpasswd",
        "systemd-run",
    ]
)
_SQL_CLIENT: Final = re.compile(r"\b(sqlite3|mysql|mariadb|psql)\b")
_SQL_WRITE: Final = re.compile(
    r"(?:^|[\"';\n(<])\s*(?:BEGIN\s*;\s*)?(INSERT|UPDATE|DELETE\s+FROM|REPLACE\s+INTO|CREATE|DROP|ALTER|GRANT|REVOKE|TRUNCATE)\s",
    re.IGNORECASE,
)
_VERBS: Final = {
    "systemctl": ("start", "stop", "restart", "reload", "enable", "disable", "mask", "unmask"),
    "service": ("start", "stop", "restart", "reload"),
    "apt-get": ("install", "remove", "purge", "upgrade", "dist-upgrade", "autoremove"),
    "apt": ("install", "remove", "purge", "upgrade"),
    "dnf": ("install", "remove", "upgrade", "update"),
    "yum": ("install", "remove", "upgrade", "update"),
    "pip": ("install", "uninstall"),
    "pip3": ("install", "uninstall"),
    "npm": ("install", "ci"),
    "git": ("clone", "pull", "checkout", "reset"),
    "docker": ("run", "rm", "rmi", "pull", "build", "start", "stop", "restart", "kill"),
    "nomad": ("run", "stop"),
    "consul": ("join",),
    "make": ("install",),
}
_ONLY_SHOWS: Final = frozenset(
    ("--version", "--help", "--dry-run", "--simulate", "--check", "--assumeno", "--just-print", "--recon")
)
_DEFAULTS: Final = re.compile(r"-[befgs].*|--(?:base-dir|expiredate|inactive|gid|shell)(?:=.*)?")
_TEMPORARY: Final = re.compile(
    r"mktemp|/tmp/|/dev/shm/|\{\{[^{}]*(?<![a-z])(?:te?mp_?(?:dir|file|folder|path)|\w*_te?mp)(?![a-z_])[^{}]*\}\}"
)


def find_write(text: str) -> str:
    """Return the command in a shell text that changes the host; empty if none is known to."""
    for words in commands(text):
        if _ONLY_SHOWS & set(words) or _shows_defaults(words):
            continue
        if words[0] in _WRITERS:
            return words[0]
        verbs = _VERBS.get(words[0], ())
        verb = next((word for word in words[1:3] if word in verbs), "")
        if verb and not ({"-n"} if words[0] == "make" else {"-s"}) & set(words):
            return f"{words[0]} {verb}"
        if words[0] == "sed" and any(re.fullmatch(r"-i\S*|--in-place\S*|-[nEr]+i", word) for word in words[1:]):
            return "sed -i"
    return _find_sql_write(text)


def _shows_defaults(words: Sequence[str]) -> bool:
    """Whether `useradd` only prints what it would give a new user: `useradd -D` without another option."""
    is_asked = words[0] == "useradd" and bool({"-D", "--defaults"} & set(words))
    return is_asked and not any(_DEFAULTS.fullmatch(word) for word in words[1:])


def _find_sql_write(text: str) -> str:
    client = _SQL_CLIENT.search(text)
    write = _SQL_WRITE.search(text, client.end()) if client else None
    return f"{client[1]} {write[1].split()[0].upper()}" if client and write else ""


def _lies(task: AnsibleTask) -> Iterator[Match]:
    if task.module not in COMMANDS or task.command is None or not task.never_changes or task.is_handler:
        return
    text = task.command.text
    if _TEMPORARY.search(text):
        return
    what = find_write(text)
    if not what and task.module != "command":
        what = next((f"> {found.target}" for found in redirects(text)), "")
    if what:
        yield Match(task.keywords["changed_when"].spot, f"`changed_when: false`, but the command writes (`{what}`)")


RULE = Rule(
    id="hidden-change",
    what="`changed_when: false` on a command that writes",
    why="The change happens on every run but is not reported, and no handler is notified.",
    fix="use a module, or make the change known: `creates:`, `when:` on a check, `changed_when:` on its output",
    find=in_tasks(_lies),
    cannot_see="What a script or an unknown program writes; modules of other collections that report wrongly.",
)
