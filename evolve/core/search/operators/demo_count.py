"""Shows one demo more, or one less."""

from dataclasses import replace

from evolve.core.search.operators._demo_settings import MAX_DEMOS
from evolve.core.search.operators._registry import Proposal, Situation, operator


@operator("demo-count")
def demo_count(situation: Situation) -> Proposal | None:
    """For parents whose demos are chosen for each case."""
    demos = situation.genome.demos
    if demos is None or demos.select == "static":
        return None
    counts = [count for count in (min(demos.k - 1, MAX_DEMOS), demos.k + 1) if 1 <= count <= MAX_DEMOS]
    count = situation.chance.choice(counts)
    return Proposal(replace(situation.genome, demos=replace(demos, k=count)), f"{demos.k} demos become {count}")
