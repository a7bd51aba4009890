"""Plans an action on a failed job: what exactly would be changed, or why nothing is."""

from evolve.core.healing.actions import find_plan
from evolve.core.healing.rules import may_heal
from evolve.core.incidents.reading import fields, many, number, text
from evolve.core.model.actions import Action
from evolve.core.model.healing import HEALING_META, CallPerson, PlanContext, PlannedAction, Refused, RestartTask
from evolve.core.model.incidents import JsonFields


def plan_action(context: PlanContext) -> PlannedAction | Refused:
    """Return what the proposed action would change, or why it is refused.

    Job, namespace, group, task, allocation and node come from the record of the failure; the agent's arguments only
    choose among what the policy allows.
    """
    action = context.proposal.action
    plan = find_plan(action)
    if plan is None:
        return Refused(f"not allowed: {action} changes nothing")
    refused = _unfit(context) if action is not Action.ESCALATE else None
    return refused or _checked(context, plan(context))


def _unfit(context: PlanContext) -> Refused | None:
    """Why nothing may be planned for this job, whatever the action."""
    job, key = context.job, context.failed.key
    if text(job, "ID") != key.job or (text(job, "Namespace") or "default") != key.namespace:
        return Refused("not allowed: the record of the failure is of another job")
    refused = may_heal(job, context.rule, context.proposal.action)
    if refused is not None:
        return refused
    if not context.healing or number(job, "JobModifyIndex") <= 0:
        return Refused("not known: the healing's ID or the job's JobModifyIndex")
    if fields(job, "Meta").get(HEALING_META) == context.healing:
        return Refused("already done: the job carries the ID of this healing")
    if number(job, "Version") != key.job_version:
        return Refused(f"job changed: version {key.job_version} failed, and now it is version {number(job, 'Version')}")
    return None


def _checked(context: PlanContext, planned: PlannedAction | Refused) -> PlannedAction | Refused:
    if isinstance(planned, Refused | CallPerson | RestartTask):
        return planned
    if text(context.job, "Type") == "batch" and _allocations(context) > 1:
        # A changed batch job runs again as a whole, also what succeeded (recording 45).
        return Refused("not allowed: a batch job of several allocations would repeat those that succeeded")
    if _waits_for_promotion(context.job):
        return Refused("not allowed: a change of the job waits until a person promotes its canaries")
    return planned


def _allocations(context: PlanContext) -> int:
    return sum(number(group, "Count") for group in many(context.job, "TaskGroups"))


def _waits_for_promotion(job: JsonFields) -> bool:
    updates = [fields(part, "Update") for part in (job, *many(job, "TaskGroups"))]
    return any(number(one, "Canary") > 0 and one.get("AutoPromote") is not True for one in updates)
