"""`wait_dependency`: nothing until a service passes its checks, then the job runs again."""

from evolve.core.healing.actions._changes import same_again
from evolve.core.healing.actions._registry import plan_of
from evolve.core.healing.actions._words import report_names
from evolve.core.healing.placement import not_placed
from evolve.core.model.actions import Action, WaitDependency
from evolve.core.model.healing import Await, PlanContext, PlannedAction, Refused
from evolve.core.model.incidents import FailedJob


@plan_of(Action.WAIT_DEPENDENCY)
def wait_dependency(context: PlanContext) -> PlannedAction | Refused:
    """Return for which service to wait: a declared dependency, or a host that the report names."""
    if not context.failed.key.allocation:
        return not_placed("a service that answers does not change that")
    given = context.proposal.arguments
    service = _named(context.failed, given.service) if isinstance(given, WaitDependency) else _down(context.failed)
    if not service:
        return Refused("not allowed: the job depends on no such service, and the report names none")
    return Await(service, same_again(context))


def _down(failed: FailedJob) -> str:
    return min((name for name, state in failed.dependencies.items() if state != "passing"), default="")


def _named(failed: FailedJob, given: str) -> str:
    """The name of the dependency that is meant, else the host if the report names it."""
    host = given.rpartition(":")[0] or given
    meant = {name.lower(): name for name in failed.dependencies}
    for word in (given, host, host.removesuffix(".service.consul"), host.partition(".")[0]):
        if word.lower() in meant:
            return meant[word.lower()]
    return host if report_names(failed, host) else ""
