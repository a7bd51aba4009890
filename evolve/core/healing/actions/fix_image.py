"""`fix_image`: the image, program or artifact of an earlier version that ran well; nothing else of that version."""

import copy
from collections.abc import Callable
from typing import NamedTuple

from evolve.core.healing.actions._changes import ARTIFACTS, Editable, JobPart, failed_task, with_changes
from evolve.core.healing.actions._registry import plan_of
from evolve.core.healing.actions._versions import healthy_before
from evolve.core.healing.placement import not_placed
from evolve.core.incidents.reading import fields, many, text
from evolve.core.model.actions import Action, FixImage
from evolve.core.model.healing import PlanContext, PlannedAction, Refused
from evolve.core.model.incidents import JsonFields
from evolve.core.model.json_value import JsonValue


class ProgramSource(NamedTuple):
    """A field of a task that names what it runs."""

    name: str
    """As Nomad's diff has it, below the task."""
    read: Callable[[JsonFields], JsonValue]
    write: Callable[[Editable, JsonValue], None]
    shown: Callable[[JsonFields], list[str]]
    """The names by which a report may call it."""


def _config(key: str) -> ProgramSource:
    def write(task: Editable, value: JsonValue) -> None:
        task["Config"] = {**task["Config"], key: value}

    return ProgramSource(
        f"Config.{key}",
        lambda task: text(fields(task, "Config"), key),
        write,
        lambda task: [text(fields(task, "Config"), key)],
    )


def _write_artifacts(task: Editable, value: JsonValue) -> None:
    task["Artifacts"] = copy.deepcopy(value)


_SOURCES = (
    _config("image"),
    _config("command"),
    _config("jar_path"),
    ProgramSource(
        ARTIFACTS,
        lambda task: [dict(one) for one in many(task, "Artifacts")],
        _write_artifacts,
        lambda task: [text(one, "GetterSource") for one in many(task, "Artifacts")],
    ),
)


@plan_of(Action.FIX_IMAGE)
def fix_image(context: PlanContext) -> PlannedAction | Refused:
    """Return the job with the image, command or artifacts of the task as an earlier healthy version had them.

    Each attempt that did not help takes the next older one.
    """
    if not context.failed.key.allocation:
        return not_placed("another image changes nothing")
    spot = failed_task(context)
    if spot is None:
        return Refused("not known: the task that failed")
    task = spot.find(context.job)
    used = [source for source in _SOURCES if source.read(task)]
    given = context.proposal.arguments
    if isinstance(given, FixImage):
        used = [source for source in used if any(_is_named(given.image, name) for name in source.shown(task))]
        if not used:
            return Refused("not allowed: the task that failed does not run the image that the agent names")
    return _replaced(context, spot, used)


def _replaced(context: PlanContext, spot: JobPart, used: list[ProgramSource]) -> PlannedAction | Refused:
    task = spot.find(context.job)
    found: list[tuple[ProgramSource, JsonValue]] = []
    for version in healthy_before(context):
        before = spot.find(version)
        if text(before, "Driver") != text(task, "Driver"):
            continue
        changed = [(source, source.read(before)) for source in used if source.read(before) != source.read(task)]
        found += [one for one in changed[:1] if one[1] and one not in found]
    tried = context.tried.count(Action.FIX_IMAGE)
    if len(found) <= tried:
        return Refused("nothing to go back to: no further version ran well with another image")
    source, value = found[tried]
    return with_changes(context, spot, lambda part: source.write(part, value), [source.name])


def _is_named(given: str, name: str) -> bool:
    """Whether a report's name of an image means this one: it may leave out the registry or the folder.

    >>> _is_named("web:1.2", "registry.lab:5000/team/web:1.2"), _is_named("b", "/bin/web")
    (True, False)
    """
    return bool(name) and (given == name or name.endswith(f"/{given}") or given.endswith(f"/{name}"))
