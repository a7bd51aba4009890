"""Asks the reflector for ONE rule that fixes ONE cluster of failures."""

from collections.abc import Mapping
from dataclasses import replace

from evolve.core.model.json_value import JsonValue
from evolve.core.search.operators._reflection import cluster, inputs_for
from evolve.core.search.operators._registry import Proposal, Situation, reflecting_operator
from evolve.core.search.operators._rules import MAX_RULES
from evolve.core.search.proposals import MAX_RULE_CHARS, Refused, check_rule


def _ask(situation: Situation) -> Mapping[str, JsonValue] | None:
    failures = cluster(situation)
    if not failures or len(situation.genome.rules) >= MAX_RULES:
        return None
    return inputs_for(
        situation,
        failures,
        f"Write ONE new rule, one sentence of at most {MAX_RULE_CHARS} characters, that makes these failures right.",
    )


@reflecting_operator("reflect-rule", _ask, lambda _: MAX_RULE_CHARS, prior=(2.0, 1.0))
def reflect_rule(situation: Situation, answer: str) -> Proposal | Refused:
    """Return the child with the reflector's rule at the end, or why the rule was refused."""
    genome = situation.genome
    rule = check_rule(answer, genome.rules, genome.instructions)
    if isinstance(rule, Refused):
        return rule
    return Proposal(replace(genome, rules=(*genome.rules, rule)), f"a rule by the reflector: {rule}")
