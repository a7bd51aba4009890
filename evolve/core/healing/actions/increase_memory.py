"""`increase_memory`: a larger memory limit, as an absolute value below all ceilings."""

from evolve.core.healing.actions._changes import Editable, JobPart, failed_task, with_changes
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
    limit, at least what was used, at most the ceiling. A limit that an earlier attempt set counts as the present one.
    """
    if not context.failed.key.allocation:
        return not_placed("a larger limit only makes it harder")
    spot = failed_task(context)
    present = _limit(spot.find(context.job)) if spot else 0
    if spot is None or not present:
        return Refused("not known: the memory limit of the task that failed")
    ceiling = _ceiling(context, spot, present)
    too_small = _too_small(context, spot, present)
    needed = max(too_small + 1, number(context.failed.usage, "memory_mb"))
    if ceiling < needed:
        return Refused(f"ceiling: the task needs {needed} MiB or more, and at most {max(ceiling, 0)} MiB are allowed")
    given = context.proposal.arguments
    if isinstance(given, IncreaseMemory) and needed <= given.memory_mb <= ceiling:
        return _with_limit(context, spot, given.memory_mb)
    return _with_limit(context, spot, min(max(2 * too_small, needed), ceiling))


def _with_limit(context: PlanContext, spot: JobPart, memory_mb: int) -> PlannedAction:
    has_maximum = bool(fields(spot.find(context.job), "Resources").get("MemoryMaxMB"))
    names = ["Resources.MemoryMB", *(["Resources.MemoryMaxMB"] if has_maximum else [])]
    return with_changes(context, spot, lambda task: _set(task, memory_mb), names)


def _too_small(context: PlanContext, spot: JobPart, present: int) -> int:
    """The largest limit that did not help. Nomad keeps the versions of earlier attempts, also those taken back."""
    if Action.INCREASE_MEMORY not in context.tried:
        return present
    return max([present, *(_limit(spot.find(one)) for one in context.versions if _is_healed(one))])


def _set(task: Editable, memory_mb: int) -> None:
    resources = task["Resources"] = dict(task["Resources"])
    resources["MemoryMB"] = memory_mb
    if resources.get("MemoryMaxMB"):
        resources["MemoryMaxMB"] = memory_mb


def _ceiling(context: PlanContext, spot: JobPart, present: int) -> int:
    of_rule = context.rule.max_memory_mb or 2 * _first_limit(context, spot, present)
    if not context.node_memory_mb:
        return of_rule
    of_node = int(context.node_memory_mb * context.limits.node_memory_share) - context.node_reserved_mb
    return min(of_rule, of_node)


def _first_limit(context: PlanContext, spot: JobPart, present: int) -> int:
    """The limit that a person set last. A healed job carries the healing's ID; who registers it again drops that."""
    kept = sorted(context.versions, key=lambda one: number(one, "Version"), reverse=True)
    limits = [limit for one in kept if (limit := _limit(spot.find(one)))]
    by_people = [limit for one in kept if not _is_healed(one) and (limit := _limit(spot.find(one)))]
    return next(iter(by_people), limits[-1] if limits else present)


def _is_healed(version: JsonFields) -> bool:
    return HEALING_META in fields(version, "Meta")


def _limit(task: JsonFields) -> int:
    """What the task may use at most. Whether Nomad heeds MemoryMaxMB is its operator's choice, so a plan sets both."""
    resources = fields(task, "Resources")
    return max(number(resources, "MemoryMB"), number(resources, "MemoryMaxMB"))
