"""Asks the reflector to describe all answers at once, from cases of each.

A rewrite from one cluster of failures describes one answer well and leaves the others as they were; the model then
takes the one with the better description for everything.
"""

from collections.abc import Mapping

from evolve.core.model.json_value import JsonValue
from evolve.core.search.operators._answer_cases import cases_of_answers, shown_cases
from evolve.core.search.operators._reflection import inputs_for, with_section
from evolve.core.search.operators._registry import Proposal, Situation, reflecting_operator
from evolve.core.search.proposals import Refused, check_section, names

_LINE_CHARS = 140
"""Of one answer's description: about 25 words."""
_SHARE = 0.5
"""A section describes the answers when it names this share of them."""


def _ask(situation: Situation) -> Mapping[str, JsonValue] | None:
    number, cases = _describing(situation), cases_of_answers(situation)
    if number is None or not cases:
        return None
    section = situation.genome.sections[number]
    wish = (
        f"Rewrite the section '{section.title}' as a whole, in at most {_limit(situation)} characters: a list with one "
        f"line for each of {', '.join(situation.answers)}, spelled like that, at the start of its line. Say in each "
        f"line what its cases have in common that no other's have, in words that fit new cases of it, too.\n"
        f"Cases of each:\n{shown_cases(situation, cases)}"
    )
    return inputs_for(situation, (), wish)


def _limit(situation: Situation) -> int:
    number = _describing(situation)
    if number is None:
        return 0
    return max(len(situation.genome.sections[number].body), _LINE_CHARS * len(situation.answers))


@reflecting_operator("describe", _ask, _limit, prior=(3.0, 1.0))
def describe(situation: Situation, answer: str) -> Proposal | Refused:
    """Return the child whose descriptions of the answers are the reflector's, or why they were refused."""
    number = _describing(situation)
    assert number is not None
    old = situation.genome.sections[number]
    body = check_section(answer, old.body, situation.genome.instructions, most=_limit(situation))
    if isinstance(body, Refused):
        return body
    note = f"section {old.title} by the reflector, from cases of all answers"
    return Proposal(with_section(situation.genome, number, body), note)


def _describing(situation: Situation) -> int | None:
    """The section that names most of the answers; None where none names half of them."""
    if not situation.answers:
        return None
    named = [sum(names(section.body, one) for one in situation.answers) for section in situation.genome.sections]
    most = max(named, default=0)
    return named.index(most) if most >= _SHARE * len(situation.answers) else None
