"""Drops one rule."""

from dataclasses import replace

from evolve.core.search.operators._registry import Proposal, Situation, operator


@operator("drop-rule", prior=(0.6, 1.2))
def drop_rule(situation: Situation) -> Proposal | None:
    """Remove any one of the parent's rules."""
    rules = situation.genome.rules
    if not rules:
        return None
    spot = situation.rng.choice(range(len(rules)))
    kept = (*rules[:spot], *rules[spot + 1 :])
    return Proposal(replace(situation.genome, rules=kept), f"without the rule: {rules[spot]}")
