"""Removes one line of the instructions: a line that does not help costs tokens and distracts."""

from dataclasses import replace

from evolve.core.model.agents import Section
from evolve.core.search.operators._registry import Proposal, Situation, operator
from evolve.core.search.proposals import names


@operator("compress", prior=(0.6, 1.2))
def compress(situation: Situation) -> Proposal | None:
    """Remove one line; a section's only line is never removed, nor the only one that names an answer."""
    sections = situation.genome.sections
    counts = [len(_lines(section)) for section in sections]
    lines = [(number, line) for number, count in enumerate(counts) if count > 1 for line in range(count)]
    spots = [spot for spot in lines if _names_the_same(situation, _without(sections, *spot))]
    if not spots:
        return None
    number, line = situation.rng.choice(spots)
    changed = replace(situation.genome, sections=_without(sections, number, line))
    return Proposal(changed, f"without the line: {_lines(sections[number])[line]}")


def _without(sections: tuple[Section, ...], number: int, line: int) -> tuple[Section, ...]:
    lines = _lines(sections[number])
    shorter = Section(sections[number].title, "\n".join([*lines[:line], *lines[line + 1 :]]).strip())
    return (*sections[:number], shorter, *sections[number + 1 :])


def _names_the_same(situation: Situation, sections: tuple[Section, ...]) -> bool:
    before, after = situation.genome.instructions, replace(situation.genome, sections=sections).instructions
    return all(names(after, answer) for answer in situation.answers if names(before, answer))


def _lines(section: Section) -> list[str]:
    return [line for line in section.body.splitlines() if line.strip()]
