"""Moves one rule to the top: a small model follows the first rule most."""

from dataclasses import replace

from evolve.core.search.operators._registry import Proposal, Situation, operator


@operator("reorder-rules", prior=(0.6, 1.2))
def reorder_rules(situation: Situation) -> Proposal | None:
    """Move any rule but the first to the top."""
    rules = situation.genome.rules
    if len(rules) < 2:
        return None
    spot = situation.rng.choice(range(1, len(rules)))
    moved = (rules[spot], *rules[:spot], *rules[spot + 1 :])
    return Proposal(replace(situation.genome, rules=moved), f"first of all: {rules[spot]}")
