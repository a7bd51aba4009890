"""Holds Nomad's diff of a plan against what the action may change (promise P2).

The diff is a tree: job, groups, tasks, each with fields and objects. Anything that this module does not know is a
problem: a change that it cannot name could be any change.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from evolve.core.healing.actions import ARTIFACTS, part_of
from evolve.core.incidents.reading import fields, many, text
from evolve.core.model.healing import RegisterJob
from evolve.core.model.incidents import JsonFields
from evolve.core.model.json_value import JsonValue

_KINDS = frozenset({"None", "Added", "Deleted", "Edited"})
_FIELD = frozenset({"Annotations", "Name", "New", "Old", "Type"})
_PART = frozenset({"Annotations", "Fields", "Name", "Objects", "Type"})
_GROUP = frozenset({"Fields", "Name", "Objects", "Tasks", "Type", "Updates"})
_JOB = frozenset({"Fields", "ID", "Objects", "TaskGroups", "Type"})


class _UnknownPartError(ValueError):
    """The diff has a part that is none of Nomad's."""


class _DiffChange(NamedTuple):
    path: str
    """As `touched` names it."""
    kind: str
    new: str


def diff_problem(planned: RegisterJob, diff: JsonFields) -> str:
    """Return why a plan must not be carried out; empty where its diff has only fields of the action.

    Args:
        planned: what is to be registered.
        diff: of Nomad's plan; a plan without one is a problem.
    """
    if not diff:
        return "diff: Nomad's plan has none"
    if diff.get("ID") != planned.spec.get("ID"):
        return "diff: it is of another job"
    try:
        changes = list(_of_job(diff))
    except _UnknownPartError as error:
        return f"diff: {error}"
    outside = sorted({change.path for change in changes if not _is_planned(planned, change)})
    return f"diff: it also changes {', '.join(outside)}" if outside else ""


# --- The tree ---------------------------------------------------------------------------------------------------------


def _of_job(diff: JsonFields) -> Iterator[_DiffChange]:
    kind = _kind(diff, _JOB, "the job")
    if kind in ("Added", "Deleted"):
        raise _UnknownPartError(f"the job itself is {kind.lower()}")
    found = [*_inner(diff, "")]
    for group in _objects(diff, "TaskGroups"):
        found += _of_group(group)
    yield from _named(found, kind, "the job")


def _of_group(group: JsonFields) -> Iterator[_DiffChange]:
    path = f"TaskGroups[{_name(group)}]"
    kind = _kind(group, _GROUP, path)
    found = [*_inner(group, f"{path}.")]
    for task in _objects(group, "Tasks"):
        inner = f"{path}.Tasks[{_name(task)}]"
        word = _kind(task, _PART, inner)
        found += _whole(inner, word) or _named([*_inner(task, f"{inner}.")], word, inner)
    yield from _whole(path, kind) or _named(found, kind, path)


def _whole(path: str, kind: str) -> list[_DiffChange]:
    """The one change that a group or task comes or goes."""
    return [_DiffChange(path, kind, "")] if kind in ("Added", "Deleted") else []


def _named(found: list[_DiffChange], kind: str, path: str) -> list[_DiffChange]:
    # Nomad does not compare all fields one by one: a task's restart policy changes without being named (recording 02).
    if kind != "None" and not found:
        raise _UnknownPartError(f"{path} is {kind.lower()}, and nothing says in what")
    return found


def _inner(part: JsonFields, prefix: str) -> Iterator[_DiffChange]:
    for one in _objects(part, "Fields"):
        kind = _kind(one, _FIELD, f"a field of {prefix or 'the job'}")
        if kind != "None":
            yield _DiffChange(f"{prefix}{_name(one)}", kind, text(one, "New"))
    for one in _objects(part, "Objects"):
        path = f"{prefix}{_name(one)}"
        yield from _named([*_inner(one, f"{path}.")], _kind(one, _PART, path), path)


def _kind(part: JsonFields, known: frozenset[str], path: str) -> str:
    unknown = sorted(part.keys() - known)
    if unknown:
        raise _UnknownPartError(f"{path} has the unknown part {unknown[0]}")
    kind = part.get("Type")
    if not isinstance(kind, str) or kind not in _KINDS:
        raise _UnknownPartError(f"{path} has no known type of change")
    return kind


def _name(part: JsonFields) -> str:
    name = part.get("Name")
    if not isinstance(name, str) or not name:
        raise _UnknownPartError("a part has no name")
    return name


def _objects(part: JsonFields, name: str) -> list[Mapping[str, Any]]:
    value: JsonValue = part.get(name)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(one, Mapping) for one in value):
        raise _UnknownPartError(f"{name} is no list of objects")
    return [one for one in value if isinstance(one, Mapping)]


# --- What was planned -------------------------------------------------------------------------------------------------


def _is_planned(planned: RegisterJob, change: _DiffChange) -> bool:
    """Whether a change is one of the action's fields, with the value that it was to get."""
    artifacts = next((one for one in planned.touched if one.endswith(f".{ARTIFACTS}")), None)
    if artifacts is not None and change.path.startswith(f"{artifacts}."):
        # A changed artifact is one that goes and one that comes, each with all of its fields.
        sources = {text(one, "GetterSource") for one in many(_part(planned.spec, artifacts), "Artifacts")}
        return change.kind == "Deleted" or not change.path.endswith(".GetterSource") or change.new in sources
    if change.path not in planned.touched or change.kind == "Deleted":
        return False
    return change.new in _values(planned.spec, change.path)


def _values(spec: JsonFields, path: str) -> set[str]:
    """The values that a touched field may get."""
    if path.startswith("Meta["):
        return {text(fields(spec, "Meta"), path[len("Meta[") : -1])}
    part = _part(spec, path)
    # Neither holders nor names of the fields that actions change have dots of their own; names of tasks may.
    above, _, name = path.rpartition(".")
    holder = above.rpartition(".")[2]
    if holder == "Constraint":
        return {text(one, name) for one in many(part, "Constraints")}
    return {str(fields(part, holder).get(name))}


def _part(spec: JsonFields, path: str) -> JsonFields:
    """The group or task that a touched field is of."""
    spot = part_of(path, spec)
    return spot.find(spec) if spot else {}
