"""Users that lose their groups."""

from collections.abc import Iterator

from evolve.role_lint.rule import Match, Rule, in_tasks
from evolve.role_lint.tasks import AnsibleTask


def _replaces(task: AnsibleTask) -> Iterator[Match]:
    node = task.arg("groups")
    if task.module != "user" or node is None or "append" in task.args or task.text("state") == "absent":
        return
    if (node.text or node.items) and "omit" not in node.text:
        yield Match(task.args["groups"].spot, "`groups` without `append` removes the user from every other group")


RULE = Rule(
    id="groups-replaced",
    what="`user: groups:` without `append`",
    why="It removes groups that another role added; two such roles change the user on every run.",
    fix="add `append: true` (or `append: false`, if the list should be complete)",
    find=in_tasks(_replaces),
)
