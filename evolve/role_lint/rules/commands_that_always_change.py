"""Commands that report a change on every run."""

from collections.abc import Iterator

from evolve.role_lint.rule import Match, Rule, in_tasks
from evolve.role_lint.tasks import AnsibleTask
from evolve.role_lint.words import FREE_FORM


def _always(task: AnsibleTask) -> Iterator[Match]:
    given = task.keyword("changed_when")
    if task.module not in FREE_FORM or given is None or task.is_guarded or task.loops_over_unknown:
        return
    if given.text.lower() in ("true", "yes"):
        yield Match(task.keywords["changed_when"].spot, f"`{task.module}` runs and reports a change on every run")


RULE = Rule(
    id="always-changed",
    what="`changed_when: true` on a command without a guard",
    why="Every converge reports a change, which hides the real ones.",
    fix="guard it (`creates:`, `when:` on a check), make it a handler, or derive `changed_when` from its output",
    find=in_tasks(_always),
)
