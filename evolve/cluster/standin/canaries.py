"""Canaries: allocations of a new version that run with those of the earlier one until somebody promotes them."""

from __future__ import annotations

from .deploying import ACTIVE
from .shapes import Json, rfc3339
from .state import State, is_live

WAITS = "Deployment is running but requires manual promotion"
PROMOTES_ITSELF = "Deployment is running pending automatic promotion"


def is_canary(alloc: Json) -> bool:
    """Whether the allocation is a canary that was not promoted."""
    return bool((alloc["DeploymentStatus"] or {}).get("Canary"))


def goes_on(alloc: Json, deployment: Json | None) -> bool:
    """Whether a canary belongs to the deployment of the job's version, and that has not failed."""
    return deployment is not None and deployment["ID"] == alloc["DeploymentID"] and deployment["Status"] in ACTIVE


def has_phase(group: Json, deployment: Json | None, *, is_changed: bool) -> bool:
    """Whether the earlier version's allocations of a group are to stay until the canaries are promoted.

    Args:
        group: the group as the new version has it.
        deployment: that of the new version; None where it has none yet.
        is_changed: whether a live allocation would have to be replaced.
    """
    if deployment is None:
        return bool(group["Update"]["Canary"] and group["Update"]["MaxParallel"] and is_changed)
    record = deployment["TaskGroups"].get(group["Name"])
    return record is not None and record["DesiredCanaries"] > 0 and not record["Promoted"]


def mark(state: State, alloc: Json, deployment: Json) -> None:
    """Makes a new allocation a canary of its deployment."""
    alloc["DeploymentStatus"] = {"Canary": True, "Healthy": None, "ModifyIndex": 0, "Timestamp": None}
    record = deployment["TaskGroups"][alloc["TaskGroup"]]
    record["PlacedCanaries"] = [*(record["PlacedCanaries"] or []), alloc["ID"]]
    state.touch("deployments", deployment["ID"])


def unpromoted(deployment: Json) -> Json:
    """The records of the groups whose canaries wait for promotion, by name."""
    groups = deployment["TaskGroups"].items()
    return {name: one for name, one in groups if one["DesiredCanaries"] and not one["Promoted"]}


def healthy(state: State, deployment: Json, group: str) -> int:
    """How many canaries of a group are healthy."""
    mine = [one for one in _canaries(state, deployment) if one["TaskGroup"] == group]
    return sum(one["DeploymentStatus"]["Healthy"] is True for one in mine)


def unready(state: State, deployment: Json, groups: Json) -> list[str]:
    """Why the canaries of these groups cannot be promoted yet."""
    counts = {name: (healthy(state, deployment, name), one["DesiredCanaries"]) for name, one in groups.items()}
    return [
        f'Task group "{name}" has {there}/{wanted} healthy allocations'
        for name, (there, wanted) in counts.items()
        if there < wanted
    ]


def promote(state: State, deployment: Json, groups: Json) -> None:
    """Makes canaries ordinary allocations; the next evaluation replaces the earlier version by theirs."""
    for alloc in _canaries(state, deployment):
        if alloc["TaskGroup"] in groups:
            alloc["DeploymentStatus"] = {**alloc["DeploymentStatus"], "Canary": False}
            state.put("allocs", alloc, "AllocationUpdated")
    for record in groups.values():
        record.update(Promoted=True, RequireProgressBy=rfc3339(state.clock.now_ns() + record["ProgressDeadline"]))
    deployment["StatusDescription"] = description(deployment)
    state.put("deployments", deployment, "DeploymentPromotion")


def description(deployment: Json) -> str:
    """What a running deployment waits for."""
    waiting = unpromoted(deployment).values()
    if not waiting:
        return "Deployment is running"
    return PROMOTES_ITSELF if all(one["AutoPromote"] for one in waiting) else WAITS


def _canaries(state: State, deployment: Json) -> list[Json]:
    members = [one for one in state.allocs_of(deployment["JobID"]) if one["DeploymentID"] == deployment["ID"]]
    return [one for one in members if is_canary(one) and is_live(one)]
