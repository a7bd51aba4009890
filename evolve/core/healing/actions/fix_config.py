"""`fix_config`: back to the last version that ran well, or to the one that the policy names for the setting."""

from evolve.core.healing.actions._registry import plan_of
from evolve.core.healing.actions._versions import content_of, healthy_before, return_problem
from evolve.core.incidents.reading import number
from evolve.core.model.actions import Action, FixConfig
from evolve.core.model.healing import PlanContext, PlannedAction, Refused, RevertJob


@plan_of(Action.FIX_CONFIG)
def fix_config(context: PlanContext) -> PlannedAction | Refused:
    """Return the return to an earlier version. Each attempt that did not help takes the next one."""
    given = context.proposal.arguments
    tried = context.tried.count(Action.FIX_CONFIG)
    remedy = context.rule.remedies.get(given.key) if isinstance(given, FixConfig) else None
    if remedy is not None and not tried:
        return _to_remedy(context, remedy)
    left = _candidates(context, remedy)[tried if remedy is None else tried - 1 :]
    if not left:
        return Refused("nothing to go back to: no further version ran well with other content and the same counts")
    return _back_to(context, left[0])


def _candidates(context: PlanContext, remedy: int | None) -> list[int]:
    """The versions that ran well, the newest first; of those with the same content one, and none with the remedy's.

    A version that was taken back may have been marked as stable before it failed. It has an older one's content.
    """
    seen = {content_of(context.job)} | {content_of(one) for one in context.versions if one.get("Version") == remedy}
    found = []
    for version in healthy_before(context):
        content = content_of(version)
        if content not in seen and not return_problem(context.job, version):
            seen.add(content)
            found.append(number(version, "Version"))
    return found


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
