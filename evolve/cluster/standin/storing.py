"""A new version of a job: stored, remembered next to the earlier ones, with a deployment where it has one."""

from __future__ import annotations

from .deploying import cancel
from .shapes import Json
from .state import State

KEPT_VERSIONS = 6


def store(state: State, job: Json, old: Json | None) -> Json:
    """The job as the next version after `old`."""
    index = state.index + 1
    version = 0 if old is None else old["Version"] + 1
    job.update(CreateIndex=old["CreateIndex"] if old else index, JobModifyIndex=index)
    job.update(Version=version, SubmitTime=state.clock.now_ns(), Stable=False)
    state.put("jobs", job, "JobRegistered")
    state.versions[job["ID"]] = [job, *state.versions.get(job["ID"], [])][:KEPT_VERSIONS]
    state.touch("versions", job["ID"])
    cancel(state, job)
    return job


def version_of(state: State, job_id: str, number: int) -> Json | None:
    """An earlier version of a job; None where it is not kept."""
    return next((one for one in state.versions.get(job_id, []) if one["Version"] == number), None)
