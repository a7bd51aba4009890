"""Changed copies of a job: some fields differ, everything else is as Nomad gave it."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, TypeAlias

from evolve.core.incidents.reading import fields, many, named, number, text
from evolve.core.model.healing import HEALING_META, PlanContext, RegisterJob
from evolve.core.model.incidents import JsonFields

META_PATH = f"Meta[{HEALING_META}]"
ARTIFACTS = "Artifact"
"""What Nomad's diff calls each artifact of a task."""

Editable: TypeAlias = dict[str, Any]
"""A part of a copy, which may be changed."""


class JobPart(NamedTuple):
    """A group or a task of a job, by name."""

    group: str
    task: str = ""

    def path(self, inner: str) -> str:
        """Return the name of a field as Nomad's diff has it."""
        task = f".Tasks[{self.task}]" if self.task else ""
        return f"TaskGroups[{self.group}]{task}.{inner}"

    def find(self, job: JsonFields) -> JsonFields:
        """Return the group or the task; empty where the job has none of this name."""
        group = named(many(job, "TaskGroups"), self.group)
        return named(many(group, "Tasks"), self.task) if self.task else group


def part_of(path: str, job: JsonFields) -> JobPart | None:
    """Return the task, else the group, that a touched field is of; None for a field of the job itself."""
    groups = many(job, "TaskGroups")
    tasks = [JobPart(text(group, "Name"), text(task, "Name")) for group in groups for task in many(group, "Tasks")]
    spots = [*tasks, *(JobPart(text(group, "Name")) for group in groups)]
    return next((spot for spot in spots if path.startswith(spot.path(""))), None)


def failed_group(context: PlanContext) -> JobPart | None:
    """Return the group that failed; None where the job has no such group."""
    spot = JobPart(context.failed.key.group)
    return spot if spot.group and spot.find(context.job) else None


def failed_task(context: PlanContext) -> JobPart | None:
    """Return the task that failed; None where the record names none and the group has several."""
    group = failed_group(context)
    if group is None:
        return None
    names = [task.get("Name") for task in many(group.find(context.job), "Tasks")]
    name = context.failed.key.task or (names[0] if len(names) == 1 else "")
    return JobPart(group.group, name) if isinstance(name, str) and name and name in names else None


def same_again(context: PlanContext) -> RegisterJob:
    """Return the job with nothing changed but the healing's ID: Nomad then places a new allocation."""
    spec: Editable = copy.deepcopy(dict(context.job))
    spec["Meta"] = {**fields(context.job, "Meta"), HEALING_META: context.healing}
    return RegisterJob(spec, number(context.job, "JobModifyIndex"), (META_PATH,))


def with_changes(
    context: PlanContext, spot: JobPart, change: Callable[[Editable], None], touched: Sequence[str]
) -> RegisterJob:
    """Return the job with one of its groups or tasks changed, and with the healing's ID.

    Args:
        context: has the job.
        spot: the group or task; the job has it.
        change: changes a copy of it.
        touched: names of the fields that it changes, below the group or task.
    """
    again = same_again(context)
    part = spot.find(again.spec)
    # `find` is made for answers, which nobody changes; this is our own copy.
    assert isinstance(part, dict)
    change(part)
    return replace(again, touched=(META_PATH, *map(spot.path, touched)))
