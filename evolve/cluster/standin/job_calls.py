"""Calls about one job beyond reading and registering it: versions, revert, scaling, children, deployments."""

from __future__ import annotations

import copy

from . import canaries, children, scaling, watching
from .answers import READ, WRITE, Answer, Refused, Request, Route, whole_uuid
from .deploying import ACTIVE
from .listing import listed
from .registering import listed as all_errors
from .registering import written
from .scheduling import evaluate
from .shapes import Json, allocation_stub
from .state import State
from .storing import store, version_of


class JobCalls:
    """Versions, revert, evaluate, scale, dispatch, periodic and deployments."""

    def __init__(self, state: State) -> None:
        """Serves one server's state."""
        self._state = state

    def routes(self) -> list[Route]:
        """The paths, before those of whole jobs, whose ids may hold slashes."""
        return [
            (r"/v1/job/(.+)/versions", {"GET": self.versions}),
            (r"/v1/job/(.+)/revert", {"POST": self.revert}),
            (r"/v1/job/(.+)/evaluate", {"POST": self.evaluate}),
            (r"/v1/job/(.+)/scale", {"GET": self.scale_status, "POST": self.scale}),
            (r"/v1/job/(.+)/dispatch", {"POST": self.dispatch}),
            (r"/v1/job/(.+)/periodic/force", {"POST": self.force}),
            (r"/v1/job/(.+)/deployments", {"GET": self.deployments_of}),
            (r"/v1/job/(.+)/deployment", {"GET": self.latest_deployment}),
            (r"/v1/deployments", {"GET": self.deployments}),
            (r"/v1/deployment/allocations/([^/]+)", {"GET": self.deployment_allocations}),
            (r"/v1/deployment/fail/([^/]+)", {"POST": self.fail}),
            (r"/v1/deployment/promote/([^/]+)", {"POST": self.promote}),
            (r"/v1/deployment/([^/]+)", {"GET": self.deployment}),
        ]

    def versions(self, request: Request) -> Answer:
        """The versions that are kept, the newest first."""
        kept = self._state.versions.get(request.match[0])
        if not kept:
            raise Refused(404, "job versions not found", READ, self._state.tables["jobs"])
        index = kept[0]["ModifyIndex"]
        head = {"Diffs": None, "Index": index, "KnownLeader": True, "LastContact": 0, "NextToken": ""}
        return Answer(200, {**head, "Versions": kept}, READ, index)

    def revert(self, request: Request) -> Answer:
        """Makes an earlier version's content the next version."""
        given, job_id = request.json(), request.match[0]
        if given.get("JobID") != job_id:
            raise Refused(400, "Job ID does not match")
        job = self._state.jobs.get(job_id)
        if job is None:
            raise Refused(500, f'job "{job_id}" not found')
        number, enforced = given.get("JobVersion", 0), given.get("EnforcePriorVersion")
        if enforced is not None and enforced != job["Version"]:
            raise Refused(500, f"Current job has version {job['Version']}; enforcing version {enforced}")
        if number == job["Version"]:
            raise Refused(500, "can't revert to current version")
        old = version_of(self._state, job_id, number)
        if old is None:
            raise Refused(500, f'job "{job_id}" in namespace "default" at version {number} not found')
        fresh = store(self._state, copy.deepcopy(old), job)
        record = evaluate(self._state, fresh, "job-register")
        body = {**written(record), "JobModifyIndex": fresh["JobModifyIndex"], "Warnings": ""}
        return Answer(200, body, READ, body["Index"])  # the one write that has the headers of a read

    @staticmethod
    def _written(body: Json) -> Answer:
        return Answer(200, body, WRITE, body["Index"])

    def evaluate(self, request: Request) -> Answer:
        """Looks at a job again; forced, it replaces failures whose group may be rescheduled."""
        given, job_id = request.json(), request.match[0]
        if given.get("JobID") != job_id:
            raise Refused(400, "JobID not same as job name")
        job = self._state.jobs.get(job_id)
        if job is None:
            raise Refused(500, "job not found")
        deployments = self._state.deployments_of(job_id)
        has_failed = bool(deployments) and deployments[-1]["Status"] == "failed"
        forced = bool((given.get("EvalOptions") or {}).get("ForceReschedule")) and not has_failed
        record = evaluate(self._state, job, "job-register", forced=forced)
        return self._written({**written(record), "JobModifyIndex": job["ModifyIndex"], "Warnings": ""})

    def _job(self, request: Request) -> Json:
        job = self._state.jobs.get(request.match[0])
        if job is None:
            raise Refused(404, "job not found", READ, self._state.tables["jobs"])
        return dict(job)

    def scale_status(self, request: Request) -> Answer:
        """The counts of a job's groups."""
        return Answer(200, scaling.status(self._state, self._job(request)), READ)

    def scale(self, request: Request) -> Answer:
        """Another count for a group."""
        return self._written(scaling.scale(self._state, request.match[0], request.json()))

    def dispatch(self, request: Request) -> Answer:
        """A child of a parameterized job."""
        parent, token = self._state.jobs.get(request.match[0]), request.query.get("idempotency_token", "")
        return self._written(children.dispatch(self._state, parent, request.json(), token))

    def force(self, request: Request) -> Answer:
        """A child of a periodic job, now."""
        return self._written(children.force(self._state, self._state.jobs.get(request.match[0])))

    def deployments_of(self, request: Request) -> Answer:
        """The deployments of a job, also of one that there is not."""
        return Answer(200, self._state.deployments_of(request.match[0]), READ, self._state.tables["deployments"])

    def latest_deployment(self, request: Request) -> Answer:
        """The newest deployment of a job, or null."""
        found = self._state.deployments_of(request.match[0])
        return Answer(200, found[-1] if found else None, READ, self._state.tables["deployments"])

    def deployments(self, request: Request) -> Answer:
        """All deployments."""
        return listed(request, list(self._state.deployments.values()), dict, self._state.tables["deployments"])

    def deployment(self, request: Request) -> Answer:
        """One deployment."""
        found = self._state.deployments.get(whole_uuid(request.match[0], "deployment"))
        if found is None:
            raise Refused(404, "deployment not found", READ, self._state.tables["deployments"])
        return Answer(200, found, READ, found["ModifyIndex"])

    def deployment_allocations(self, request: Request) -> Answer:
        """The allocations of a deployment."""
        found = [one for one in self._state.allocs.values() if one["DeploymentID"] == request.match[0]]
        return Answer(200, [allocation_stub(one) for one in found], READ, self._state.tables["allocs"])

    def fail(self, request: Request) -> Answer:
        """Ends a deployment by hand."""
        found = self._active(request, "can't fail terminal deployment")
        record, version = watching.fail(self._state, found, "Deployment marked as failed")
        return self._written(self._changed(found, record, version))

    def promote(self, request: Request) -> Answer:
        """Makes the canaries of all groups, or of those that are named, ordinary allocations."""
        found = self._active(request, "can't promote terminal deployment")
        given = request.json()
        waiting = canaries.unpromoted(found)
        groups = {name: one for name, one in waiting.items() if given.get("All") or name in (given.get("Groups") or [])}
        if not groups:
            raise Refused(500, "no canaries to promote")
        unready = canaries.unready(self._state, found, groups)
        if unready:
            raise Refused(500, all_errors(unready))
        canaries.promote(self._state, found, groups)
        record = evaluate(self._state, self._state.jobs[found["JobID"]], "deployment-watcher")
        return self._written(self._changed(found, record, None))

    def _active(self, request: Request, refusal: str) -> Json:
        found = self._state.deployments.get(whole_uuid(request.match[0], "deployment"))
        if found is None:
            raise Refused(500, "deployment not found")
        if found["Status"] not in ACTIVE:
            raise Refused(500, refusal)
        return found  # type: ignore[no-any-return]

    @staticmethod
    def _changed(deployment: Json, record: Json, version: int | None) -> Json:
        index = deployment["ModifyIndex"]
        head = {"DeploymentModifyIndex": index, "EvalCreateIndex": record["CreateIndex"], "EvalID": record["ID"]}
        return {**head, "Index": index, "RevertedJobVersion": version}
