"""Asks the reflector for what makes one case right for another candidate and wrong for the parent."""

from collections.abc import Mapping
from dataclasses import replace

from evolve.core.model.json_value import JsonValue
from evolve.core.search.operators._reflection import inputs_for
from evolve.core.search.operators._registry import Proposal, Situation, reflecting_operator
from evolve.core.search.operators._rules import MAX_RULES, label_text
from evolve.core.search.population import Candidate
from evolve.core.search.proposals import MAX_RULE_CHARS, Refused, check_rule

_SHOWN_CHARS = 600
"""Of what the other candidate reads and the parent does not."""


def _ask(situation: Situation) -> Mapping[str, JsonValue] | None:
    pairs = [
        (task, member)
        for task in situation.failures
        for member in situation.population
        if task.id in member.scores and member.scores[task.id].passed
    ]
    if not pairs or len(situation.genome.rules) >= MAX_RULES:
        return None
    task, other = situation.rng.choice(pairs)
    answer = label_text(other.scores[task.id].output)
    differs = _more(situation.parent, other)[:_SHOWN_CHARS]
    wish = (
        f"Another version of the agent answered this case right: {answer}. Its difference: {differs}\n"
        f"Write ONE new rule, one sentence of at most {MAX_RULE_CHARS} characters, on what decides such cases."
    )
    return inputs_for(situation, [task], wish)


def _more(parent: Candidate, other: Candidate) -> str:
    """What the other candidate reads and the parent does not, else how it was made."""
    known = set(parent.genome.instructions.splitlines())
    lines = [line for line in other.genome.instructions.splitlines() if line not in known]
    return "\n".join(lines) or other.note


@reflecting_operator("contrast", _ask, lambda _: MAX_RULE_CHARS)
def contrast(situation: Situation, answer: str) -> Proposal | Refused:
    """Return the child with the reflector's rule at the end, or why the rule was refused."""
    genome = situation.genome
    rule = check_rule(answer, genome.rules, genome.instructions)
    if isinstance(rule, Refused):
        return rule
    return Proposal(replace(genome, rules=(*genome.rules, rule)), f"a rule from a contrast, by the reflector: {rule}")
