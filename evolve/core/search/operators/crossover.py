"""Joins two candidates that win on different cases: each component comes from the parent that wins more with it."""

from collections.abc import Sequence
from dataclasses import replace

from evolve.core.search.components import RULES, Component, differing, wins
from evolve.core.search.genome import Genome
from evolve.core.search.operators._registry import Proposal, Situation, operator
from evolve.core.search.operators._rules import MAX_RULES
from evolve.core.search.population import Candidate, choose_weighted


@operator("crossover")
def crossover(situation: Situation) -> Proposal | None:
    """Join the parent with a partner, chosen by how many cases it passes that the parent fails."""
    parent = situation.parent
    partners = [member for member in situation.population if member.id != parent.id and _adds(member, parent)]
    if not partners:
        return None
    partner = choose_weighted(partners, [float(_adds(member, parent)) for member in partners], situation.rng)
    apart = list(differing(parent.genome, partner.genome))
    if len(apart) < 2:  # the child would be one of the two
        return None
    taken = _from_partner(apart, parent.genome, partner.genome, situation.population)
    child = parent.genome
    for component in taken:
        child = component.take(child, partner.genome)
    child = replace(child, rules=child.rules[:MAX_RULES])
    if child in (parent.genome, partner.genome):
        return None
    names = ", ".join(dict.fromkeys(component.name for component in taken))
    return Proposal(child, f"{names} of {partner.id}, the rest of {parent.id}")


def _from_partner(
    apart: Sequence[Component], own: Genome, other: Genome, population: Sequence[Candidate]
) -> list[Component]:
    """The components that are better in the partner; at least one of them, and not all.

    Of two that win equally often, the one that is not the current agent's is taken: it was accepted for something. A
    rule is taken rather than left out.
    """
    first = population[0].genome
    leads = []
    for component in apart:
        mine, theirs = component.value(own), component.value(other)
        lead = float(wins(component, theirs, population) - wins(component, mine, population))
        is_taken = bool(theirs) if component.name == RULES else mine == component.value(first)
        leads.append(lead or (0.5 if is_taken else -0.5))
    best, worst = leads.index(max(leads)), len(leads) - 1 - leads[::-1].index(min(leads))
    return [c for spot, c in enumerate(apart) if spot == best or (leads[spot] > 0 and spot != worst)]


def _adds(member: Candidate, parent: Candidate) -> int:
    """Return how many cases the member passes that the parent fails."""
    common = member.scores.keys() & parent.scores.keys()
    return sum(member.scores[i].value > parent.scores[i].value for i in common)
