"""Deployments over time: they succeed, or fail and bring the last stable version back."""

from __future__ import annotations

import copy

from .canaries import promote, unpromoted, unready
from .deploying import ACTIVE, count, finish
from .scheduling import evaluate, reschedule_delay
from .shapes import Json, rfc3339
from .state import State
from .storing import store


def watch(state: State, now: int) -> None:
    """Moves every deployment that goes on as far as its allocations' health lets it."""
    for deployment in [one for one in state.deployments.values() if one["Status"] in ACTIVE]:
        job = state.jobs[deployment["JobID"]]
        count(state, deployment)
        groups = deployment["TaskGroups"].values()
        waiting = unpromoted(deployment)
        if waiting and not unready(state, deployment, waiting):
            if all(group["AutoPromote"] for group in waiting.values()):
                promote(state, deployment, waiting)
                evaluate(state, job, "deployment-watcher")
        elif all(group["HealthyAllocs"] >= group["DesiredTotal"] for group in groups):
            finish(state, deployment, "successful", "Deployment completed successfully")
            job["Stable"] = True
            state.put("jobs", job, "DeploymentUpdate")
        elif _is_unhealthy(state, deployment, job):
            fail(state, deployment, "Failed due to unhealthy allocations")
        elif any(group["RequireProgressBy"] and group["RequireProgressBy"] < rfc3339(now) for group in groups):
            fail(state, deployment, "Failed due to progress deadline")


def _is_unhealthy(state: State, deployment: Json, job: Json) -> bool:
    """Whether an allocation is unhealthy and nothing will replace it."""
    members = [one for one in state.allocs_of(job["ID"]) if one["DeploymentID"] == deployment["ID"]]
    wrong = [one for one in members if (one["DeploymentStatus"] or {}).get("Healthy") is False]
    return any(not one["NextAllocation"] and reschedule_delay(one, job) is None for one in wrong)


def fail(state: State, deployment: Json, why: str) -> tuple[Json, int | None]:
    """Ends a deployment as failed, with the last stable version back where the job asks for that.

    Returns the evaluation, and the version that came back, if one did.
    """
    job = state.jobs[deployment["JobID"]]
    wants_back = any(group["AutoRevert"] for group in deployment["TaskGroups"].values())
    stable = next((one for one in state.versions[job["ID"]] if one["Stable"]), None) if wants_back else None
    if stable is None:
        more = " - no stable job version to auto revert to" if wants_back else ""
        finish(state, deployment, "failed", why + more)
        return evaluate(state, job, "deployment-watcher"), None
    finish(state, deployment, "failed", f"{why} - rolling back to job version {stable['Version']}")
    number: int = stable["Version"]
    fresh = store(state, copy.deepcopy(stable), job)
    return evaluate(state, fresh, "deployment-watcher"), number
