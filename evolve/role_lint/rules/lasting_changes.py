"""Changes to the running kernel that a restart undoes."""

from collections.abc import Iterator
from typing import Final

from evolve.role_lint.homes import TaskScope
from evolve.role_lint.rule import Match, Rule, in_homes
from evolve.role_lint.shell_text import commands
from evolve.role_lint.words import COMMANDS

_UNTIL_RESTART: Final = {
    "sysctl": (("-w",), "sysctl"),
    "iptables": (("-A", "-I"), "iptables"),
    "ip6tables": (("-A", "-I"), "iptables"),
    "modprobe": ((), "modules"),
    "swapoff": (("-a",), "swap"),
    "setenforce": ((), "selinux"),
}
_KEEPERS: Final = {
    "sysctl": ("/etc/sysctl", "sysctl_file"),
    "iptables": ("iptables-save", "netfilter-persistent", "iptables-persistent", "/etc/iptables", "/etc/sysconfig"),
    "modules": ("modules-load", "/etc/modules", "modprobe.d"),
    "swap": ("/etc/fstab", "swap.target", "fstab"),
    "selinux": ("/etc/selinux", "selinux:"),
}


def _find_fleeting(home: TaskScope) -> Iterator[Match]:
    texts = " ".join(node.text for task in home.tasks for _, node in task.strings())
    modules = {task.module for task in home.tasks}
    for task in home.plain_tasks:
        if task.module in COMMANDS and task.command is not None:
            for words in commands(task.command.text):
                flags, kind = _UNTIL_RESTART.get(words[0], ((), ""))
                hit = bool(kind) and (not flags or any(flag in words[1:] for flag in flags)) and "-r" not in words
                if hit and not any(word in texts for word in _KEEPERS[kind]) and not modules & {kind, "mount"}:
                    yield Match(task.command.spot, f"a restart undoes `{' '.join(words[:2])}`")
                    break


RULE = Rule(
    id="lost-at-restart",
    what="a command that changes only the running kernel",
    why="After a restart the host differs from what the converge made.",
    fix="use `ansible.posix.sysctl`, `modprobe` with `persistent: present`, or a file that is read at boot",
    find=in_homes(_find_fleeting),
)
