"""`escalate`: a person decides."""

from evolve.core.healing.actions._registry import plan_of
from evolve.core.model.actions import Action, Escalate
from evolve.core.model.healing import CallPerson, PlanContext, PlannedAction, Refused

NO_REASON = "the agent asks for a person and gives no reason"


@plan_of(Action.ESCALATE)
def escalate(context: PlanContext) -> PlannedAction | Refused:
    """Return a call for a person, with the agent's reason. It changes nothing, so no rule forbids it."""
    given = context.proposal.arguments
    return CallPerson(given.reason if isinstance(given, Escalate) else NO_REASON)
