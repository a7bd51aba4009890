"""Decides about failed jobs, one after the other: diagnose, propose, plan, heal, verify, undo, learn."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from evolve.cluster.faults import ClusterFault
from evolve.core.cases.redaction import CannotRedact, Redactor
from evolve.core.healing.digests import plan_hash
from evolve.core.healing.limits import HOUR_S, backoff_s, earlier_attempts, has_common_cause, healings_left
from evolve.core.healing.rules import protection_of, rule_of
from evolve.core.healing.summary import summary_of
from evolve.core.incidents.diagnosis import diagnose
from evolve.core.incidents.failure import key_digest
from evolve.core.incidents.proposal import read_proposal
from evolve.core.incidents.reading import number
from evolve.core.incidents.report import diagnostics_of
from evolve.core.model.actions import Action, NotAProposal, Proposal
from evolve.core.model.errors import CannotEvaluate, EnvironmentFault
from evolve.core.model.healing import (
    Attempt,
    AttemptState,
    AuditEvent,
    AuditRecord,
    Await,
    CallPerson,
    HealingPolicy,
    Incident,
    IncidentState,
    JobRule,
    Mode,
    PendingPlan,
    PlannedAction,
    Refused,
)
from evolve.core.model.incidents import FailedJob, NoFailure
from evolve.core.model.json_value import JsonValue
from evolve.store.incidents import LostUpdate
from evolve.supervision.healing import Healer, NotNow, target_of
from evolve.supervision.incident_book import DID_NOT_HELP, IncidentBook
from evolve.supervision.learning import Learner
from evolve.supervision.notices import Notices
from evolve.supervision.planner import Planner, SeenFailure
from evolve.supervision.proposing import Proposed, Proposer, redact_diagnostics
from evolve.supervision.reading import ClusterReader, state_of_dependency
from evolve.supervision.records import Records
from evolve.supervision.verifier import Verifier, running_of
from evolve.supervision.watching import JobName

_AGAIN_S = 5.0
"""Until a decision that had to wait (no leader, a busy node, a dependency, an endpoint) is tried again."""
_LONGEST_AGAIN_S = 60.0
"""What has waited for minutes is not tried every few seconds: each try reads the job and plans again."""
_ENDED = {
    NoFailure.GONE: IncidentState.CLOSED,
    NoFailure.STOPPED: IncidentState.CLOSED,
    NoFailure.PARENT: IncidentState.CLOSED,
    NoFailure.FINISHED: IncidentState.RECOVERED,
    NoFailure.HEALTHY: IncidentState.RECOVERED,
    NoFailure.RECOVERED: IncidentState.RECOVERED,
}
"""What ends an incident that nobody is healing. The others say that Nomad is at work: it is waited for."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a supervisor works with."""

    reader: ClusterReader
    healer: Healer
    records: Records
    proposer: Proposer
    learner: Learner
    notices: Notices
    redactor: Redactor
    clock: Callable[[], float]
    """Seconds since 1970."""
    rng: Callable[[], float]
    """A number from 0 to 1, for the jitter of pauses."""


