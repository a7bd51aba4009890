"""Files whose times each run changes."""

from collections.abc import Iterator

from evolve.role_lint.rule import Match, Rule, in_tasks
from evolve.role_lint.tasks import AnsibleTask


def _touches(task: AnsibleTask) -> Iterator[Match]:
    if task.module != "file" or task.text("state") != "touch" or task.is_guarded:
        return
    if not all(task.text(key) == "preserve" for key in ("access_time", "modification_time")):
        yield Match(
            task.module_spot, f"`state: touch` changes the times of {task.text('path', 'dest', 'name')} on every run"
        )


RULE = Rule(
    id="touch-every-run",
    what="`file: state: touch` without preserved times",
    why="The task reports a change on every run.",
    fix="add `access_time: preserve` and `modification_time: preserve`, or `copy: content: '' force: false`",
    find=in_tasks(_touches),
)
