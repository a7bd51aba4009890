"""Deployments: the record of how far one version of a service has come."""

from __future__ import annotations

from .shapes import SECOND, Json, new_id, rfc3339
from .state import State

ACTIVE = ("running", "paused", "pending")


def active(state: State, job_id: str) -> Json | None:
    """The deployment of a job that goes on; None where there is none."""
    return next((one for one in state.deployments_of(job_id) if one["Status"] in ACTIVE), None)


def cancel(state: State, job: Json) -> None:
    """Ends the deployment of an earlier version."""
    earlier = active(state, job["ID"])
    if earlier is not None:
        finish(state, earlier, "cancelled", "Cancelled due to newer version of job")


def of_version(state: State, job: Json) -> Json | None:
    """The deployment of a job's version, whatever became of it; None where there is none."""
    known = [one for one in state.deployments_of(job["ID"]) if one["JobCreateIndex"] == job["CreateIndex"]]
    return next((one for one in known if one["JobVersion"] == job["Version"]), None)


def start(state: State, job: Json, with_canaries: set[str]) -> None:
    """Begins the deployment of a version that has something to do, once (recording 43: without work there is none).

    Args:
        state: where it is stored.
        job: the version.
        with_canaries: the groups that begin with canaries.
    """
    if of_version(state, job) is not None:
        return
    groups = [group for group in job["TaskGroups"] if group["Update"]["MaxParallel"] and group["Count"]]
    if job["Type"] != "service" or job["Stop"] or not groups:
        return
    record = _record(state, job, groups)
    for group in groups:
        if group["Name"] in with_canaries:
            record["TaskGroups"][group["Name"]]["DesiredCanaries"] = group["Update"]["Canary"]
    state.put("deployments", record, "DeploymentStatusUpdate")


def _record(state: State, job: Json, groups: list[Json]) -> Json:
    now = state.clock.now_ns()
    return {
        "CreateIndex": state.index + 1,
        "CreateTime": now,
        "EvalPriority": job["Priority"],
        "ID": new_id(),
        "IsMultiregion": False,
        "JobCreateIndex": job["CreateIndex"],
        "JobID": job["ID"],
        "JobModifyIndex": job["ModifyIndex"],
        "JobSpecModifyIndex": job["JobModifyIndex"],
        "JobVersion": job["Version"],
        "ModifyIndex": 0,
        "ModifyTime": now,
        "Namespace": job["Namespace"],
        "Status": "running",
        "StatusDescription": "Deployment is running",
        "TaskGroups": {group["Name"]: _group(group) for group in groups},
    }


def _group(group: Json) -> Json:
    return {
        "AutoPromote": group["Update"]["AutoPromote"],
        "AutoRevert": group["Update"]["AutoRevert"],
        "DesiredCanaries": 0,
        "DesiredTotal": group["Count"],
        "HealthyAllocs": 0,
        "PlacedAllocs": 0,
        "PlacedCanaries": None,
        "ProgressDeadline": group["Update"]["ProgressDeadline"],
        "Promoted": False,
        "RequireProgressBy": None,
        "UnhealthyAllocs": 0,
    }


def count(state: State, deployment: Json) -> None:
    """Counts the deployment's allocations again."""
    changed = False
    members = [one for one in state.allocs_of(deployment["JobID"]) if one["DeploymentID"] == deployment["ID"]]
    for name, group in deployment["TaskGroups"].items():
        mine = [one for one in members if one["TaskGroup"] == name]
        health = [(one["DeploymentStatus"] or {}).get("Healthy") for one in mine]
        counts = {
            "PlacedAllocs": len(mine),
            "HealthyAllocs": health.count(True),
            "UnhealthyAllocs": health.count(False),
        }
        if any(group[key] != value for key, value in counts.items()):
            changed = True
            if counts["PlacedAllocs"] and (
                group["RequireProgressBy"] is None or counts["HealthyAllocs"] > group["HealthyAllocs"]
            ):
                group["RequireProgressBy"] = rfc3339(state.clock.now_ns() + (group["ProgressDeadline"] or 600 * SECOND))
            group.update(counts)
    if changed:
        state.put("deployments", deployment, "DeploymentStatusUpdate")


def finish(state: State, deployment: Json, status: str, why: str) -> None:
    """Ends a deployment."""
    deployment.update(Status=status, StatusDescription=why)
    state.put("deployments", deployment, "DeploymentStatusUpdate")
