"""`free_disk`: room in folders that the policy declares as scratch."""

from pathlib import PurePosixPath

from evolve.core.healing.actions._changes import same_again
from evolve.core.healing.actions._registry import plan_of
from evolve.core.healing.placement import not_placed
from evolve.core.model.actions import Action, FreeDisk
from evolve.core.model.healing import EmptyFolders, PlanContext, PlannedAction, Refused


@plan_of(Action.FREE_DISK)
def free_disk(context: PlanContext) -> PlannedAction | Refused:
    """Return which declared scratch folders to empty; the job then runs again.

    The agent's path only chooses among them: those that contain it, else those below it. Without one it is all.
    """
    if not context.failed.key.allocation or not context.failed.node:
        return not_placed("so there is no node whose disk is full")
    declared = [path for path in map(PurePosixPath, context.rule.scratch_paths) if is_scratch(str(path))]
    given = context.proposal.arguments
    chosen = _near(PurePosixPath(given.path), declared) if isinstance(given, FreeDisk) else declared
    if not chosen:
        return Refused("not allowed: no scratch path of the policy contains what is full, or is below it")
    return EmptyFolders(tuple(sorted(map(str, chosen))), same_again(context))


def _near(full: PurePosixPath, declared: list[PurePosixPath]) -> list[PurePosixPath]:
    if not is_absolute(str(full)):
        return []
    around = [path for path in declared if full.is_relative_to(path)]
    return around or [path for path in declared if path.is_relative_to(full)]


def is_absolute(path: str) -> bool:
    """Return whether a path is absolute and stays where it is."""
    return path.startswith("/") and not path.startswith("//") and ".." not in PurePosixPath(path).parts


def is_scratch(path: str) -> bool:
    """Return whether a folder may be declared as scratch: absolute, and no folder of the root itself."""
    # Depth is counted without the root: `/var` and `/` hold more than scratch files.
    return is_absolute(path) and len(PurePosixPath(path).parts) > 2
