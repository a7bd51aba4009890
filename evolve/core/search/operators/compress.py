"""Removes one line of the instructions: a line that does not help costs tokens and distracts."""

from dataclasses import replace

from evolve.core.model.agents import Section
from evolve.core.search.operators._registry import Proposal, Situation, operator


@operator("compress", prior=(0.6, 1.2))
def compress(situation: Situation) -> Proposal | None:
    """Remove one line; a section's only line is never removed."""
    sections = situation.genome.sections
    counts = [len(_lines(section)) for section in sections]
    spots = [(number, line) for number, count in enumerate(counts) if count > 1 for line in range(count)]
    if not spots:
        return None
    number, line = situation.rng.choice(spots)
    lines = _lines(sections[number])
    shorter = Section(sections[number].title, "\n".join([*lines[:line], *lines[line + 1 :]]).strip())
    changed = (*sections[:number], shorter, *sections[number + 1 :])
    return Proposal(replace(situation.genome, sections=changed), f"without the line: {lines[line]}")


def _lines(section: Section) -> list[str]:
    return [line for line in section.body.splitlines() if line.strip()]
