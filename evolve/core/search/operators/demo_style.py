"""Shows demos as chat turns, or as text in the case's own message."""

from dataclasses import replace

from evolve.core.search.operators._registry import Proposal, Situation, operator


@operator("demo-style", prior=(0.6, 1.2))
def demo_style(situation: Situation) -> Proposal | None:
    """Change chat turns to text, or text to chat turns."""
    demos = situation.genome.demos
    if demos is None:
        return None
    changed = replace(demos, style="text" if demos.style == "turns" else "turns")
    return Proposal(replace(situation.genome, demos=changed), f"demos as {changed.style}")
