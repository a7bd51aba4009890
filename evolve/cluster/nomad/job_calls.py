"""The client's calls about jobs."""

import base64
from collections.abc import AsyncIterator, Mapping

from evolve.cluster.blocking import Rate, Watch
from evolve.cluster.fields import JsonObject
from evolve.cluster.nomad import operations as ops
from evolve.cluster.nomad.allocations import NomadAllocation
from evolve.cluster.nomad.deployments import Deployment
from evolve.cluster.nomad.evaluations import NomadEvaluation
from evolve.cluster.nomad.jobs import (
    Dispatched,
    GroupSummary,
    Job,
    JobPlan,
    JobStub,
    Registered,
    ScaleStatus,
    Validation,
)
from evolve.cluster.nomad.part import NomadPart
from evolve.core.model.errors import InputError, Problem
from evolve.core.model.json_value import JsonValue


class Jobs(NomadPart):
    """Jobs. Nothing here marks a version as stable: that makes an old version the current one."""

    def list(self, *, prefix: str = "", expression: str = "") -> AsyncIterator[JobStub]:
        """Yield all jobs, page by page; in the namespace `*` those of all namespaces.

        Args:
            prefix: of the ID.
            expression: one of Nomad's filter language.
        """
        given = {"prefix": prefix, "filter": expression}
        return self._pages(ops.JOB_LIST, {key: value for key, value in given.items() if value})

    async def read(self, job: str) -> Job:
        """Return one job."""
        return await self._ask(ops.JOB_READ, job=job)

    def watch(self, job: str, *, wait_s: float = 60.0, rate: Rate | None = None) -> Watch[Job]:
        """Return a watch on one job, which may not exist yet."""
        return self._watch(ops.JOB_READ, {"job": job}, wait_s, rate)

    def watch_list(self, *, wait_s: float = 60.0, rate: Rate | None = None) -> Watch[tuple[JobStub, ...]]:
        """Return a watch on the list of jobs."""
        return self._watch(ops.JOB_LIST, {}, wait_s, rate)

    def watch_allocations(
        self, job: str, *, wait_s: float = 60.0, rate: Rate | None = None
    ) -> Watch[tuple[NomadAllocation, ...]]:
        """Return a watch on a job's allocations; the list is empty for an unknown job."""
        return self._watch(ops.JOB_ALLOCATIONS, {"job": job}, wait_s, rate)

    async def summary(self, job: str) -> dict[str, GroupSummary]:
        """Return how many allocations of each group are in each state."""
        return await self._ask(ops.JOB_SUMMARY, job=job)

    async def versions(self, job: str) -> tuple[Job, ...]:
        """Return the versions that Nomad keeps, the newest first."""
        return await self._ask(ops.JOB_VERSIONS, job=job)

    async def allocations(self, job: str) -> tuple[NomadAllocation, ...]:
        """Return a job's allocations, also those that ended; none for an unknown job."""
        return await self._ask(ops.JOB_ALLOCATIONS, job=job)

    async def evaluations(self, job: str) -> tuple[NomadEvaluation, ...]:
        """Return a job's evaluations, also those of an earlier job of the same ID; none for an unknown job."""
        return await self._ask(ops.JOB_EVALUATIONS, job=job)

    async def deployments(self, job: str) -> tuple[Deployment, ...]:
        """Return a job's deployments; none for an unknown job."""
        return await self._ask(ops.JOB_DEPLOYMENTS, job=job)

    async def deployment(self, job: str) -> Deployment | None:
        """Return a job's newest deployment; None where there is none, or no such job."""
        return await self._ask(ops.JOB_DEPLOYMENT, job=job)

    async def scale_status(self, job: str) -> ScaleStatus:
        """Return the counts of a job's groups."""
        return await self._ask(ops.JOB_SCALE_STATUS, job=job)

    async def plan(self, spec: JsonObject, *, diff: bool = True) -> JobPlan:
        """Return what a register of this job would change; nothing is changed."""
        return await self._ask(ops.JOB_PLAN, body={"Job": dict(spec), "Diff": diff}, job=_id_of(spec))

    async def validate(self, spec: JsonObject) -> Validation:
        """Return what is wrong with a job."""
        return await self._ask(ops.JOB_VALIDATE, body={"Job": dict(spec)})

    async def parse(self, hcl: str, variables: str = "") -> JsonObject:
        """Return a job in HCL as JSON; its variables are HCL too. Raise Rejected with line and column."""
        return await self._ask(ops.JOB_PARSE, body={"JobHCL": hcl, "Variables": variables, "Canonicalize": False})

    async def register(self, spec: JsonObject, *, if_index: int | None = None) -> Registered:
        """Register a job.

        Args:
            spec: the whole job.
            if_index: the JobModifyIndex that the job must have, 0 for a job that must not exist; None without a check.

        Raises:
            LostRace: the job has another index. After NoAnswer, read and compare before calling anything a race.
        """
        check: dict[str, JsonValue] = {} if if_index is None else {"EnforceIndex": True, "JobModifyIndex": if_index}
        return await self._ask(ops.JOB_REGISTER, body={"Job": dict(spec), **check})

    async def revert(self, job: str, version: int, *, if_version: int | None = None) -> Registered:
        """Make an old version's content the newest version; LostRace where the current version is not `if_version`."""
        check: dict[str, JsonValue] = {} if if_version is None else {"EnforcePriorVersion": if_version}
        return await self._ask(ops.JOB_REVERT, body={"JobID": job, "JobVersion": version, **check}, job=job)

    async def stop(self, job: str, *, purge: bool = False) -> Registered:
        """Stop a job; with `purge` its history goes too. An unknown job is no fault: the eval_id is empty."""
        return await self._ask(ops.JOB_STOP, {"purge": "true"} if purge else None, job=job)

    async def dispatch(
        self, job: str, *, payload: bytes = b"", meta: Mapping[str, str] | None = None, token: str = ""
    ) -> Dispatched:
        """Start a child of a parameterized job.

        Args:
            job: the parameterized job.
            payload: at most 16,384 bytes.
            meta: only keys that the job allows.
            token: makes it idempotent: the same token names the same child until that is purged.
        """
        body: dict[str, JsonValue] = {"Meta": dict(meta or {})}
        if payload:
            body["Payload"] = base64.b64encode(payload).decode()
        return await self._ask(ops.JOB_DISPATCH, {"idempotency_token": token} if token else None, body, job=job)

    async def scale(
        self, job: str, group: str, count: int, *, message: str = "", if_index: int | None = None
    ) -> Registered:
        """Set a group's count.

        Args:
            job: the job.
            group: its group.
            count: how many allocations there should be.
            message: for the job's history.
            if_index: the JobModifyIndex that the job must have.

        Raises:
            NotYet: a deployment is active.
            LostRace: the job has another index.
        """
        body: dict[str, JsonValue] = {"Count": count, "Target": {"Group": group}, "Message": message}
        if if_index is not None:
            body |= {"EnforceIndex": True, "JobModifyIndex": if_index}
        return await self._ask(ops.JOB_SCALE, body=body, job=job)

    async def evaluate(self, job: str, *, force_reschedule: bool = False) -> Registered:
        """Have a job evaluated. Success does not mean that anything was placed: look for a new allocation."""
        body: JsonValue = {"JobID": job, "EvalOptions": {"ForceReschedule": force_reschedule}}
        return await self._ask(ops.JOB_EVALUATE, body=body, job=job)

    async def force_periodic(self, job: str) -> Registered:
        """Start a child of a periodic job now, also where overlap is prohibited."""
        return await self._ask(ops.JOB_FORCE, job=job)


def _id_of(spec: JsonObject) -> str:
    job_id = spec.get("ID")
    if not isinstance(job_id, str) or not job_id:
        raise InputError(Problem("the job has no ID"))
    return job_id
