"""Scaling: another count of a group, and what the counts are."""

from __future__ import annotations

import copy

from .answers import Refused
from .deploying import active
from .registering import BadJob, enforce, written
from .scheduling import evaluate
from .shapes import Json
from .state import State, is_live
from .storing import store

KEPT_EVENTS = 20


def scale(state: State, job_id: str, given: Json) -> Json:
    """Sets a group's count, or notes an event where none is given."""
    name = (given.get("Target") or {}).get("Group")
    if not name:
        raise Refused(400, "missing task group name for scaling action")
    count = given.get("Count")
    if count is not None and count < 0:
        raise Refused(400, "scaling action count can't be negative")
    job = state.jobs.get(job_id)
    if job is None:
        raise Refused(404, f'job "{job_id}" not found')
    group = next((one for one in job["TaskGroups"] if one["Name"] == name), None)
    if group is None:
        raise Refused(400, f'task group "{name}" specified for scaling does not exist in job')
    record, before = None, group["Count"]
    if count is not None:
        _check(state, job, group, given)
        job = store(state, _with_count(job, name, count), job)
        record = evaluate(state, job, "job-scaling")
    index = _note(state, job_id, name, {**given, "PreviousCount": before}, record)
    answer = {**written(record, job), "Index": index, "JobModifyIndex": job["JobModifyIndex"], "KnownLeader": True}
    return {**answer, "Warnings": ""}


def _check(state: State, job: Json, group: Json, given: Json) -> None:
    limits = group["Scaling"] or {}
    if limits.get("Max") is not None and given["Count"] > limits["Max"]:
        raise Refused(400, f"group count was greater than scaling policy maximum: {given['Count']} > {limits['Max']}")
    if given["Count"] < (limits.get("Min") or 0):
        raise Refused(400, f"group count was less than scaling policy minimum: {given['Count']} < {limits['Min']}")
    if given.get("EnforceIndex"):
        try:
            enforce(int(given.get("JobModifyIndex") or 0), job)
        except BadJob as fault:
            raise Refused(fault.status, str(fault)) from fault
    if active(state, job["ID"]) is not None:
        raise Refused(400, "job scaling blocked due to active deployment")


def _with_count(job: Json, name: str, count: int) -> Json:
    fresh = copy.deepcopy(job)
    for group in fresh["TaskGroups"]:
        if group["Name"] == name:
            group["Count"] = count
    return fresh


def _note(state: State, job_id: str, group: str, given: Json, record: Json | None) -> int:
    index = state.next_index()
    event = {
        "Count": given.get("Count"),
        "CreateIndex": index,
        "Error": bool(given.get("Error")),
        "EvalID": record["ID"] if record else None,
        "Message": given.get("Message") or "",
        "Meta": given.get("Meta"),
        "PreviousCount": given["PreviousCount"],
        "Time": state.clock.now_ns(),
    }
    events = state.scalings.setdefault(job_id, {}).setdefault(group, [])
    events[:] = [event, *events][:KEPT_EVENTS]
    state.touch("scalings", job_id)
    return index


def status(state: State, job: Json) -> Json:
    """The counts of each group, and how they came about."""
    live = [one for one in state.allocs_of(job["ID"]) if is_live(one)]
    shown = {}
    for group in job["TaskGroups"]:
        mine = [one for one in live if one["TaskGroup"] == group["Name"]]
        health = [(one["DeploymentStatus"] or {}).get("Healthy") for one in mine]
        shown[group["Name"]] = {
            "Desired": group["Count"],
            "Events": state.scalings.get(job["ID"], {}).get(group["Name"]),
            "Healthy": health.count(True),
            "Placed": len(mine),
            "Running": sum(one["ClientStatus"] == "running" for one in mine),
            "Unhealthy": health.count(False),
        }
    return {
        "JobCreateIndex": job["CreateIndex"],
        "JobID": job["ID"],
        "JobModifyIndex": job["JobModifyIndex"],
        "JobStopped": job["Stop"],
        "Namespace": job["Namespace"],
        "TaskGroups": shown,
    }
