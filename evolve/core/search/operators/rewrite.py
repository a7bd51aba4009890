"""Asks the reflector to rewrite the longest section of the instructions."""

from collections.abc import Mapping
from dataclasses import replace

from evolve.core.model.agents import Section
from evolve.core.model.json_value import JsonValue
from evolve.core.search.operators._reflection import cluster, inputs_for
from evolve.core.search.operators._registry import Proposal, Situation, reflecting_operator
from evolve.core.search.proposals import Refused, check_section, names, section_limit


def _ask(situation: Situation) -> Mapping[str, JsonValue] | None:
    failures, longest = cluster(situation), _longest(situation)
    if not failures or longest is None:
        return None
    section = situation.genome.sections[longest]
    most = f"in at most {section_limit(section.body)} characters"
    wish = f"Rewrite the section '{section.title}' as a whole, {most}, so that these failures become right."
    named = [answer for answer in situation.answers if names(section.body, answer)]
    keep = f" Name each of these in it, as they are spelled: {', '.join(named)}." if named else ""
    return inputs_for(situation, failures, wish + keep)


def _limit(situation: Situation) -> int:
    longest = _longest(situation)
    return 0 if longest is None else section_limit(situation.genome.sections[longest].body)


@reflecting_operator("rewrite", _ask, _limit, prior=(0.8, 1.2))
def rewrite(situation: Situation, answer: str) -> Proposal | Refused:
    """Return the child whose longest section is the reflector's, or why it was refused."""
    longest = _longest(situation)
    assert longest is not None
    sections = situation.genome.sections
    old = sections[longest]
    body = check_section(answer, old.body, situation.genome.instructions)
    if isinstance(body, Refused):
        return body
    changed = (*sections[:longest], Section(old.title, body), *sections[longest + 1 :])
    return Proposal(replace(situation.genome, sections=changed), f"section {old.title} by the reflector")


def _longest(situation: Situation) -> int | None:
    sections = situation.genome.sections
    return max(range(len(sections)), key=lambda i: len(sections[i].body), default=None)
