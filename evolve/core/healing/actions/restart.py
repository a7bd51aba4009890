"""`restart`: a fresh process, in place while the allocation runs, otherwise by a new allocation."""

from evolve.core.healing.actions._changes import same_again
from evolve.core.healing.actions._registry import plan_of
from evolve.core.healing.placement import not_placed
from evolve.core.model.actions import Action
from evolve.core.model.healing import PlanContext, PlannedAction, Refused, RestartTask

RUNS = "unhealthy"
"""The diagnosis' word for an allocation that runs although its job failed."""


@plan_of(Action.RESTART)
def restart(context: PlanContext) -> PlannedAction | Refused:
    """Return the restart of the task, or the job with a new healing ID: Nomad then chooses the place.

    Nomad refuses to restart an allocation that ended, and answers 200 to other calls that do nothing (recording 43).
    After a failed deployment a restart in place is never seen to help: the deployment stays failed, and the allocation
    unhealthy (recording 20). A new version gets a deployment of its own.
    """
    key = context.failed.key
    if not key.allocation:
        return not_placed("a restart changes nothing")
    evidence = context.failed.evidence
    could_help = evidence.deployment.get("status") != "failed" and Action.RESTART not in context.tried
    if evidence.status == RUNS and key.task and could_help:
        return RestartTask(key.allocation, key.task)
    return same_again(context)
