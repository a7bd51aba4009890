"""How a job differs from its former version, as a plan's Diff shows it: fields and objects of job, groups and tasks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .shapes import Json

_OF_THE_JOB = ("CreateIndex", "ID", "JobModifyIndex", "ModifyIndex", "NomadTokenID", "Stable", "Status")
_NOT_COMPARED = {
    "job": frozenset((*_OF_THE_JOB, "StatusDescription", "SubmitTime", "TaskGroups", "Update", "Version")),
    "group": frozenset(("Name", "Tasks")),
    # A real server leaves this one out: a task's restart policy changes without being named (recording 02).
    "task": frozenset(("Name", "RestartPolicy")),
    "object": frozenset[str](),
}
_FIRST = ("RestartPolicy", "Migrate", "ReschedulePolicy", "EphemeralDisk", "Update", "Config", "Resources", "LogConfig")
"""Objects in the order of a real server; all others follow by name."""
_MAPS = frozenset(("Env", "Meta"))
"""Maps whose entries are fields, such as `Meta[owner]`."""


def job_diff(old: Json | None, new: Json) -> Json:
    """The tree of what differs; everything is added where there is no former version."""
    groups = _matched((old or {}).get("TaskGroups"), new["TaskGroups"])
    found = {
        **_inner(old, new, "job"),
        "ID": new["ID"],
        "TaskGroups": [_group(before, after) for before, after in groups] or None,
    }
    return {**found, "Type": _kind(old, found, new)}


def _group(old: Json | None, new: Json | None) -> Json:
    tasks = _matched((old or {}).get("Tasks"), (new or {}).get("Tasks"))
    found = {
        **_inner(old, new, "group"),
        "Name": (new or old or {})["Name"],
        "Tasks": [_task(before, after) for before, after in tasks] or None,
        "Updates": None,
    }
    return {**found, "Type": _kind(old, found, new)}


def _task(old: Json | None, new: Json | None) -> Json:
    found = {"Annotations": None, **_inner(old, new, "task"), "Name": (new or old or {})["Name"]}
    unnamed = old is not None and new is not None and old != new
    return {**found, "Type": "Edited" if unnamed else _kind(old, found, new)}


def _matched(old: list[Json] | None, new: list[Json] | None) -> Iterator[tuple[Json | None, Json | None]]:
    """Groups or tasks of the same name; None where one is missing."""
    before = {one["Name"]: one for one in old or []}
    after = {one["Name"]: one for one in new or []}
    yield from ((before.get(name), after.get(name)) for name in sorted({*before, *after}))


def _kind(old: Json | None, found: Json, new: Json | None) -> str:
    if old is None or new is None:
        return "Added" if old is None else "Deleted"
    parts = [*(found.get("TaskGroups") or []), *(found.get("Tasks") or [])]
    named = found["Fields"] or found["Objects"] or any(part["Type"] != "None" for part in parts)
    return "Edited" if named else "None"


def _inner(old: Json | None, new: Json | None, part: str) -> Json:
    before, after = ({k: v for k, v in (one or {}).items() if k not in _NOT_COMPARED[part]} for one in (old, new))
    changed = [one for one in _fields(before, after) if one["Type"] != "None"]
    return {"Fields": changed or None, "Objects": list(_objects(before, after)) or None}


def _fields(old: Json, new: Json) -> Iterator[Json]:
    before, after = _flat(old), _flat(new)
    for name in sorted({*before, *after}):
        values = (before.get(name, ""), after.get(name, ""))
        kind = "Added" if name not in before else "Deleted" if name not in after else "Edited"
        kind = "None" if values[0] == values[1] else kind
        yield {"Annotations": None, "Name": name, "New": values[1], "Old": values[0], "Type": kind}


def _flat(part: Json) -> dict[str, str]:
    """The plain values of a part, as texts."""
    plain = {key: _text(value) for key, value in part.items() if isinstance(value, (str, int, float))}
    maps = {
        f"{name}[{key}]": _text(value)
        for name in _MAPS
        if isinstance(part.get(name), dict)
        for key, value in part[name].items()
    }
    return {**plain, **maps}


def _objects(old: Json, new: Json) -> Iterator[Json]:
    for name in sorted({*old, *new} - _MAPS, key=_rank):
        before, after = old.get(name), new.get(name)
        if before == after:
            continue
        if name == "Config":
            yield _object(name, _config(before or {}), _config(after or {}), before, after)
        elif isinstance(before or after, dict):
            yield _object(name, before or {}, after or {}, before, after)
        elif isinstance(before or after, list):
            yield from _of_lists(name, before or [], after or [])


def _rank(name: str) -> tuple[int, str]:
    return (_FIRST.index(name) if name in _FIRST else len(_FIRST), name)


def _object(name: str, old: Json, new: Json, before: Any, after: Any) -> Json:
    """One object with all of its fields, also those that are the same.

    Args:
        name: its key.
        old: its former fields.
        new: its fields.
        before: what was there; None for a new object.
        after: what is there; None for one that goes.
    """
    fields, objects = list(_fields(old, new)), list(_objects(old, new))
    kind = "Added" if before is None else "Deleted" if after is None else "Edited"
    return {"Fields": fields or None, "Name": name, "Objects": objects or None, "Type": kind}


def _of_lists(name: str, old: list[Any], new: list[Any]) -> Iterator[Json]:
    """A list of objects is a set: what changed goes and comes. A list of plain values is one object."""
    if all(isinstance(one, dict) for one in [*old, *new]):
        one_of = f"{name[:-3]}y" if name.endswith("ies") else name[:-1]
        yield from (_object(one_of, one, {}, one, None) for one in old if one not in new)
        yield from (_object(one_of, {}, one, None, one) for one in new if one not in old)
        return
    gone = [{"Old": str(one), "New": "", "Type": "Deleted"} for one in old if one not in new]
    come = [{"Old": "", "New": str(one), "Type": "Added"} for one in new if one not in old]
    fields = [{"Annotations": None, "Name": name, **one} for one in [*gone, *come]]
    if fields:
        yield {"Fields": fields, "Name": name, "Objects": None, "Type": "Edited" if old and new else fields[0]["Type"]}


def _config(value: Any, path: str = "") -> dict[str, str]:
    """A driver's config as fields: `args[1]`, `auth[0].username`."""
    if isinstance(value, dict):
        items = [(f"{path}.{key}" if path else key, part) for key, part in value.items()]
    elif isinstance(value, list):
        items = [(f"{path}[{at}]", part) for at, part in enumerate(value)]
    else:
        return {} if value is None else {path: _text(value)}
    return {name: text for inner, part in items for name, text in _config(part, inner).items()}


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
