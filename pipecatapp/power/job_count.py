"""The count of a Nomad job: 0 puts it to sleep, n wakes it. Every write is a check-and-set on the job's index."""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from evolve.cluster.faults import ClusterFault, Denied, LostRace, NotFound, Rejected
from evolve.cluster.fields import JsonObject
from evolve.cluster.nomad.client import NomadClient
from evolve.cluster.nomad.jobs import Job
from evolve.core.model.json_value import JsonValue
from pipecatapp.power.config import NomadWake
from pipecatapp.power.wakers import WakeFailed

LOG: Final = logging.getLogger("power_agent")
_POLL_S: Final = 0.1
_RESOLVE_S: Final = 1.0
"""Between two looks at whether a write without an answer was done."""


class JobCount:
    """One group of one job."""

    again_s = 3.0

    def __init__(self, nomad: NomadClient, wake: NomadWake) -> None:
        self._nomad = nomad
        self._wake = wake
        self._count = wake.count

    async def count(self) -> int:
        """Return the group's count; 0 where the job is missing or stopped, or has no such group."""
        try:
            job = await self._nomad.jobs.read(self._wake.job)
            return 0 if job.is_stopped else _count_of(self._group(job))
        except (NotFound, WakeFailed):
            return 0

    async def stopped(self) -> frozenset[str]:
        """Return the job's allocations that are not to run."""
        found = await self._nomad.jobs.allocations(self._wake.job)
        return frozenset(one.id for one in found if one.desired_status != "run")

    async def wake(self) -> frozenset[str]:
        """Set the count to n where it is 0; return the allocations that are to run.

        Raises:
            WakeFailed: the job is missing, or somebody stopped it, or the token lacks the right.
            ClusterFault: Nomad does not answer; a write may have been done, which the next call notices.
        """
        try:
            await self._scale_up()
            await self._settled()
            found = await self._nomad.jobs.allocations(self._wake.job)
        except NotFound as exc:
            raise WakeFailed(f"Nomad has no job {self._wake.job}") from exc
        except (Denied, Rejected) as exc:
            raise WakeFailed(str(exc)) from exc
        return frozenset(one.id for one in found if one.desired_status == "run")

    async def _scale_up(self) -> None:
        while True:
            job = await self._nomad.jobs.read(self._wake.job)
            if job.is_stopped:
                raise WakeFailed(f"somebody stopped the job {job.id}: `nomad job start {job.id}` undoes that")
            if _count_of(self._group(job)) > 0:
                return
            try:
                await self._nomad.jobs.register(self._with_count(job, self._count), if_index=job.job_modify_index)
            except LostRace:
                continue
            LOG.info("job %s: count 0 -> %d", job.id, self._count)
            return

    async def _settled(self) -> None:
        """Return when the scheduler has decided on all that was written: only then it is clear what is to run."""
        while any(one.status == "pending" for one in await self._nomad.jobs.evaluations(self._wake.job)):
            await asyncio.sleep(_POLL_S)

    async def retire(self, commit: Callable[[], bool]) -> frozenset[str] | None:
        """Set the count to 0; return the allocations of the job, None where nothing was written.

        Args:
            commit: called right before the write, with the event loop held.

        Raises:
            ClusterFault: nothing was written.
        """
        job = await self._nomad.jobs.read(self._wake.job)
        before = _count_of(self._group(job))
        if job.is_stopped or not commit():
            return None
        if before > 0 and not await self._write_zero(job):
            return None
        self._count = max(before, 1) if before else self._count
        LOG.info("job %s: count %d -> 0", job.id, before)
        return await self._all_allocations()

    async def _write_zero(self, job: Job) -> bool:
        """Return whether the write was done; what has no answer is looked up."""
        try:
            await self._nomad.jobs.register(self._with_count(job, 0), if_index=job.job_modify_index)
        except ClusterFault as fault:
            if not fault.may_be_done:
                LOG.warning("job %s: not put to sleep: %s", job.id, fault)
                return False
            return await self._has_changed(job)
        return True

    async def _has_changed(self, before: Job) -> bool:
        """Return whether anything was written since; then what ran before counts as stopped until a wake."""
        while True:
            # First a pause: a server that did not answer in time may be about to write.
            await asyncio.sleep(_RESOLVE_S)
            try:
                job = await self._nomad.jobs.read(before.id)
            except NotFound:
                return True
            except ClusterFault as fault:
                LOG.warning("job %s: whether it was put to sleep is unknown yet: %s", before.id, fault)
            else:
                return job.job_modify_index != before.job_modify_index

    async def _all_allocations(self) -> frozenset[str]:
        while True:
            try:
                return frozenset(one.id for one in await self._nomad.jobs.allocations(self._wake.job))
            except ClusterFault as fault:
                LOG.warning("job %s: its allocations are unknown yet: %s", self._wake.job, fault)
                await asyncio.sleep(_RESOLVE_S)

    def _group(self, job: Job) -> JsonObject:
        groups = _groups(job)
        names = [str(group.get("Name")) for group in groups]
        wanted = self._wake.group or (names[0] if len(names) == 1 else "")
        if wanted not in names:
            raise WakeFailed(
                f"the job {job.id} has the groups {', '.join(names)}: name one of them in wake.nomad.group"
            )
        return groups[names.index(wanted)]

    def _with_count(self, job: Job, count: int) -> JsonObject:
        name = self._group(job).get("Name")
        groups: list[JsonValue] = [
            {**group, "Count": count} if group.get("Name") == name else dict(group) for group in _groups(job)
        ]
        return {**job.spec, "TaskGroups": groups}


def _groups(job: Job) -> list[JsonObject]:
    found = job.spec.get("TaskGroups")
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _count_of(group: JsonObject) -> int:
    count = group.get("Count")
    return count if isinstance(count, int) else 0
