"""`fix_config`: back to the last version that ran well, or to the one that the policy names for the setting."""

from evolve.core.healing.actions._registry import plan_of
from evolve.core.healing.actions._versions import content_of, healthy_before, return_problem
from evolve.core.incidents.reading import number
from evolve.core.model.actions import Action, FixConfig
from evolve.core.model.healing import PlanContext, PlannedAction, Refused, RevertJob


@plan_of(Action.FIX_CONFIG)
def fix_config(context: PlanContext) -> PlannedAction | Refused:
    """Return the return to an earlier version. Each attempt that did not help goes back one version further."""
    given = context.proposal.arguments
    tried = context.tried.count(Action.FIX_CONFIG)
    remedy = context.rule.remedies.get(given.key) if isinstance(given, FixConfig) else None
    if remedy is not None and not tried:
        return _to_remedy(context, remedy)
    now = content_of(context.job)
    # To go back to the same content would change nothing.
    healthy = [
        one for one in healthy_before(context) if content_of(one) != now and not return_problem(context.job, one)
    ]
    if len(healthy) <= tried:
        return Refused("nothing to go back to: no further version ran well with other content and the same counts")
    return _back_to(context, number(healthy[tried], "Version"))


def _to_remedy(context: PlanContext, version: int) -> PlannedAction | Refused:
    found = next((one for one in context.versions if one.get("Version") == version), None)
    if found is None:
        return Refused(f"nothing to go back to: Nomad no longer keeps version {version}, the declared remedy")
    if content_of(found) == content_of(context.job):
        return Refused(f"nothing to go back to: the job already has the content of version {version}")
    problem = return_problem(context.job, found)
    if problem:
        return Refused(f"not allowed: version {version}, the declared remedy: {problem}")
    return _back_to(context, version)


def _back_to(context: PlanContext, version: int) -> RevertJob:
    return RevertJob(version, if_version=number(context.job, "Version"))
