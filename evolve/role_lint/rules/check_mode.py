"""Tasks that make check mode wrong."""

import re
from collections.abc import Iterator
from typing import Final

from evolve.role_lint.homes import TaskScope
from evolve.role_lint.rule import Match, Rule, in_homes, in_tasks
from evolve.role_lint.rules.commands_that_write import find_write
from evolve.role_lint.tasks import AnsibleTask
from evolve.role_lint.words import CHANGERS, COMMANDS

# How conditions read the result of a command.
_ANSWER: Final = r"\b{name}\s*(?:\.\s*(?:stdout|stdout_lines|stderr|rc)\b|\[\s*['\"](?:stdout|stdout_lines|rc)['\"])"
# A command with one of these words probably changes something, so running it in check mode would be wrong.
_ACTS: Final = re.compile(
    r"\b(?:create|freeze|thaw|start|stop|restart|reload|set|add|delete|remove|apply|enable|disable|install|update|upgrade"
    r"|sync|write|import|init|run|exec|attach|register)\b"
)


def _blind(home: TaskScope) -> Iterator[Match]:
    asked = [task for task in home.plain_tasks if _only_reads(task) and _runs_blind(task)]
    own = {(task.path, task.keyword_text("register")) for task in home.tasks}
    for task in asked:
        name = task.keyword_text("register")
        elsewhere = {path for path, given in own if given == name and path != task.path}
        users = [other for other in home.tasks if other.path not in elsewhere and _asks(other, task)]
        # Another task may register the same name further up: the one that depends on this command comes after it.
        after = [other for other in users if other.path == task.path and other.spot > task.spot]
        user = next(iter(after or users), None)
        if user is not None:
            where = f"line {user.spot.line} of {user.path.rsplit('/', 1)[-1]}"
            text = f"check mode skips this command, but {where} depends on `{name}`"
            yield Match(task.keywords["register"].spot, text)


def _only_reads(task: AnsibleTask) -> bool:
    if task.module not in COMMANDS or not task.never_changes or not task.keyword_text("register"):
        return False
    return task.command is not None and not _ACTS.search(task.command.text)


def _runs_blind(task: AnsibleTask) -> bool:
    return task.inherit("check_mode") is None and not any("ansible_check_mode" in node.text for node in task.conditions)


def _asks(other: AnsibleTask, reader: AnsibleTask) -> bool:
    pattern = re.compile(_ANSWER.format(name=re.escape(reader.keyword_text("register"))))
    if other.knows_check_mode:
        return False
    return other is not reader and any(pattern.search(node.text) for node in other.own_conditions)


BLIND = Rule(
    id="check-mode-is-blind",
    what="a condition on the result of a read-only command, which check mode skips",
    why="In check mode the command has no result, so the condition is wrong: `--check` reports changes that would not "
    "happen, or misses some.",
    fix="add `check_mode: false` to the read-only command",
    find=in_homes(_blind),
)


def _writes(task: AnsibleTask) -> Iterator[Match]:
    entry = task.keywords.get("check_mode")
    if entry is None or entry.node.text.lower() not in ("false", "no") or task.inherit("delegate_to") is not None:
        return
    if task.knows_check_mode:
        return
    what = task.module if task.module in CHANGERS and task.module not in ("get_url", "unarchive") else ""
    if not what and task.module in COMMANDS and task.command is not None and "mktemp" not in task.command.text:
        what = find_write(task.command.text)
    if what:
        yield Match(entry.spot, f"`check_mode: false` on `{what}`: check mode changes the host")


WRITES = Rule(
    id="check-mode-writes",
    what="`check_mode: false` on a task that changes the host",
    why="People use `--check` to change nothing; this task changes the host even then.",
    fix="remove `check_mode: false`, and skip the tasks that need the result in check mode",
    find=in_tasks(_writes),
)
