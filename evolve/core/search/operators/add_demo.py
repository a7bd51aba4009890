"""Adds one fixed demo: a case that the parent fails, of an answer that its fixed demos do not show yet."""

from dataclasses import replace

from evolve.core.search.genome import OWN_BANK
from evolve.core.search.operators._demo_settings import MAX_DEMOS, settings_of, with_demos
from evolve.core.search.operators._registry import Proposal, Situation, operator


@operator("add-demo")
def add_demo(situation: Situation) -> Proposal | None:
    """Add a fixed demo at the end; None if no failed case is left or there are eight demos."""
    genome = situation.genome
    is_fixed = genome.demos is not None and genome.demos.select == "static" and genome.demo_ids != (OWN_BANK,)
    known = (genome.demo_ids or ()) if is_fixed else ()
    shown = {str(situation.tasks[i].label) for i in known if i in situation.tasks}
    failed = [task for task in situation.failures if task.label is not None and task.id not in known]
    new = [task for task in failed if str(task.label) not in shown] or failed
    if not new or len(known) >= MAX_DEMOS:
        return None
    chosen = situation.rng.choice(new)
    ids = (*known, chosen.id)
    settings = replace(settings_of(genome), select="static", k=len(ids))
    return Proposal(with_demos(genome, settings, ids), f"a fixed demo: {chosen.description or chosen.family}")
