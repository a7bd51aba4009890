"""How much memory of a node is promised to other tasks than the one that failed (promise P7)."""

from collections.abc import Iterable, Mapping

from evolve.core.incidents.reading import fields, number, text
from evolve.core.model.incidents import JsonFields

_LIVE = ("pending", "running", "unknown")


def reserved_mb(allocations: Iterable[JsonFields], failed: str, task: str) -> int:
    """Return the sum of all memory limits on a node, in MiB, without that of the task that failed.

    The other tasks of its allocation count although it ended: they come back with its replacement.

    Args:
        allocations: of the node, with their AllocatedResources; those that ended do not count.
        failed: the ID of the allocation that failed.
        task: the one of it that failed.
    """
    return sum(
        _limit(given)
        for one in allocations
        if text(one, "ID") == failed or _is_live(one)
        for name, given in fields(fields(one, "AllocatedResources"), "Tasks").items()
        if isinstance(given, Mapping) and not (text(one, "ID") == failed and name == task)
    )


def _is_live(one: JsonFields) -> bool:
    return text(one, "DesiredStatus") == "run" and text(one, "ClientStatus") in _LIVE


def _limit(task: JsonFields) -> int:
    return number(fields(task, "Memory"), "MemoryMB")
