"""`lineinfile` tasks that leave old lines, or replace each other's lines."""

import itertools
import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Final

from evolve.role_lint.homes import TaskScope
from evolve.role_lint.nodes import Node
from evolve.role_lint.rule import Match, Rule, in_homes, in_tasks
from evolve.role_lint.tasks import AnsibleTask

_ITEM: Final = re.compile(r"\s*\{\{\s*(\w+)\s*\}\}\s*")
_EXCLUDES: Final = re.compile(r"\(\?![^()]*\)")
_EXPRESSIONS: Final = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")
_KEYED: Final = re.compile(r"\s*[A-Za-z_][\w.-]*\s*[=: ]\s*\S*\{\{[^{}]*\}\}\S*\s*")


def _is_present(task: AnsibleTask) -> bool:
    return task.module == "lineinfile" and task.text("state") in ("", "present")


def _stays(task: AnsibleTask) -> Iterator[Match]:
    node = task.arg("line", "value")
    if not _is_present(task) or node is None or task.arg("regexp", "regex", "search_string"):
        return
    if task.loop is not None and _is_a_line_each(task, task.loop, node.text):
        return
    if _KEYED.fullmatch(node.text) and "\n" not in node.text:
        yield Match(node.spot, f"when the value changes, the old line stays next to `{node.text.strip()}`")


def _is_a_line_each(task: AnsibleTask, loop: Node, line: str) -> bool:
    """Whether each item of a loop is a line of its own, as `blacklist {{ item }}`, and not the value of a key."""
    used = set(_EXPRESSIONS.findall(line))
    is_plain = not any("{{" in item.text for item in loop.items)
    return bool(used) and used <= task.loop_names and (is_plain or not re.search("[=:]", line))


STAYS = Rule(
    id="old-line-stays",
    what="a `lineinfile` line with a variable value and no `regexp`",
    why="Ansible searches for the whole line: with a new value nothing matches, and the file gets both lines.",
    fix="add a `regexp` that finds the key, such as `^key\\s*=`",
    find=in_tasks(_stays),
)


def _written_lines(task: AnsibleTask) -> tuple[str, ...]:
    """Return the lines that a task writes, one for each pass of a loop over a list of texts; empty if a run decides."""
    line = task.text("line", "value")
    item = _ITEM.fullmatch(line)
    if task.loop is not None and item and item[1] in task.loop_names:
        lines = tuple(item.text for item in task.loop.items)
    else:
        lines = (line,)
    return () if not all(lines) or any("{{" in one or "{%" in one for one in lines) else lines


def _finds(regexp: str, line: str) -> bool:
    """Return whether a regexp finds a line, so that Ansible replaces it; True for a regexp that Python cannot read.

    An option without a value is replaced by one with a value, or the reverse: the key is the same. A line that is
    commented out is not written again: Ansible finds the whole line.
    """
    try:
        return any(re.search(regexp, form) for form in (line, f"{line} ", line.lstrip("#; ")))
    except re.error:
        return True


def _misses(task: AnsibleTask) -> Iterator[Match]:
    regexp, lines = task.text("regexp", "regex"), _written_lines(task)
    node = task.arg("line", "value")
    if not _is_present(task) or not regexp or not lines or node is None or task.is_true("backrefs"):
        return
    if "{{" in regexp or "{%" in regexp or any(_finds(regexp, line) for line in lines):
        return
    # A regexp that excludes a value on purpose finds all lines but the right one, which Ansible finds as a whole.
    if "(?!" in regexp and any(_finds(_EXCLUDES.sub("", regexp), line) for line in lines):
        return
    what = "the line that it writes," if len(lines) == 1 else "any line that it writes, such as"
    yield Match(node.spot, f"`regexp: {regexp}` does not find {what} `{lines[0]}`")


MISSES = Rule(
    id="regexp-misses-own-line",
    what="a `regexp` that does not match the line it writes",
    why="Once written, the line is not found again: a new value is added next to it, and the old one stays.",
    fix="let the `regexp` match both the old and the new form, such as `^#?\\s*Port\\b`",
    find=in_tasks(_misses),
)


def _loop_fights(task: AnsibleTask) -> Iterator[Match]:
    node = task.arg("regexp", "regex")
    line = task.arg("line", "value")
    if not _is_present(task) or task.loop is None or node is None or line is None or task.is_true("backrefs"):
        return
    where = f"{node.text} {task.text('path', 'dest', 'destfile')} "
    where += " ".join(condition.text for condition in task.own_conditions)
    known = _written_lines(task)
    if known and "{{" not in node.text and not any(_finds(node.text, one) for one in known):
        return  # no pass finds the line of another
    if task.depends_on_loop(line.text) and not task.depends_on_loop(where):
        yield Match(node.spot, "each pass of the loop replaces the line that the previous one wrote")


def _fights(home: TaskScope) -> Iterator[Match]:
    by_place: dict[tuple[str, str], list[AnsibleTask]] = defaultdict(list)
    for task in home.tasks:
        yield from _loop_fights(task)
        place = (task.text("path", "dest", "destfile"), task.text("regexp", "regex"))
        if _is_present(task) and all(place) and task.loop is None and task.always_runs:
            by_place[place].append(task)
    for (path, regexp), tasks in by_place.items():
        for before, task in itertools.pairwise(tasks):
            if before.text("line", "value") != task.text("line", "value"):
                text = f"this and line {before.spot.line} write different lines for `{regexp}` into {path}"
                yield Match(task.module_spot, text)


FIGHTS = Rule(
    id="lines-fight",
    what="two lines for the same `regexp` in one file",
    why="Each replaces the other: every run changes the file twice, and the order decides which one stays.",
    fix="keep one of them, or let the `regexp` depend on the loop's item",
    find=in_homes(_fights),
)


def _grows(task: AnsibleTask) -> Iterator[Match]:
    regexp, node = task.text("regexp"), task.arg("replace")
    if task.module != "replace" or not regexp or node is None or task.is_guarded:
        return
    new = task.text("replace")
    if "{{" in regexp + new or "\\" in new or not new or task.arg("after", "before"):
        return
    try:
        pattern = re.compile(regexp, re.MULTILINE)
        if not pattern.groups and pattern.search(new) and pattern.sub(lambda _: new, new) != new:
            yield Match(node.spot, f"`{regexp}` matches inside `{new}` again, so the text grows with each run")
    except re.error:
        return


GROWS = Rule(
    id="replace-grows",
    what="a `replace` whose result matches its own `regexp`",
    why="Every run replaces a part of what the previous one wrote.",
    fix="anchor the `regexp` (`^key=old$`), or exclude replaced text with a lookahead",
    find=in_tasks(_grows),
)
