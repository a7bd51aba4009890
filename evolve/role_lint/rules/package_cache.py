"""Package lists that are fetched on every run."""

from collections.abc import Iterator

from evolve.role_lint.rule import Match, Rule, in_tasks
from evolve.role_lint.tasks import AnsibleTask


def _fetches(task: AnsibleTask) -> Iterator[Match]:
    key = next((key for key in ("update_cache", "update-cache") if key in task.args), None)
    if task.module != "apt" or key is None or task.is_guarded or not task.is_true(key) or task.arg("upgrade"):
        return
    if task.arg("cache_valid_time") is None or task.text("cache_valid_time") == "0":
        is_quiet = task.arg("name", "pkg", "package", "deb") is not None or task.never_changes
        what = "fetches" if is_quiet else "fetches, and reports as changed,"
        yield Match(
            task.args[key].spot, f"`update_cache` without `cache_valid_time` {what} the package lists on every run"
        )


RULE = Rule(
    id="apt-cache-every-run",
    what="`apt: update_cache` without `cache_valid_time`",
    why="Each run asks the mirrors, which is slow, reports a needless change, and fails when they do not answer.",
    fix="add `cache_valid_time: 3600`",
    find=in_tasks(_fetches),
)
