"""`blockinfile`: blocks that have the same markers."""

import itertools
from collections import defaultdict
from collections.abc import Iterator

from evolve.role_lint.homes import TaskScope
from evolve.role_lint.rule import Match, Rule, in_homes, in_tasks
from evolve.role_lint.tasks import AnsibleTask


def _loops(task: AnsibleTask) -> Iterator[Match]:
    if task.module != "blockinfile" or task.loop is None or task.text("state") == "absent":
        return
    place = " ".join(node.text for key in ("path", "dest", "destfile", "name", "marker") if (node := task.arg(key)))
    if not task.depends_on_loop(place):
        yield Match(task.module_spot, "every pass of the loop writes the block between the same markers")


IN_LOOP = Rule(
    id="one-marker-in-loop",
    what="`blockinfile` in a loop with one marker",
    why="Each pass replaces the block of the previous one: only the last stays, and every run changes the file.",
    fix='put the item into the marker: `marker: "# {mark} {{ item }}"`, or write one block',
    find=in_tasks(_loops),
)


def _same_marker(home: TaskScope) -> Iterator[Match]:
    by_place: dict[tuple[str, str, str], list[AnsibleTask]] = defaultdict(list)
    for task in home.tasks:
        path = task.text("path", "dest", "destfile", "name")
        if task.module == "blockinfile" and path and task.loop is None and task.always_runs:
            marks = task.text("marker"), task.text("marker_begin") + task.text("marker_end")
            by_place[path, *marks].append(task)
    for (path, *_), tasks in by_place.items():
        for before, task in itertools.pairwise(tasks):
            if task.text("block", "content") != before.text("block", "content"):
                text = f"this and line {before.spot.line} of {before.path} write a block of {path} with the same marker"
                yield Match(task.module_spot, text)


TWICE = Rule(
    id="one-marker-two-blocks",
    what="two `blockinfile` tasks with the same marker in one file",
    why="The second replaces the block of the first; every run changes the file twice.",
    fix="give each block its own `marker`",
    find=in_homes(_same_marker),
)


def _find_unmarked(task: AnsibleTask) -> Iterator[Match]:
    node = task.arg("marker")
    if task.module == "blockinfile" and node is not None and "{mark}" not in node.text and "{{" not in node.text:
        yield Match(node.spot, "the marker lacks `{mark}`, so begin and end look the same")


UNMARKED = Rule(
    id="marker-without-mark",
    what="a `marker` without `{mark}`",
    why="The block is not found again, so each run inserts it once more.",
    fix="write `{mark}` where BEGIN and END should be",
    find=in_tasks(_find_unmarked),
)
