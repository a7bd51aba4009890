"""Shows more of a report, or less."""

from dataclasses import replace

from evolve.core.search.operators._registry import Proposal, Situation, operator

_VIEWS = (150, 250, 400, 700, 1200)


@operator("view")
def view(situation: Situation) -> Proposal | None:
    """Take the next longer or shorter digest, for agents that read reports."""
    now = situation.genome.digest_chars
    if now is None:
        return None
    shorter, longer = [v for v in _VIEWS if v < now][-1:], [v for v in _VIEWS if v > now][:1]
    chosen = situation.chance.choice([*shorter, *longer])
    return Proposal(replace(situation.genome, digest_chars=chosen), f"reports of {chosen} characters instead of {now}")
