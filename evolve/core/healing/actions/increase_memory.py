"""`increase_memory`: a larger memory limit, as an absolute value below all ceilings."""

from collections.abc import Mapping
from typing import Any

from evolve.core.healing.actions._changes import Editable, Spot, failed_task, with_changes
from evolve.core.healing.actions._registry import plan_of
from evolve.core.healing.placement import not_placed
from evolve.core.incidents.reading import fields, number
from evolve.core.model.actions import Action, IncreaseMemory
from evolve.core.model.healing import HEALING_META, PlanContext, PlannedAction, Refused
from evolve.core.model.incidents import JsonFields


@plan_of(Action.INCREASE_MEMORY)
def increase_memory(context: PlanContext) -> PlannedAction | Refused:
    """Return the job with a larger limit for the task that failed.

    The agent's value is taken where it is above the present limit and below the ceilings. Otherwise it is twice the
    limit, at least what was used, at most the ceiling; each earlier attempt that did not help doubles it again.
    """
    if not context.failed.key.allocation:
        return not_placed("a larger limit only makes it harder")
    spot = failed_task(context)
    present = _limit(spot.find(context.job)) if spot else 0
    if spot is None or not present:
        return Refused("not known: the memory limit of the task that failed")
    ceiling = _ceiling(context, spot, present)
    wanted = _wanted(context, present, ceiling)
    if wanted <= present:
        return Refused(f"ceiling: the task has {present} MiB, and at most {max(ceiling, 0)} MiB are allowed")
    used = number(context.failed.usage, "memory_mb")
    if wanted < used:
        return Refused(f"ceiling: the task used {used} MiB, and at most {ceiling} MiB are allowed")
    has_maximum = bool(_resources(spot, context.job).get("MemoryMaxMB"))
    names = ["Resources.MemoryMB", *(["Resources.MemoryMaxMB"] if has_maximum else [])]
    return with_changes(context, spot, lambda task: _set(task, wanted), names)


def _set(task: Editable, memory_mb: int) -> None:
    resources = task["Resources"] = dict(task["Resources"])
    resources["MemoryMB"] = memory_mb
    if resources.get("MemoryMaxMB"):
        resources["MemoryMaxMB"] = memory_mb


def _wanted(context: PlanContext, present: int, ceiling: int) -> int:
    given = context.proposal.arguments
    if isinstance(given, IncreaseMemory) and present < given.memory_mb <= ceiling:
        return given.memory_mb
    # Attempts are few. The shift also stays an integer.
    doubled = present << (1 + context.tried.count(Action.INCREASE_MEMORY))
    return min(max(doubled, number(context.failed.usage, "memory_mb")), ceiling)


def _ceiling(context: PlanContext, spot: Spot, present: int) -> int:
    of_rule = context.rule.max_memory_mb or 2 * _first_limit(context, spot, present)
    if not context.node_memory_mb:
        return of_rule
    of_node = int(context.node_memory_mb * context.limits.node_memory_share) - context.node_reserved_mb
    return min(of_rule, of_node)


def _first_limit(context: PlanContext, spot: Spot, present: int) -> int:
    """The limit that a person set last. A healed job carries the healing's ID; who registers it again drops that."""
    kept = sorted(context.versions, key=lambda one: number(one, "Version"), reverse=True)
    limits = [limit for one in kept if (limit := _limit(spot.find(one)))]
    by_people = [limit for one in kept if HEALING_META not in fields(one, "Meta") and (limit := _limit(spot.find(one)))]
    return next(iter(by_people), limits[-1] if limits else present)


def _limit(task: Mapping[str, Any]) -> int:
    """What the task may use at most. Whether Nomad heeds MemoryMaxMB is its operator's choice, so a plan sets both."""
    resources = fields(task, "Resources")
    return max(number(resources, "MemoryMB"), number(resources, "MemoryMaxMB"))


def _resources(spot: Spot, job: JsonFields) -> JsonFields:
    return fields(spot.find(job), "Resources")
