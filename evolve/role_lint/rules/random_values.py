"""Random values that differ on each run."""

import re
from collections.abc import Iterator
from typing import Final

from evolve.role_lint.homes import Tree
from evolve.role_lint.jinja_text import call_arguments, expressions
from evolve.role_lint.lasting import lasting_or_used
from evolve.role_lint.rule import Match, Rule
from evolve.role_lint.tasks import AnsibleTask
from evolve.role_lint.words import COMMANDS

_FILTER: Final = re.compile(r"\|\s*(?:ansible\.builtin\.|community\.general\.)?(random_mac|random|shuffle)\b\s*")
_LOOKUP: Final = re.compile(
    r"\b(?:lookup|query|q)\(\s*['\"](?:"
    r"(?:community\.general\.)?random_(?:string|words|pet)['\"]"
    r"|(?:ansible\.builtin\.)?pipe['\"]\s*,\s*['\"](?:uuidgen|openssl rand|pwgen|cat /proc/sys/kernel/random)"
    r"|(?:ansible\.builtin\.)?password['\"]\s*,\s*['\"]/dev/null)"
)
_OPTIONS_END: Final = r"[^|;&\n]*?"
_HASHERS: Final = (
    (re.compile(r"(?:^|[|;&\s(/])(chpasswd)\b"), re.compile(rf"^{_OPTIONS_END}\s(?:-e|--encrypted)\b")),
    (re.compile(r"\b(openssl passwd)\b"), re.compile(rf"^{_OPTIONS_END}\s-salt\b")),
    (re.compile(r"(?:^|[|;&\s(/])(mkpasswd)\b"), re.compile(rf"^{_OPTIONS_END}\s(?:-S|--salt)\b")),
)
"""Programs that hash a password with a random salt, and the option without which they do."""
_HASH: Final = re.compile(r"\|\s*(?:ansible\.builtin\.)?password_hash\s*")


def _random(tree: Tree) -> Iterator[Match]:
    for found in lasting_or_used(tree):
        if found.is_guarded or found.is_choice:
            continue
        for drawn in _FILTER.finditer(found.inside):
            if "seed" not in call_arguments(found.inside, drawn.end()):
                yield Match(found.spot, f"`{drawn[1]}` without a seed gives a different value on each run")
        if drawn_ := _LOOKUP.search(found.inside):
            yield Match(found.spot, f"`{drawn_[0]}...` gives a different value on each run")


RANDOM = Rule(
    id="random-without-seed",
    what="`random`, `shuffle` or a random lookup without a seed",
    why="The value differs on each run, so the file, the cron job or the password changes every time.",
    fix="seed it (`random(seed=inventory_hostname)`); keep passwords in a vault or in a file on the controller",
    find=_random,
)


def _salts(tree: Tree) -> Iterator[Match]:
    for task in tree.tasks:
        yield from _salts_in_command(task)
    for found in lasting_or_used(tree):
        keeps = found.task is not None and found.task.text("update_password") == "on_create"
        for hashed in _HASH.finditer(found.inside):
            given = call_arguments(found.inside, hashed.end())
            if not (keeps or found.is_guarded or "salt" in given or "," in given):
                yield Match(found.spot, "`password_hash` without a salt gives a different hash on each run")


def _salts_in_command(task: AnsibleTask) -> Iterator[Match]:
    node = task.command
    # A command that reports no change is found by `hidden-change`.
    if task.module not in COMMANDS or node is None or task.is_guarded or task.never_changes:
        return
    for index, inside in expressions(node.text):
        for hashed in _HASH.finditer(inside):
            given = call_arguments(inside, hashed.end())
            if "salt" not in given and "," not in given:
                yield Match(node.at(index), "`password_hash` without a salt gives a different hash on each run")
    for program, has_salt in _HASHERS:
        found = program.search(node.text)
        if found and not has_salt.search(node.text[found.end() :]):
            yield Match(node.at(found.start(1)), f"`{found[1]}` draws a new salt on each run")


SALTS = Rule(
    id="hash-without-salt",
    what="a password that is hashed with a new salt on each run",
    why="The salt is random, so the password is set again on every run.",
    fix="use a fixed salt (`password_hash('sha512', salt)`), give `chpasswd -e` a stored hash, or set "
    "`update_password: on_create`",
    find=_salts,
    cannot_see="Hashes that a registered result or a custom filter makes.",
)
