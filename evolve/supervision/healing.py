"""Carries out a planned action, once: claimed, written down before and after, and found again after a kill."""

import asyncio
import contextlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from evolve.cluster.faults import ClusterFault, LostRace
from evolve.core.incidents.reading import fields, many, number, text
from evolve.core.incidents.version_changes import BOOKKEEPING
from evolve.core.model.healing import (
    HEALING_META,
    Attempt,
    AttemptState,
    AuditEvent,
    AuditRecord,
    EmptyFolders,
    Incident,
    IncidentState,
    PlannedAction,
    RegisterJob,
    RestartTask,
    RevertJob,
)
from evolve.core.model.incidents import JobAnswers, JsonFields
from evolve.core.model.json_value import JsonValue
from evolve.supervision.claims import Claims
from evolve.supervision.reading import ClusterReader
from evolve.supervision.records import Records
from evolve.supervision.scratch import delete_files

CHANGE_SETTLES_S = 10.0
"""After a change Nomad needs a moment until its answers are about the changed job."""
_SIGNALED = "Restart Signaled"


@dataclass(frozen=True, slots=True)
class NotNow:
    """Why nothing was written. The incident may be decided again."""

    reason: str


class Healer:
    """Writes to the cluster. Nothing else in the supervisor does.

    Args:
        reader: the cluster.
        claims: who may write.
        records: incidents and audit log.
        clock: seconds since 1970.
        report: takes a line about each step, for the console.
    """

    def __init__(
        self,
        reader: ClusterReader,
        claims: Claims | None,
        records: Records,
        clock: Callable[[], float],
        report: Callable[[str], None],
    ) -> None:
        self._reader, self._claims, self._records = reader, claims, records
        self._clock, self._report = clock, report

    async def heal(self, incident: Incident, attempt: Attempt, planned: PlannedAction) -> Incident | NotNow:
        """Return the incident with the attempt's result; NotNow where nothing was begun.

        Args:
            incident: as stored.
            attempt: the new one, intended.
            planned: what to do.
        """
        if self._claims is None:
            return NotNow("without Consul there is no claim, and without a claim nothing is changed")
        begun = replace(incident, state=IncidentState.HEALING, attempts=(*incident.attempts, attempt), plan=None)
        begun = self._records.redacted(begun)
        try:
            is_guarded = not isinstance(planned, RestartTask)
            is_ours = await self._claims.claim(attempt.key, begun, is_guarded=is_guarded)
        except ClusterFault as fault:
            return NotNow(f"no claim, so nothing is changed: {fault.message}")
        if not is_ours:
            return NotNow("another supervisor has claimed this failure, or leads now")
        details: dict[str, JsonValue] = {"action": attempt.action, "plan": attempt.plan_hash}
        incident = self._record(AuditEvent.INTENDED, begun, attempt.id, details)
        if not self._claims.is_leader:
            # A slow disk, or a stop in between: another supervisor may have taken the healing over by now.
            return await self.finish(incident, AttemptState.NOT_DONE, "the lock was lost before the change")
        try:
            result = await self._write(incident, planned)
        except LostRace as fault:
            return await self.finish(incident, AttemptState.NOT_DONE, f"somebody changed the job: {fault.message}")
        except ClusterFault as fault:
            if fault.may_be_done:
                # The answer is lost, the change may be done: the next look reads what became of it.
                note = f"no answer to the change: {fault.message}"
                return self._records.save(replace(incident, note=note, changed=self._clock()))
            return await self.finish(incident, AttemptState.NOT_DONE, fault.message)
        except OSError as fault:
            return await self.finish(incident, AttemptState.NOT_DONE, f"the folder could not be emptied: {fault}")
        return await self.finish(incident, AttemptState.DONE, result)

    async def reconcile(self, incident: Incident, answers: JobAnswers) -> Incident:
        """Return the incident after the cluster was read: whether its intended change is done. Nothing is repeated."""
        attempt = incident.attempts[-1]
        if attempt.state is not AttemptState.INTENDED:
            return incident
        if _was_done(attempt, incident, answers):
            return await self.finish(incident, AttemptState.DONE, "found in the cluster after an interruption")
        if self._clock() - incident.changed < CHANGE_SETTLES_S:
            # A request whose answer was lost may still arrive: to call it not done would allow a second one.
            return incident
        return await self.finish(incident, AttemptState.NOT_DONE, "not found in the cluster after an interruption")

    async def undo(self, incident: Incident, planned: RevertJob | None, why: str) -> Incident:
        """Return the incident with its last change taken back, if there is something to take back.

        Going back names the version that must be current, so that a second try, or a person's change, loses the race.
        """
        if planned is None:
            return await self.finish(incident, AttemptState.FAILED, why)
        attempt = incident.attempts[-1]
        if not await self._may_undo(attempt):
            # Its claim allowed the change; an undo is one more, and without Consul nothing is changed.
            note = f"{why}; taken back as soon as this supervisor leads again"
            return incident if incident.note == note else self._records.save(replace(incident, note=note))
        if not attempt.undo_began:  # one whose answer was lost is still intended
            details: dict[str, JsonValue] = {"version": planned.version, "from": planned.if_version}
            begun = replace(attempt, undo_began=self._clock())
            incident = replace(incident, attempts=(*incident.attempts[:-1], begun))
            incident = self._record(AuditEvent.UNDO_INTENDED, incident, attempt.id, details)
        jobs = self._reader.within(incident.namespace).jobs
        try:
            await jobs.revert(incident.job, planned.version, if_version=planned.if_version)
        except LostRace:
            return await self.finish(
                incident, AttemptState.FAILED, f"{why}; somebody changed the job since, so it is left"
            )
        except ClusterFault as fault:
            if fault.may_be_done:
                return self._records.save(replace(incident, note=f"{why}; no answer to the undo: {fault.message}"))
            return await self.finish(incident, AttemptState.FAILED, f"{why}; not taken back: {fault.message}")
        return await self.finish(incident, AttemptState.UNDONE, f"{why}; version {planned.version} is restored")

    async def _may_undo(self, attempt: Attempt) -> bool:
        """Whether this supervisor leads, and no other has taken the healing over."""
        if self._claims is None or not self._claims.is_leader:
            return False
        try:
            return await self._claims.is_ours(attempt.key)
        except ClusterFault:
            return False

    async def finish(self, incident: Incident, state: AttemptState, result: str) -> Incident:
        """Return the stored incident whose last attempt has this state; the audit log has it too."""
        attempt = replace(incident.attempts[-1], state=state, result=result)
        events = {AttemptState.DONE: AuditEvent.DONE, AttemptState.NOT_DONE: AuditEvent.NOT_DONE}
        if attempt.undo_began:
            # Nomad takes changes back too: only an undo that we intended is one of ours.
            events[AttemptState.UNDONE] = AuditEvent.UNDONE
        ended = replace(incident, attempts=(*incident.attempts[:-1], attempt), note=result)
        details: dict[str, JsonValue] = {"state": state, "result": result}
        stored = self._record(events.get(state, AuditEvent.VERIFIED), ended, attempt.id, details)
        # Only what is stored is redacted: a fault's message may repeat a part of the job.
        shown = f"{attempt.action} {state}: {stored.attempts[-1].result}"
        self._report(f"incident {incident.id} {incident.namespace}/{incident.job}: {shown}")
        if state is not AttemptState.DONE:
            await self._settle(attempt)
        return stored

    async def _settle(self, attempt: Attempt) -> None:
        """Note in the claim that the healing is over; where Consul does not answer, the lock's next renewal does it."""
        if self._claims is not None:
            with contextlib.suppress(ClusterFault):
                await self._claims.settle(attempt.key, attempt.id)

    async def _write(self, incident: Incident, planned: PlannedAction) -> str:
        nomad = self._reader.within(incident.namespace)
        if isinstance(planned, EmptyFolders):
            # In a thread: the lock must be renewed meanwhile, however many files there are.
            freed = await asyncio.to_thread(delete_files, planned.paths)
            self._report(f"incident {incident.id}: {freed} bytes were deleted below {', '.join(planned.paths)}")
            try:
                await nomad.jobs.register(planned.then.spec, if_index=planned.then.if_index)
            except ClusterFault as fault:
                message = f"{freed} bytes were deleted, but the job was not registered again: {fault.message}"
                raise type(fault)(message, call=fault.call, status=fault.status, hint=fault.hint) from fault
            return f"{freed} bytes were deleted, and the job was registered again"
        if isinstance(planned, RegisterJob):
            done = await nomad.jobs.register(planned.spec, if_index=planned.if_index)
            return f"registered, evaluation {done.eval_id}"
        if isinstance(planned, RevertJob):
            done = await nomad.jobs.revert(incident.job, planned.version, if_version=planned.if_version)
            return f"went back to version {planned.version}, evaluation {done.eval_id}"
        assert isinstance(planned, RestartTask), planned
        await nomad.allocations.restart(planned.allocation, task=planned.task)
        return f"restarted task {planned.task} in place"

    def _record(
        self, event: AuditEvent, incident: Incident, healing: str, details: Mapping[str, JsonValue]
    ) -> Incident:
        now = self._clock()
        return self._records.record(
            AuditRecord(event, now, incident.id, healing, details), replace(incident, changed=now)
        )


