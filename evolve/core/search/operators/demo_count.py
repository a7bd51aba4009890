"""Shows one more demo, or one fewer."""

from dataclasses import replace

from evolve.core.search.operators._demo_settings import MAX_DEMOS
from evolve.core.search.operators._registry import Proposal, Situation, operator
from evolve.core.text.counts import count


@operator("demo-count")
def demo_count(situation: Situation) -> Proposal | None:
    """Change the number of demos by one, for parents whose demos are chosen for each case."""
    demos = situation.genome.demos
    if demos is None or demos.select == "static":
        return None
    numbers = [k for k in (min(demos.k - 1, MAX_DEMOS), demos.k + 1) if 1 <= k <= MAX_DEMOS]
    chosen = situation.rng.choice(numbers)
    become = "becomes" if demos.k == 1 else "become"
    note = f"{count(demos.k, 'demo')} {become} {chosen}"
    return Proposal(replace(situation.genome, demos=replace(demos, k=chosen)), note)
