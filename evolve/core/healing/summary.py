"""Describes what a plan would change, without values that may be secrets."""

from collections.abc import Iterator

from evolve.core.healing.actions import META_PATH, JobPart, part_of
from evolve.core.incidents.reading import fields, many, number, text
from evolve.core.model.healing import (
    Await,
    CallPerson,
    EmptyFolders,
    PlannedAction,
    RegisterJob,
    RestartTask,
    RevertJob,
)
from evolve.core.model.incidents import JsonFields
from evolve.core.model.json_value import JsonValue

_SHOWN = frozenset({"Config.command", "Config.image", "Config.jar_path", "Resources.MemoryMB", "Resources.MemoryMaxMB"})
"""Fields whose values are shown. An artifact's source may carry a password, so only its name is."""


def summary_of(planned: PlannedAction, job: JsonFields) -> tuple[str, ...]:
    """Return what a plan would change, a line each.

    Args:
        planned: the plan.
        job: as Nomad has it now.
    """
    return tuple(_lines(planned, job))


def _lines(planned: PlannedAction, job: JsonFields) -> Iterator[str]:
    name = text(job, "ID")
    match planned:
        case RegisterJob():
            yield from _changes(planned, job)
        case RevertJob():
            yield f"{name}: version {planned.version} comes back in place of version {planned.if_version}"
        case RestartTask():
            yield f"{name}: the task {planned.task} of the allocation {planned.allocation[:8]} restarts in place"
        case EmptyFolders():
            yield from (f"{name}: the files below {path} are deleted" for path in planned.paths)
            yield from _changes(planned.then, job)
        case Await():
            yield f"{name}: nothing happens until {planned.service} passes its checks"
            yield from _changes(planned.then, job)
        case CallPerson():
            yield f"{name}: a person is called: {planned.reason}"


def _changes(planned: RegisterJob, job: JsonFields) -> Iterator[str]:
    name = text(job, "ID")
    inner = [path for path in planned.touched if path != META_PATH]
    for path in inner:
        if not path.endswith((".Constraint.LTarget", ".Constraint.Operand")):
            yield f"{name}: {_change(path, job, planned.spec)}"
    counts = sum(number(group, "Count") for group in many(job, "TaskGroups"))
    yield f"{name}: its allocations ({counts}) are replaced"


def _change(path: str, before: JsonFields, after: JsonFields) -> str:
    spot = part_of(path, after)
    if spot is None:
        return f"{path} changes"
    inner = path.removeprefix(spot.path(""))
    if inner == "Constraint.RTarget":
        nodes = [text(one, "RTarget") for one in many(spot.find(after), "Constraints")]
        return f"the group {spot.group} no longer runs on the node {nodes[-1]}"
    if inner not in _SHOWN:
        return f"{path} changes"
    return f"{path} from {_value(spot, inner, before)} to {_value(spot, inner, after)}"


def _value(spot: JobPart, inner: str, job: JsonFields) -> JsonValue:
    holder, _, name = inner.partition(".")
    return fields(spot.find(job), holder).get(name)