def _was_done(attempt: Attempt, incident: Incident, answers: JobAnswers) -> bool:
    job = answers.job
    if job is None:
        return False
    if any(text(fields(one, "Meta"), HEALING_META) == attempt.id for one in (job, *answers.versions)):
        return True  # an older version too: it was done, and taken back or changed since
    if "version" in attempt.target:
        # A revert leaves no mark of ours: the content is what it made current.
        wanted = next((one for one in answers.versions if number(one, "Version") == attempt.target["version"]), None)
        is_newer = number(job, "Version") > attempt.version_before
        return is_newer and wanted is not None and _content(wanted) == _content(job)
    return any(_was_restarted(attempt, incident, one) for one in answers.allocations)


def _was_restarted(attempt: Attempt, incident: Incident, one: JsonFields) -> bool:
    if text(one, "ID") != attempt.target.get("allocation"):
        return False
    return _last_restart_ns(one, incident.task) > number(attempt.target, "after_ns")


def _last_restart_ns(one: JsonFields, task: str) -> int:
    """The time of the last request to restart a task, by its node's clock; 0 without one."""
    events = many(fields(fields(one, "TaskStates"), task), "Events")
    return max((number(event, "Time") for event in events if text(event, "Type") == _SIGNALED), default=0)


def _content(job: JsonFields) -> str:
    kept: dict[str, Any] = {key: value for key, value in job.items() if key not in BOOKKEEPING}
    return json.dumps(kept, sort_keys=True)


def target_of(planned: PlannedAction, answers: JobAnswers) -> Mapping[str, JsonValue]:
    """Return by what a change is found again in the cluster when its answer was lost.

    A restart is a later event of the task than the last one before: clocks of nodes differ from ours.
    """
    if isinstance(planned, RevertJob):
        return {"version": planned.version}
    if isinstance(planned, RestartTask):
        one = next((one for one in answers.allocations if text(one, "ID") == planned.allocation), {})
        return {"allocation": planned.allocation, "after_ns": _last_restart_ns(one, planned.task)}
    return {}


def was_taken_back(attempt: Attempt, answers: JobAnswers) -> bool:
    """Return whether the job has the content from before an attempt again: our undo, or Nomad's own, was done."""
    before = next((one for one in answers.versions if number(one, "Version") == attempt.version_before), None)
    job = answers.job or {}
    return before is not None and number(job, "Version") > attempt.version_before and _content(before) == _content(job)


def is_changed_since(attempt: Attempt, job: JsonFields) -> bool:
    """Return whether the job was changed after an attempt, which itself makes one version, or none by a restart."""
    own = 0 if "allocation" in attempt.target else 1
    return number(job, "Version") > attempt.version_before + own
