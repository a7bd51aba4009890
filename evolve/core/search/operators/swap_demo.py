"""Replaces one fixed demo by a case that the parent fails, with the same answer if there is such a case."""

from dataclasses import replace

from evolve.core.search.genome import OWN_BANK
from evolve.core.search.operators._registry import Proposal, Situation, operator


@operator("swap-demo")
def swap_demo(situation: Situation) -> Proposal | None:
    """Replace one demo of a parent with fixed demos."""
    genome = situation.genome
    ids = () if genome.demo_ids in (None, (OWN_BANK,)) else genome.demo_ids
    failed = [task for task in situation.failures if task.label is not None and task.id not in ids]
    if not failed or not ids or genome.demos is None or genome.demos.select != "static":
        return None
    spot = situation.rng.choice(range(len(ids)))
    old = situation.tasks.get(ids[spot])
    same = [task for task in failed if old is not None and task.label == old.label]
    chosen = situation.rng.choice(same or failed)
    swapped = (*ids[:spot], chosen.id, *ids[spot + 1 :])
    return Proposal(replace(genome, demo_ids=swapped), f"fixed demo {spot + 1} is now {chosen.description}")
