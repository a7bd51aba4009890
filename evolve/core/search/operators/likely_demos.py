"""Shows demos of the answer that the case's words point to, the most similar last."""

from dataclasses import replace

from evolve.core.retrieval.closed_answers import has_closed_part
from evolve.core.search.operators._demo_settings import settings_of, with_demos
from evolve.core.search.operators._registry import Proposal, Situation, operator
from evolve.core.text.counts import count

_COUNTS = (2, 3, 4)
"""Numbers of demos to choose from: all are of one answer, so that a few are enough."""
_VIEWS = (250, 250, 400)
"""Characters of a report to choose from, twice the shortest: a small model reads a short report better."""


@operator("likely-demos", prior=(3.0, 1.0))
def likely_demos(situation: Situation) -> Proposal | None:
    """Choose demos by answer and similarity, with reports short enough for a small model."""
    if not has_closed_part([task.label for task in situation.labelled]):
        return None
    genome = situation.genome
    chosen = situation.rng.choice(_COUNTS)
    view = min(situation.rng.choice(_VIEWS), genome.digest_chars) if genome.digest_chars else None
    settings = replace(settings_of(genome), select="likely", k=chosen)
    note = f"{count(chosen, 'demo')} of the likeliest answer" + (f", reports of {view} characters" if view else "")
    return Proposal(replace(with_demos(genome, settings, None), digest_chars=view), note)
