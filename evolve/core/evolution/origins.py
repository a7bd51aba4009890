"""Where a candidate comes from: the versions of the agent that people wrote, among it and its ancestors."""

from collections.abc import Mapping

from evolve.core.model.evolution_events import BY_HAND, CandidateInfo


def origins(candidates: Mapping[str, CandidateInfo], name: str) -> tuple[str, ...]:
    """Return the notes of the hand-written candidates that a candidate is or was made of, in the order of proposal.

    Args:
        candidates: of a run, by id, in the order of proposal.
        name: the candidate's id.
    """
    line: set[str] = set()
    waiting = [name]
    while waiting:
        info = candidates.get(waiting.pop())
        if info is not None and info.id not in line:
            line.add(info.id)
            waiting += info.parents
    return tuple(info.note for info in candidates.values() if info.id in line and info.operator == BY_HAND)
