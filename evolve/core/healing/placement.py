"""Jobs that no node takes: why, and that a plan must not be carried out."""

from collections.abc import Iterable

from evolve.core.model.healing import Refused


def not_placed(consequence: str) -> Refused:
    """Return the refusal of an action that needs an allocation.

    Nomad itself places the job as soon as there is room (its evaluation is blocked, recording 17).
    """
    return Refused(f"placement: no node took the job, and {consequence}")


def placement_problem(failures: Iterable[str], warnings: str = "") -> str:
    """Return why a plan cannot be placed; empty where every group has a place.

    Args:
        failures: the names of the groups that no node could take, as the plan's FailedTGAllocs has them.
        warnings: Nomad's, which are added to the reason. Alone they are no problem: most are about deprecated fields.
    """
    groups = sorted(failures)
    if not groups:
        return ""
    return f"placement: no node takes {', '.join(groups)}" + (f" ({' '.join(warnings.split())})" if warnings else "")
