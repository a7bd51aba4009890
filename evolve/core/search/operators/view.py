"""Shows more or less of each report."""

from dataclasses import replace

from evolve.core.search.operators._registry import Proposal, Situation, operator

_VIEWS = (150, 250, 400, 700, 1200)
"""Characters of a report to choose from; each is about 1.7 times the one before, so that a step makes a difference."""


@operator("view")
def view(situation: Situation) -> Proposal | None:
    """Take the next longer or shorter digest, for agents that read reports."""
    now = situation.genome.digest_chars
    if now is None:
        return None
    shorter, longer = [v for v in _VIEWS if v < now][-1:], [v for v in _VIEWS if v > now][:1]
    chosen = situation.rng.choice([*shorter, *longer])
    return Proposal(replace(situation.genome, digest_chars=chosen), f"reports of {chosen} characters instead of {now}")
