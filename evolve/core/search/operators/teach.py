"""Shows the agent its own right answers as demos, with what it wrote before them."""

import json
from dataclasses import replace

from evolve.core.model.agents import DemoSettings
from evolve.core.search.operators._demo_settings import BANK
from evolve.core.search.operators._registry import Proposal, Situation, operator
from evolve.core.search.tasks import Score
from evolve.core.text.counts import count

_COUNTS = (2, 3)
"""Numbers of demos to choose from: a reasoned answer is several times as long as a label."""


@operator("teach", prior=(1.5, 1.0))
def teach(situation: Situation) -> Proposal | None:
    """Show the nearest of the train cases that the parent passed, with its whole answers.

    None where a demo of the label would be the same: the parent writes nothing before its answers, and each case has a
    label. None also for fewer than two passes.
    """
    genome, passes = situation.genome, situation.passes
    is_new = bool(genome.scratch) or any(task.label is None for task in passes)
    if not is_new or len(passes) < _COUNTS[0]:
        return None
    taught = tuple((task.id, _whole(situation.parent.scores[task.id])) for task in passes)
    settings = DemoSettings(BANK, "nearest", k=situation.rng.choice(_COUNTS))
    made = replace(genome, demos=settings, demo_ids=tuple(task.id for task in passes), taught=taught)
    return Proposal(made, f"{count(settings.k, 'demo')} of its own right answers, out of {len(passes)}")


def _whole(score: Score) -> str:
    """The answer as JSON text, with what was written before it."""
    thought, output = score.thought, score.output
    whole = {**thought, **output} if isinstance(thought, dict) and isinstance(output, dict) else output
    return json.dumps(whole, ensure_ascii=False)
