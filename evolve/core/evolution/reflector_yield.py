"""What each reflector's answers were worth, by a run's events."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from evolve.core.evolution.candidate import CandidateRecord
from evolve.core.model.evolution_events import ProposalRejected

_MALFORMED = frozenset({"empty", "no-json", "control-characters", "fence", "chat", "no-answer"})
"""Kinds of refusals of answers that are no proposal at all."""
UNREACHABLE = "unreachable"
"""Kind of the refusal where the reflector's endpoint failed: there was no answer that could be read."""


@dataclass(frozen=True, slots=True)
class ReflectorYield:
    """One reflector's yield. Each question ends unreachable, malformed, a duplicate, refused, or as a candidate."""

    reflector: str
    """Its provider."""
    asked: int = 0
    malformed: int = 0
    """No answer, or no text in it that could be read."""
    duplicate: int = 0
    """The same as the agent's own text, a rule or a candidate before."""
    refused: int = 0
    """Too long, copied from a case, without an answer that must be named, and others."""
    screened: int = 0
    """Candidates that passed their screening."""
    won: int = 0
    """Candidates that were better than their parent in the race."""
    unreachable: int = 0
    """Its endpoint failed."""


def reflector_yields(
    candidates: Mapping[str, CandidateRecord], rejected: Sequence[ProposalRejected]
) -> list[ReflectorYield]:
    """Return the yields, the reflector that was asked first first."""
    refusals = [event for event in rejected if event.reflector]
    children = [one for one in candidates.values() if one.info.reflector]
    names = dict.fromkeys([*(one.info.reflector for one in children), *(event.reflector for event in refusals)])
    return [
        _yield_of(
            name,
            [event.kind for event in refusals if event.reflector == name],
            [one for one in children if one.info.reflector == name],
        )
        for name in names
    ]


def _yield_of(name: str, kinds: Sequence[str], children: Sequence[CandidateRecord]) -> ReflectorYield:
    malformed, duplicate = sum(kind in _MALFORMED for kind in kinds), kinds.count("repeat")
    unreachable = kinds.count(UNREACHABLE)
    return ReflectorYield(
        name,
        asked=len(kinds) + len(children),
        malformed=malformed,
        duplicate=duplicate,
        refused=len(kinds) - malformed - duplicate - unreachable,
        screened=sum(one.status not in ("proposed", "screened out") for one in children),
        won=sum(one.status in ("accepted", "best") for one in children),
        unreachable=unreachable,
    )
