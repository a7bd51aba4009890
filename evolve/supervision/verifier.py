"""Watches a job after a change: healed when it is healthy for a while, otherwise the change is taken back."""

from collections.abc import Callable
from dataclasses import replace

from evolve.core.healing.health import is_healthy, running_since, undo_of
from evolve.core.healing.health import verify as verify_health
from evolve.core.healing.limits import backoff_s
from evolve.core.incidents.reading import text
from evolve.core.model.healing import Attempt, AttemptState, AuditEvent, HealingLimits, Incident, IncidentState
from evolve.core.model.incidents import JobAnswers, JobDiagnosis, NoFailure
from evolve.core.model.json_value import JsonValue
from evolve.supervision.healing import CHANGE_SETTLES_S, Healer, is_changed_since, was_taken_back
from evolve.supervision.incident_book import DID_NOT_HELP, IncidentBook
from evolve.supervision.learning import Learner
from evolve.supervision.notices import Notices


class Verifier:
    """Decides whether attempts helped.

    Args:
        book: changes incidents.
        healer: takes changes back.
        learner: remembers what healed a job after something else did not.
        notices: reports what was healed.
        limits: of all healings.
        rng: a number from 0 to 1, for the jitter of pauses.
    """

    def __init__(
        self,
        book: IncidentBook,
        healer: Healer,
        learner: Learner,
        notices: Notices,
        limits: HealingLimits,
        rng: Callable[[], float],
    ) -> None:
        self._book, self._healer, self._learner, self._notices = book, healer, learner, notices
        self._limits, self._rng = limits, rng

    async def verify(self, incident: Incident, answers: JobAnswers, diagnosis: JobDiagnosis) -> Incident:
        """Return the incident after a look at its job: healed, undone, or still watched.

        Args:
            incident: one with an attempt under way.
            answers: what Nomad says of the job now.
            diagnosis: of these answers.
        """
        incident = await self._healer.reconcile(incident, answers)
        attempt, now, job = incident.attempts[-1], self._book.clock(), answers.job or {}
        if attempt.state is AttemptState.HEALED:
            return await self._healed(incident)  # a kill came between the two
        if attempt.state is not AttemptState.DONE:
            return self.after_attempt(incident)
        if diagnosis.none in (NoFailure.GONE, NoFailure.STOPPED):
            incident = await self._healer.finish(incident, AttemptState.FAILED, diagnosis.none.value)
            return self._book.close(incident, IncidentState.CLOSED, diagnosis.none.value)
        if is_changed_since(attempt, job):
            # Whatever the job does now, it says nothing about the attempt.
            is_undone = was_taken_back(attempt, answers)
            state = AttemptState.UNDONE if is_undone else AttemptState.FAILED
            why = f"the job has the content of version {attempt.version_before} again"
            why = why if is_undone else "somebody changed the job since, so nobody knows whether it helped"
            return self.after_attempt(await self._healer.finish(incident, state, why))
        has_failed = diagnosis.none is None and diagnosis.failed is not None and now - attempt.began > CHANGE_SETTLES_S
        seen = verify_health(
            attempt, is_healthy(answers), now, self._limits, since=running_since(answers), failed_again=has_failed
        )
        if seen.state is AttemptState.HEALED:
            reason = f"healthy for {now - seen.healthy_since:.0f} s"
            return await self._healed(await self._healer.finish(incident, AttemptState.HEALED, reason))
        if seen.state is AttemptState.FAILED:
            reason = "it failed again" if has_failed else f"not healthy within {self._limits.verify_s:.0f} s"
            if running_of(answers) < attempt.running_before:
                incident = self._with_attempt(incident, replace(attempt, harmed=True))
            incident = await self._healer.undo(incident, undo_of(attempt, job), reason)
            return self.after_attempt(incident)
        if seen.healthy_since != attempt.healthy_since:
            return self._with_attempt(incident, seen)
        return incident

    def _with_attempt(self, incident: Incident, attempt: Attempt) -> Incident:
        """The stored incident with another last attempt."""
        return self._book.save(incident, attempts=(*incident.attempts[:-1], attempt))

    def after_attempt(self, incident: Incident) -> Incident:
        """Return the incident after its last attempt was begun or ended: what comes next, and when."""
        attempt, now = incident.attempts[-1], self._book.clock()
        if attempt.state in (AttemptState.INTENDED, AttemptState.DONE):
            return incident
        pause = backoff_s(self._limits, incident.earlier_attempts + len(incident.attempts), self._rng())
        return self._book.save(incident, state=IncidentState.OPEN, next_at=now + pause)

    async def _healed(self, incident: Incident) -> Incident:
        attempt = incident.attempts[-1]
        if any(one.state in DID_NOT_HELP for one in incident.attempts):
            harmful = tuple(one.action for one in incident.attempts if one.harmed and one.action != attempt.action)
            case = await self._learner.learn(incident, attempt.action, accepted=attempt.action, harmful=harmful)
            incident = replace(incident, case=case or incident.case)
        note = f"{attempt.action} healed it"
        state = IncidentState.HEALED
        details: dict[str, JsonValue] = {"state": state, "action": attempt.action}
        incident = self._book.record(AuditEvent.CLOSED, incident, details, state=state, note=note)
        await self._notices.send(incident, note, ())
        return incident


def running_of(answers: JobAnswers) -> int:
    """Return how many of a job's allocations run."""
    return sum(text(one, "ClientStatus") == "running" for one in answers.allocations)
