"""Asks the reflector to improve the parent's last rule, with a cluster of failures."""

from collections.abc import Mapping
from dataclasses import replace

from evolve.core.model.json_value import JsonValue
from evolve.core.search.operators._reflection import cluster, inputs_for
from evolve.core.search.operators._registry import Proposal, Situation, reflecting_operator
from evolve.core.search.proposals import MAX_RULE_CHARS, Refused, check_rule


def _ask(situation: Situation) -> Mapping[str, JsonValue] | None:
    failures, rules = cluster(situation), situation.genome.rules
    if not failures or not rules:
        return None
    limit = f"one sentence of at most {MAX_RULE_CHARS} characters"
    wish = f'Rewrite the rule "{rules[-1]}" in {limit}, so that these failures become right.'
    return inputs_for(situation, failures, wish)


@reflecting_operator("edit-rule", _ask, lambda _: MAX_RULE_CHARS)
def edit_rule(situation: Situation, answer: str) -> Proposal | Refused:
    """Return the child whose last rule is the reflector's wording, or why it was refused."""
    genome = situation.genome
    rule = check_rule(answer, genome.rules, genome.instructions)
    if isinstance(rule, Refused):
        return rule
    return Proposal(replace(genome, rules=(*genome.rules[:-1], rule)), f"the last rule by the reflector: {rule}")
