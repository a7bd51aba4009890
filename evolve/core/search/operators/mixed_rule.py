"""Asks the reflector for ONE rule that fits failures of several kinds."""

from collections.abc import Mapping
from dataclasses import replace

from evolve.core.model.json_value import JsonValue
from evolve.core.search.operators._reflection import MOST_FAILURES, inputs_for
from evolve.core.search.operators._registry import Proposal, Situation, reflecting_operator
from evolve.core.search.operators._rules import MAX_RULES, label_text
from evolve.core.search.proposals import MAX_RULE_CHARS, Refused, check_rule


def _ask(situation: Situation) -> Mapping[str, JsonValue] | None:
    failures = situation.failures
    kinds = {label_text(task.label) for task in failures if task.label is not None}
    if len(kinds) < 2 or len(situation.genome.rules) >= MAX_RULES:
        return None
    drawn = situation.rng.sample(failures, min(MOST_FAILURES, len(failures)))
    limit = f"one sentence of at most {MAX_RULE_CHARS} characters"
    return inputs_for(situation, drawn, f"Write ONE new rule, {limit}, on how to tell these right answers apart.")


@reflecting_operator("mixed-rule", _ask, lambda _: MAX_RULE_CHARS)
def mixed_rule(situation: Situation, answer: str) -> Proposal | Refused:
    """Return the child with the reflector's rule at the end, or why the rule was refused."""
    genome = situation.genome
    rule = check_rule(answer, genome.rules, genome.instructions)
    if isinstance(rule, Refused):
        return rule
    return Proposal(
        replace(genome, rules=(*genome.rules, rule)), f"a rule for several answers, by the reflector: {rule}"
    )
