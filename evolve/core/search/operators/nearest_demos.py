"""Shows the demos that are most similar to the case, the most similar last."""

from dataclasses import replace

from evolve.core.search.operators._demo_settings import settings_of, with_demos
from evolve.core.search.operators._registry import Proposal, Situation, operator
from evolve.core.text.counts import count

_COUNTS = (2, 4, 6)
"""Numbers of demos to choose from; more than for likely demos, because the nearest ones have several answers."""
_VIEWS = (250, 400)
"""Characters of a report to choose from: the case and its demos must fit a small model's context together."""


@operator("nearest-demos", prior=(2.0, 1.0))
def nearest_demos(situation: Situation) -> Proposal | None:
    """Choose the nearest neighbours of the case among all labelled train cases."""
    if len(situation.labelled) < _COUNTS[0]:
        return None
    genome = situation.genome
    chosen = situation.rng.choice(_COUNTS)
    view = min(situation.rng.choice(_VIEWS), genome.digest_chars) if genome.digest_chars else None
    settings = replace(settings_of(genome), select="nearest", k=chosen)
    note = f"the {count(chosen, 'nearest demo')}" + (f", reports of {view} characters" if view else "")
    return Proposal(replace(with_demos(genome, settings, None), digest_chars=view), note)
