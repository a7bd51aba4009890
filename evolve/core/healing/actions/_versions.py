"""Earlier versions of a job: which of them ran well, and which may come back."""

import json
from typing import Any

from evolve.core.incidents.reading import fields, many, number, text
from evolve.core.incidents.version_changes import BOOKKEEPING
from evolve.core.model.healing import HEALING_META, PlanContext
from evolve.core.model.incidents import JsonFields


def healthy_before(context: PlanContext) -> list[JsonFields]:
    """Return the versions before the current one that ran well, the newest first."""
    found = [
        one
        for one in context.versions
        if "Version" in one and number(one, "Version") < number(context.job, "Version")
        if one.get("Stable") is True or number(one, "Version") in context.healthy_versions
        if text(one, "ID") == text(context.job, "ID")
    ]
    return sorted(found, key=lambda one: number(one, "Version"), reverse=True)


def return_problem(job: JsonFields, version: JsonFields) -> str:
    """Return why a job must not go back to a version; empty where it may.

    Going back must not stop the job or end any of its allocations, so the version needs the same groups with the same
    counts.
    """
    if text(version, "ID") != text(job, "ID") or text(version, "Type") != text(job, "Type"):
        return "it is of another job or type"
    if version.get("Stop"):
        return "it is stopped"
    if not counts_of(version) or counts_of(version) != counts_of(job):
        return "it has other groups or counts"
    return ""


def counts_of(job: JsonFields) -> dict[str, int]:
    """Return the counts of a job's groups."""
    return {text(group, "Name"): number(group, "Count") for group in many(job, "TaskGroups")}


def content_of(job: JsonFields) -> str:
    """Return what a version runs, as text; versions that differ only in bookkeeping and healings are equal."""
    content: dict[str, Any] = {key: value for key, value in job.items() if key not in BOOKKEEPING}
    content["Meta"] = {key: value for key, value in fields(job, "Meta").items() if key != HEALING_META} or None
    return json.dumps(content, sort_keys=True)
