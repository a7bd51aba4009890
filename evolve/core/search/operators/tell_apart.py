"""Asks the reflector for several rules at once that tell the answers apart, from cases of each."""

from collections.abc import Mapping
from dataclasses import replace

from evolve.core.model.json_value import JsonValue
from evolve.core.search.operators._answer_cases import cases_of_answers, shown_cases
from evolve.core.search.operators._reflection import inputs_for
from evolve.core.search.operators._registry import Proposal, Situation, reflecting_operator
from evolve.core.search.operators._rules import MAX_RULES
from evolve.core.search.proposals import Refused, check_rules
from evolve.core.text.counts import count

_MOST = 6
"""Rules in one proposal."""
_RULE_CHARS = 160
"""Of one of them, on average."""


def _ask(situation: Situation) -> Mapping[str, JsonValue] | None:
    cases, most = cases_of_answers(situation), _room(situation)
    if not cases or most < 2:
        return None
    wish = (
        f"Write up to {most} new rules on how to tell the answers apart, those first that decide most cases: one "
        f"sentence a line, without numbers, together at most {_limit(situation)} characters.\n"
        f"Cases of each answer:\n{shown_cases(situation, cases)}"
    )
    return inputs_for(situation, (), wish)


def _room(situation: Situation) -> int:
    return min(_MOST, MAX_RULES - len(situation.genome.rules))


def _limit(situation: Situation) -> int:
    return max(1, _room(situation)) * _RULE_CHARS


@reflecting_operator("tell-apart", _ask, _limit, prior=(2.5, 1.0))
def tell_apart(situation: Situation, answer: str) -> Proposal | Refused:
    """Return the child with the reflector's rules at the end, or why they were refused."""
    genome = situation.genome
    rules = check_rules(answer, genome.rules, genome.instructions)
    if isinstance(rules, Refused):
        return rules
    added = rules[: _room(situation)]
    note = f"{count(len(added), 'rule')} by the reflector, the first: {added[0]}"
    return Proposal(replace(genome, rules=(*genome.rules, *added)), note)
