"""Asks the reflector to rewrite the section that the failures point to, else one after the other."""

from collections.abc import Mapping

from evolve.core.model.json_value import JsonValue
from evolve.core.search.components import blamed_sections
from evolve.core.search.operators._reflection import cluster, evidence, inputs_for, with_section
from evolve.core.search.operators._registry import Proposal, Situation, reflecting_operator
from evolve.core.search.proposals import Refused, check_section, names, section_limit


def _ask(situation: Situation) -> Mapping[str, JsonValue] | None:
    failures, number = cluster(situation), _blamed(situation)
    if not failures or number is None:
        return None
    section = situation.genome.sections[number]
    most = f"in at most {section_limit(section.body)} characters"
    wish = f"Rewrite the section '{section.title}' as a whole, {most}, so that these failures become right."
    named = [answer for answer in situation.answers if names(section.body, answer)]
    keep = f" Name each of these in it, as they are spelled: {', '.join(named)}." if named else ""
    return inputs_for(situation, failures, wish + keep)


def _limit(situation: Situation) -> int:
    number = _blamed(situation)
    return 0 if number is None else section_limit(situation.genome.sections[number].body)


@reflecting_operator("rewrite", _ask, _limit, prior=(0.8, 1.2))
def rewrite(situation: Situation, answer: str) -> Proposal | Refused:
    """Return the child whose section is the reflector's, or why it was refused."""
    number = _blamed(situation)
    assert number is not None
    old = situation.genome.sections[number]
    body = check_section(answer, old.body, situation.genome.instructions)
    if isinstance(body, Refused):
        return body
    return Proposal(with_section(situation.genome, number, body), f"section {old.title} by the reflector")


def _blamed(situation: Situation) -> int | None:
    """The section to rewrite; a parent's next child gets the next one, so that no section takes all questions."""
    sections = situation.genome.sections
    if not sections:
        return None
    numbers = blamed_sections(sections, evidence(situation)) or range(len(sections))
    return numbers[situation.parent.children % len(numbers)]
