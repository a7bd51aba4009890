"""Adds a rule that names the words that point to an answer, by log-odds over the labelled cases, without a model."""

from collections import Counter
from dataclasses import replace

from evolve.core.search.operators._registry import Proposal, Situation, operator
from evolve.core.search.operators._rules import MAX_RULES, answer_text, label_text
from evolve.core.text.counts import count

_WORDS = 4
"""Words in a rule: one word alone is often a coincidence, and a long list is not followed."""


@operator("add-rule")
def add_rule(situation: Situation) -> Proposal | None:
    """Add one rule for the answer that the parent misses most often and that has no such rule yet."""
    genome, odds = situation.genome, situation.odds
    if odds is None or len(genome.rules) >= MAX_RULES:
        return None
    missed = Counter(label_text(task.label) for task in situation.failures if task.label is not None)
    for answer, number in sorted(missed.items(), key=lambda item: (-item[1], item[0])):
        rule = _rule(odds.strongest_words(answer, _WORDS), answer)
        if rule and rule not in genome.rules:
            return Proposal(
                replace(genome, rules=(*genome.rules, rule)), f"a rule for {count(number, 'failure')}: {rule}"
            )
    return None


def _rule(words: list[str], answer: str) -> str:
    listed = ", ".join(f'"{word}"' for word in words)
    return f"Words such as {listed} speak for {answer_text(answer)}." if words else ""
