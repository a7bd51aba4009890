"""Plans an action on a failed job, and holds the plan against Nomad's dry run of it."""

from dataclasses import dataclass

from evolve.core.healing.health import healthy_versions
from evolve.core.healing.placement import placement_problem
from evolve.core.healing.plan_diff import diff_problem
from evolve.core.healing.planning import plan_action
from evolve.core.healing.rules import may_heal
from evolve.core.incidents.reading import fields, number, text
from evolve.core.model.actions import Action, Proposal
from evolve.core.model.healing import (
    Await,
    EmptyFolders,
    HealingLimits,
    Incident,
    JobRule,
    PlanContext,
    PlannedAction,
    Refused,
    RegisterJob,
    RevertJob,
)
from evolve.core.model.incidents import FailedJob, JobAnswers
from evolve.supervision.incident_book import DID_NOT_HELP
from evolve.supervision.reading import ClusterReader
from evolve.supervision.scratch import is_this_machine


@dataclass(frozen=True, slots=True)
class SeenFailure:
    """A job that failed, as it was read."""

    incident: Incident
    answers: JobAnswers
    failed: FailedJob


class Planner:
    """Makes plans; it changes nothing.

    Args:
        reader: the cluster.
        limits: of all healings.
    """

    def __init__(self, reader: ClusterReader, limits: HealingLimits) -> None:
        self._reader, self._limits = reader, limits

    async def plan(self, seen: SeenFailure, rule: JobRule, proposal: Proposal, healing: str) -> PlannedAction | Refused:
        """Return the plan of a proposal after Nomad's own dry run of it, or why it is refused.

        Args:
            seen: the failure.
            rule: what may be done to the job.
            proposal: the agent's.
            healing: the ID of the attempt that the plan is for.

        Raises:
            ClusterFault: Nomad does not answer.
        """
        job = seen.answers.job or {}
        if proposal.action is not Action.ESCALATE and (refused := may_heal(job, rule, proposal.action)) is not None:
            return refused
        context = PlanContext(
            failed=seen.failed,
            proposal=proposal,
            rule=rule,
            limits=self._limits,
            job=job,
            versions=seen.answers.versions,
            healing=healing,
            tried=tuple(one.action for one in seen.incident.attempts if one.state in DID_NOT_HELP),
            node_memory_mb=number(fields(fields(seen.answers.node, "NodeResources"), "Memory"), "MemoryMB"),
            node_reserved_mb=await self._reserved_mb(seen, proposal),
            healthy_versions=healthy_versions(seen.answers),
            other_nodes=await self._reader.other_nodes(seen.failed.node),
        )
        planned = plan_action(context)
        if isinstance(planned, EmptyFolders) and not self._is_here(seen):
            return Refused(
                f"not allowed: the folders are on {seen.failed.node}, and the supervisor empties only its own"
            )
        register = planned.then if isinstance(planned, Await | EmptyFolders) else planned
        if isinstance(register, RegisterJob):
            dry = await self._reader.within(seen.incident.namespace).documents.plan(register.spec)
            problem = diff_problem(register, fields(dry, "Diff"))
            problem = problem or placement_problem(fields(dry, "FailedTGAllocs"), text(dry, "Warnings"))
            if problem:
                return Refused(problem)
            if number(dry, "JobModifyIndex") != register.if_index:
                return Refused("diff: somebody changed the job while it was planned")
        if isinstance(planned, RevertJob) and (problem := await self._revert_problem(seen, planned)):
            return Refused(problem)
        return planned

    async def _reserved_mb(self, seen: SeenFailure, proposal: Proposal) -> int:
        """What other tasks may use of the node's memory; read only where memory is to be given."""
        if proposal.action is not Action.INCREASE_MEMORY:
            return 0
        key = seen.failed.key
        return await self._reader.node_reserved_mb(text(seen.answers.node or {}, "ID"), key.allocation, key.task)

    async def _revert_problem(self, seen: SeenFailure, planned: RevertJob) -> str:
        """Why an old version must not come back now: no node takes it, or the job was changed meanwhile.

        Its diff is as wide as the versions differ, so only its place is of interest.
        """
        old = next((one for one in seen.answers.versions if number(one, "Version") == planned.version), {})
        dry = await self._reader.within(seen.incident.namespace).documents.plan(old)
        if number(dry, "JobModifyIndex") != number(seen.answers.job or {}, "JobModifyIndex"):
            return "diff: somebody changed the job while it was planned"
        return placement_problem(fields(dry, "FailedTGAllocs"), text(dry, "Warnings"))

    def _is_here(self, seen: SeenFailure) -> bool:
        """Whether the node of the failed allocation is the machine that the supervisor runs on."""
        node = seen.answers.node
        return text(node or {}, "Name") == seen.failed.node and is_this_machine(node)