class Supervisor:
    """Looks at jobs and does what the policy allows.

    Args:
        policy: what may be done.
        mode: how far to go at most: a rule of the policy can only say less.
        around: what it works with.
    """

    def __init__(self, policy: HealingPolicy, mode: Mode, around: Surroundings) -> None:
        self._policy, self._mode, self._around = policy, mode, around
        self._limits = policy.limits
        self._called_at = float("-inf")
        self._book = IncidentBook(around.records, around.redactor, around.clock)
        self._planner = Planner(around.reader, policy.limits)
        self._verifier = Verifier(self._book, around.healer, around.learner, around.notices, policy.limits, around.rng)

    @property
    def book(self) -> IncidentBook:
        """How its incidents are changed."""
        return self._book

    async def look(self, jobs: Iterable[JobName]) -> dict[JobName, ClusterFault]:
        """Look at jobs and decide about those that failed; return the faults of those that could not be read.

        All are diagnosed before anything is decided: that many fail at once is known only then.
        """
        faults: dict[JobName, ClusterFault] = {}
        seen: list[SeenFailure] = []
        for name in jobs:
            try:
                found = await self._diagnose(*name)
            except LostUpdate:
                continue  # `evolve approve` or another supervisor was faster; the next look sees what it wrote
            except ClusterFault as fault:
                faults[name] = fault
                continue
            if found is not None:
                seen.append(found)
        for one in seen:
            try:
                await self._decide(one)
            except LostUpdate:
                continue
            except ClusterFault as fault:
                faults[one.incident.namespace, one.incident.job] = fault
        return faults

    # --- diagnosis

    async def _diagnose(self, namespace: str, job: str) -> SeenFailure | None:
        """The failure that a decision is due for, if the job has one."""
        answers = await self._around.reader.read(namespace, job)
        diagnosis = diagnose(answers)
        incident = self._around.records.open_incident(namespace, job)
        if incident is not None and incident.state is IncidentState.HEALING:
            # What was done is looked at first; the next decision is made from what the cluster says then.
            answers = await self._around.reader.read_checks(namespace, answers)
            if (await self._verifier.verify(incident, answers, diagnosis)).state is not IncidentState.HEALING:
                self._call_next(incident.node)
            return None
        if diagnosis.none is not None or diagnosis.failed is None:
            if incident is not None:
                self._end(incident, diagnosis.none or NoFailure.HEALTHY)
            return None
        if incident is not None:
            incident = self._set_well_since(incident, 0.0)
            if not self._is_due(incident, diagnosis.failed):
                return None
        answers = await self._around.reader.read_around(namespace, answers)
        failed = diagnose(answers).failed or diagnosis.failed
        return SeenFailure(self._open(incident, failed), answers, failed)

    def _call_next(self, node: str) -> None:
        """Let the plan that has waited longest for a node be tried at once: one healing at a time is done there."""
        now = self._around.clock()
        for one in self._around.records.open_incidents():  # the oldest first
            is_waiting = one.state is IncidentState.OPEN and one.plan is not None and self._rule(one).mode is Mode.ACT
            if node and one.node == node and is_waiting:
                if one.next_at > now:
                    self._book.save(one, next_at=now)
                return

    def _is_due(self, incident: Incident, failed: FailedJob) -> bool:
        """Whether something is to be decided about a known failure now."""
        now, is_edited = self._around.clock(), failed.key.job_version != incident.job_version
        if incident.state is IncidentState.ESCALATED:
            return is_edited
        if incident.state is not IncidentState.WAITING or incident.plan is None:
            return is_edited or now >= incident.next_at
        if self._is_approved(incident, incident.plan) and not is_edited:
            return True
        if is_edited or now - incident.plan.made > self._limits.approval_s:
            why = "the job was changed, so the plan is no more" if is_edited else "nobody approved the plan in time"
            self._book.save(incident, state=IncidentState.OPEN, plan=None, note=why)
        return False

    def _is_approved(self, incident: Incident, plan: PendingPlan) -> bool:
        """Whether a person approved this plan, not too long ago, and nothing was tried since.

        Each attempt ends the approvals before it, so that one which a kill left behind is good for nothing.
        """
        now = self._around.clock()
        found = self._around.records.approval(incident.id, plan.plan_hash, now)
        if found is None or now - found.at > self._limits.approval_s:
            return False
        return all(one.began < found.at for one in incident.attempts)

    def _open(self, incident: Incident | None, failed: FailedJob) -> Incident:
        """The incident of a failure: the open one, with the newest key, or a new one."""
        records, now, key = self._around.records, self._around.clock(), key_digest(failed.key)
        if (
            incident is not None
            and incident.state is IncidentState.ESCALATED
            and failed.key.job_version != incident.job_version
        ):
            # A person has changed the job, and it fails again: that is another failure.
            self._book.close(incident, IncidentState.CLOSED, "the job was changed since, and fails again")
            incident = None
        if incident is not None and incident.key == key and incident.report:
            return incident
        report, version = self._report(failed), failed.key.job_version
        signature = self._book.shown(failed.key.signature)
        if incident is not None:
            return self._book.save(
                incident,
                key=key,
                group=failed.key.group,
                task=failed.key.task,
                node=failed.node,
                signature=signature,
                report=report,
                job_version=version,
                plan=incident.plan if incident.state is IncidentState.WAITING else None,
            )
        last = records.last_ended(failed.key.namespace, failed.key.job)
        earlier = earlier_attempts(self._limits, last, version, now)
        made = Incident(
            id=records.new_id(),
            namespace=failed.key.namespace,
            job=failed.key.job,
            group=failed.key.group,
            task=failed.key.task,
            state=IncidentState.OPEN,
            opened=now,
            changed=now,
            key=key,
            signature=signature,
            job_version=version,
            report=report,
            node=failed.node,
            earlier_attempts=earlier,
            next_at=now + backoff_s(self._limits, earlier, self._around.rng()) if earlier else 0.0,
        )
        details: dict[str, JsonValue] = {"job": made.job, "namespace": made.namespace, "what": made.signature}
        return records.record(AuditRecord(AuditEvent.OPENED, now, made.id, details=details), made)

    def _end(self, incident: Incident, none: NoFailure) -> None:
        """End an incident whose job is gone, stopped, or well for a while. While Nomad is at work it stays open.

        A job that comes and goes keeps its incident, so that its attempts count and its pauses grow.
        """
        state, now = _ENDED.get(none), self._around.clock()
        if state is IncidentState.CLOSED:
            self._book.close(incident, state, none.value)
        elif state is None:
            self._set_well_since(incident, 0.0)
        elif not incident.well_since:
            self._set_well_since(incident, now)
        elif now - incident.well_since >= self._limits.healthy_s and now >= incident.next_at:
            self._book.close(incident, state, none.value)

    def _set_well_since(self, incident: Incident, since: float) -> Incident:
        return self._book.save(incident, well_since=since) if incident.well_since != since else incident

    # --- decision

    async def _decide(self, seen: SeenFailure) -> None:
        incident, now = seen.incident, self._around.clock()
        limits = self._limits
        if incident.state is IncidentState.WAITING and incident.plan is not None:
            # Before the common cause: the person who approved it knows more than a count of failures.
            await self._after_approval(seen, incident.plan)
            return
        if has_common_cause(limits, self._around.records.begun(now - HOUR_S), now):
            await self._call_for_common_cause(incident, now)
            return
        if now < incident.next_at:
            return
        if incident.earlier_attempts + len(incident.attempts) >= limits.attempts:
            await self._give_up(seen)
            return
        if protected := protection_of(seen.answers.job or {}):
            # Whatever the agent said would be refused, so nobody is asked and no report leaves the machine.
            self._book.audit(AuditEvent.REFUSED, incident, {"why": protected})
            await self._escalate(incident, f"not for the supervisor: {protected}")
            return
        rule = self._rule(incident)
        if rule.mode is Mode.ACT and incident.plan is not None:
            # It had to wait, for its turn or for a service: the agent's answer is still that.
            await self._plan(seen, rule, _proposal_of(incident.plan))
            return
        proposed = await self._propose(seen)
        if proposed is None:
            return
        if isinstance(proposed.found, NotAProposal):
            await self._learn_unlabelled(seen, Action.ERROR, proposed.found.reason)
            await self._escalate(incident, f"the agent's answer is no action: {proposed.found.reason}")
            return
        await self._plan(seen, rule, proposed.found)

    async def _give_up(self, seen: SeenFailure) -> None:
        """Call a person after so many attempts; those that the cluster refused count too, and teach nothing."""
        attempts, earlier = seen.incident.attempts, seen.incident.earlier_attempts
        tried = ", ".join(one.action for one in attempts if one.state in DID_NOT_HELP)
        if tried:
            await self._learn_unlabelled(seen, attempts[-1].action, f"tried without success: {tried}")
        results = [f"{one.action} ({one.state})" for one in attempts]
        if earlier:
            results.insert(0, f"{earlier} in the {self._limits.relapse_s:.0f} s before, after which it failed again")
        last = f"; {attempts[-1].result}" if attempts else ""
        await self._escalate(
            seen.incident, f"{earlier + len(attempts)} attempts without success: {', '.join(results)}{last}"
        )

    async def _propose(self, seen: SeenFailure) -> Proposed | None:
        """The agent's answer; None where it could not be asked, which is no failure of its own."""
        incident = seen.incident
        shown = incident.report
        if not shown:
            await self._escalate(incident, "its report could not be searched for secrets, so no model was asked")
            return None
        try:
            proposed = await self._around.proposer.propose(shown)
        except (EnvironmentFault, CannotEvaluate) as fault:
            self._later(incident, f"the agent could not be asked: {self._book.shown(str(fault))}")
            return None
        found = proposed.found
        details: dict[str, JsonValue] = {
            "answer": proposed.answer,
            "model": proposed.model,
            "prompt_version": proposed.prompt_version,
            "input_hash": proposed.input_hash,
            "latency_s": round(proposed.latency_s, 3),
            "action": found.action if isinstance(found, Proposal) else Action.ERROR,
            "not_in_report": list(proposed.not_in_report),
        }
        self._book.audit(AuditEvent.PROPOSED, incident, details)
        return proposed

    async def _plan(self, seen: SeenFailure, rule: JobRule, proposal: Proposal) -> None:
        incident = seen.incident
        healing = _healing_id(incident)
        planned = await self._planner.plan(seen, rule, proposal, healing)
        if isinstance(planned, Refused):
            await self._refuse(seen, rule, proposal, planned)
            return
        summary, hashed = summary_of(planned, seen.answers.job or {}), plan_hash(planned)
        plan = PendingPlan(hashed, proposal.action, proposal.given(), summary, self._around.clock())
        details: dict[str, JsonValue] = {"action": proposal.action, "plan": hashed, "summary": [*summary]}
        if incident.plan is None or incident.plan.plan_hash != hashed:
            self._book.audit(AuditEvent.PLANNED, incident, details, healing)
        if isinstance(planned, CallPerson):
            await self._escalate(incident, planned.reason)
        elif rule.mode is Mode.OBSERVE:
            note = f"observed: {proposal.action} would be planned"
            self._book.save(
                incident, note=note, plan=plan, next_at=self._around.clock() + self._limits.longest_backoff_s
            )
        elif rule.mode is Mode.SUGGEST:
            note = f"{proposal.action} waits for approval"
            incident = self._book.save(incident, state=IncidentState.WAITING, plan=plan, note=note)
            # What is stored is redacted; the plan itself is not.
            shown = incident.plan.summary if incident.plan is not None else ()
            await self._around.notices.send(incident, f"approve or leave: {proposal.action}", shown)
        elif not await self._heal(seen, proposal, planned, healing):
            await self._wait_with(incident.id, plan)

    async def _wait_with(self, id: str, plan: PendingPlan) -> None:
        """Keep a plan that had to wait, but not for ever: then a person is called."""
        incident = self._around.records.read(id)
        if incident is None or incident.state is not IncidentState.OPEN:
            return
        made = incident.plan.made if incident.plan is not None else plan.made
        if self._around.clock() - made > self._limits.approval_s:
            await self._escalate(incident, f"{plan.action} had to wait too long: {incident.note}")
        else:
            self._book.save(incident, plan=replace(plan, made=made))

    async def _refuse(self, seen: SeenFailure, rule: JobRule, proposal: Proposal, refused: Refused) -> None:
        incident = seen.incident
        self._book.audit(AuditEvent.REFUSED, incident, {"action": proposal.action, "why": refused.reason})
        if rule.mode is Mode.OBSERVE:
            # Nothing would be done anyway, so nobody is called because it may not be done.
            note = f"observed: {proposal.action} would be refused: {refused.reason}"
            self._book.save(incident, note=note, next_at=self._around.clock() + self._limits.longest_backoff_s)
            return
        if any(one.state in DID_NOT_HELP for one in incident.attempts):
            await self._learn_unlabelled(seen, proposal.action, "what was tried did not help")
        await self._escalate(incident, f"{proposal.action} is refused: {refused.reason}")

    async def _after_approval(self, seen: SeenFailure, plan: PendingPlan) -> None:
        """Carry an approved plan out, if it is still exactly the plan that was approved."""
        incident, records = seen.incident, self._around.records
        if not self._is_approved(incident, plan):
            return
        proposal = _proposal_of(plan)
        healing = _healing_id(incident)
        planned = await self._planner.plan(seen, self._rule(incident), proposal, healing)
        if isinstance(planned, Refused) or plan_hash(planned) != plan.plan_hash:
            why = planned.reason if isinstance(planned, Refused) else "the job has changed since"
            records.consume_approval(incident.id, plan.plan_hash)
            self._book.audit(AuditEvent.REFUSED, incident, {"action": plan.action, "why": f"approved plan: {why}"})
            self._book.save(incident, state=IncidentState.OPEN, plan=None, note=f"the approved plan is no more: {why}")
            return
        if await self._heal(seen, proposal, planned, healing):
            records.consume_approval(incident.id, plan.plan_hash)

    async def _heal(self, seen: SeenFailure, proposal: Proposal, planned: PlannedAction, healing: str) -> bool:
        """Carry a plan out within the limits; return whether it was begun."""
        incident, now = seen.incident, self._around.clock()
        if (wait := await self._must_wait(incident, planned, now)) is not None:
            self._later(incident, wait)
            return False
        attempt = Attempt(
            id=healing,
            key=key_digest(seen.failed.key),
            action=proposal.action,
            plan_hash=plan_hash(planned),
            state=AttemptState.INTENDED,
            began=now,
            index_before=number(seen.answers.job or {}, "JobModifyIndex"),
            version_before=number(seen.answers.job or {}, "Version"),
            arguments=proposal.given(),
            target=target_of(planned, seen.answers),
            running_before=running_of(seen.answers),
        )
        planned = planned.then if isinstance(planned, Await) else planned
        done = await self._around.healer.heal(incident, attempt, planned)
        if isinstance(done, NotNow):
            self._later(incident, done.reason)
            return False
        self._verifier.after_attempt(done)
        return True

    async def _must_wait(self, incident: Incident, planned: PlannedAction, now: float) -> str | None:
        """Why a plan is not carried out now; None where nothing speaks against it."""
        records, limits = self._around.records, self._limits
        if not healings_left(limits, records.healing_times(now - HOUR_S), now):
            return f"the limit of {limits.per_hour} healings an hour is reached"
        others = [one for one in records.open_incidents() if one.state is IncidentState.HEALING]
        if incident.node and any(one.node == incident.node and one.id != incident.id for one in others):
            return f"another healing is under way on node {incident.node}"
        if isinstance(planned, Await) and self._around.reader.consul is not None:
            state = await state_of_dependency(self._around.reader.consul, planned.service, planned.then.spec)
            if state != "passing":
                return f"waits for {planned.service}, which is {state}"
        return None

    # --- people

    async def _escalate(self, incident: Incident, reason: str) -> None:
        reason = self._book.shown(reason)
        if self._rule(incident).mode is Mode.OBSERVE:
            # Nobody expects anything of it, so nobody is called.
            next_at = self._around.clock() + self._limits.longest_backoff_s
            self._book.save(incident, note=f"observed: {reason}", next_at=next_at)
            return
        state = IncidentState.ESCALATED
        incident = self._book.record(
            AuditEvent.ESCALATED, incident, {"why": reason}, state=state, note=reason, plan=None
        )
        await self._around.notices.send(incident, reason, ())

    async def _call_for_common_cause(self, incident: Incident, now: float) -> None:
        reason = f"common cause: {self._limits.common_cause_jobs} jobs or more began to fail at once"
        self._book.save(incident, note=reason, next_at=now + self._limits.common_cause_s)
        # As long as it counts as one cause: the jobs of one fault are one call.
        if now - self._called_at > HOUR_S:
            self._called_at = now
            self._book.audit(AuditEvent.ESCALATED, incident, {"why": reason})
            await self._around.notices.send(incident, reason, ())

    async def _learn_unlabelled(self, seen: SeenFailure, answered: Action, why: str) -> None:
        case = await self._around.learner.learn(seen.incident, answered, why=why)
        if case:
            self._book.audit(AuditEvent.CASE, seen.incident, {"case": case})

    # --- small things

    def _rule(self, incident: Incident) -> JobRule:
        rule = rule_of(self._policy, incident.namespace, incident.job)
        order = [*Mode]
        return replace(rule, mode=min(rule.mode, self._mode, key=order.index))

    def _later(self, incident: Incident, note: str) -> None:
        now = self._around.clock()
        pause = min(max(_AGAIN_S, (now - incident.opened) / 4), _LONGEST_AGAIN_S)
        self._book.save(incident, note=note, next_at=now + pause)

    def _report(self, failed: FailedJob) -> Mapping[str, JsonValue]:
        """The redacted diagnostics of a failure; empty where they could not be searched for secrets."""
        try:
            return redact_diagnostics(diagnostics_of(failed), self._around.redactor)
        except CannotRedact:
            return {}


def _proposal_of(plan: PendingPlan) -> Proposal:
    """The proposal that a plan was made of.

    A stored argument is redacted, so it may be none any more (an image's digest looks like a secret). Without it the
    code chooses, and the plan's hash says whether it chooses the same.
    """
    found = read_proposal({"action": plan.action, **plan.arguments})
    return found if isinstance(found, Proposal) else Proposal(plan.action, None)


def _healing_id(incident: Incident) -> str:
    return f"{incident.id}-{len(incident.attempts) + 1}"
