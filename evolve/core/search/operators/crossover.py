"""Joins two candidates that win on different cases: the instructions and rules of one, the demos of the other."""

from dataclasses import replace

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
    own, others = parent.genome, partner.genome
    rules = tuple(dict.fromkeys((*own.rules, *others.rules)))[:MAX_RULES]
    joined = replace(
        own,
        rules=rules,
        demos=others.demos,
        demo_ids=others.demo_ids,
        taught=others.taught,
        scratch=own.scratch or others.scratch,
        digest_chars=others.digest_chars,
    )
    return Proposal(joined, f"rules of {parent.id} and {partner.id}, demos of {partner.id}")


def _adds(member: Candidate, parent: Candidate) -> int:
    """Return how many cases the member passes that the parent fails."""
    common = member.scores.keys() & parent.scores.keys()
    return sum(member.scores[i].value > parent.scores[i].value for i in common)
