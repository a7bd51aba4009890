"""Lets the agent write a sentence before its answer, or takes that away again."""

from dataclasses import replace

from evolve.core.evaluation.scratch import can_think, drop_scratch, field_names
from evolve.core.search.operators._registry import Proposal, Situation, operator

_NAMES = ("why", "reason", "thought")
"""Names of the field, the first that the output does not have itself."""


@operator("think", prior=(2.0, 1.0))
def think(situation: Situation) -> Proposal | None:
    """Add a scratch field before the output's first field; None where there is one, or the output has no fields."""
    genome, own = situation.genome, field_names(situation.output)
    if genome.scratch or not can_think(situation.output):
        return None
    name = next((name for name in _NAMES if name not in own), None)
    if name is None:
        return None
    return Proposal(replace(genome, scratch=(name,)), f"writes {name!r} before the answer")


@operator("answer-at-once", prior=(0.6, 1.2))
def answer_at_once(situation: Situation) -> Proposal | None:
    """Take the scratch fields away: each costs several times the tokens of an answer."""
    genome = situation.genome
    if not genome.scratch:
        return None
    taught = tuple((name, str(drop_scratch(answer, genome.scratch))) for name, answer in genome.taught)
    return Proposal(replace(genome, scratch=(), taught=taught), "answers at once, without writing before")
