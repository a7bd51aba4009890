"""Web requests that change something on each run."""

import re
from collections.abc import Iterator
from typing import Final

from evolve.role_lint.rule import Match, Rule, in_tasks
from evolve.role_lint.tasks import AnsibleTask

# Addresses that need a POST but usually change nothing.
_READS: Final = re.compile(r"login|token|auth|session|query|search|graphql|render|validate|/eval|lookup", re.IGNORECASE)


def _posts(task: AnsibleTask) -> Iterator[Match]:
    method = task.text("method").upper()
    if (
        task.module != "uri"
        or method != "POST"
        or task.is_guarded
        or task.loops_over_unknown
        or _READS.search(task.text("url"))
    ):
        return
    if task.keyword("until") is None:
        yield Match(task.module_spot, "every run sends this POST, even if the thing already exists")


RULE = Rule(
    id="post-every-run",
    what="`uri: method: POST` without a guard",
    why="Each run creates the thing again, or fails because it exists; and `uri` reports no change.",
    fix="ask with GET first and post only what is missing; report the change with `changed_when`",
    find=in_tasks(_posts),
    cannot_see="Requests that only read although they are sent as POST.",
)
