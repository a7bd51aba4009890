"""The components of an agent: its sections in their order, its rules, and how demos and answers are made.

A component is what one edit changes and what a crossover takes as a whole. Agents have any number of sections: a
planner's prompt, descriptions of tools and an answer's prompt are sections with names.
"""

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from evolve.core.model.agents import Section
from evolve.core.search.genome import Genome
from evolve.core.search.population import Candidate

RULES = "rules"
"""Name of the components that are one rule each; their value is whether a genome has the rule."""
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Component:
    """One component of two genomes."""

    name: str
    value: Callable[[Genome], object]
    """What a genome has there; equal values are the same component."""
    take: Callable[[Genome, Genome], Genome]
    """The first genome with the second one's component."""


def differing(own: Genome, other: Genome) -> Iterator[Component]:
    """Yield the components in which two genomes differ, in the order of the agent's file; each rule is one."""
    for title in _shared_titles(own, other):
        yield from _if_differs(Component(title, _body(title), _with_section(title)), own, other)
    for rule in dict.fromkeys((*own.rules, *other.rules)):
        yield from _if_differs(Component(RULES, _has_rule(rule), _with_rule(rule)), own, other)
    for component in _SETTINGS:
        yield from _if_differs(component, own, other)


def wins(component: Component, value: object, population: Sequence[Candidate]) -> int:
    """Return on how many cases the members with this value do better than those with another, on average.

    All members count, not only two parents: what several of them have in common is measured on all their answers.
    """
    having = [member for member in population if component.value(member.genome) == value]
    lacking = [member for member in population if component.value(member.genome) != value]
    cases = {case for member in having for case in member.scores}
    pairs = ((_mean_on(case, having), _mean_on(case, lacking)) for case in cases)
    return sum(mine is not None and others is not None and mine > others for mine, others in pairs)


def blamed_sections(sections: Sequence[Section], evidence: Sequence[str]) -> list[int]:
    """Return the numbers of the sections that failures point to, the most blamed first; empty where none is.

    A section is blamed by the words that it shares with a failure (its answers and reasons, an agent's trace). Words
    that all sections have say nothing; a word of a single section says most.

    Args:
        sections: in their order.
        evidence: one text for each failure.
    """
    words = [_words(f"{section.title} {section.body}") for section in sections]
    blame = [0.0] * len(sections)
    for text in evidence:
        for word in sorted(_words(text)):
            having = [number for number, own in enumerate(words) if word in own]
            for number in having:
                blame[number] += math.log(len(sections) / len(having)) / len(having)
    return sorted((n for n, weight in enumerate(blame) if weight > 0), key=lambda number: (-blame[number], number))


def _words(text: str) -> set[str]:
    return set(_WORD.findall(text.lower()))


def _mean_on(case: str, members: Sequence[Candidate]) -> float | None:
    known = [member.scores[case].value for member in members if case in member.scores]
    return sum(known) / len(known) if known else None


def _if_differs(component: Component, own: Genome, other: Genome) -> Iterator[Component]:
    if component.value(own) != component.value(other):
        yield component


def _shared_titles(own: Genome, other: Genome) -> list[str]:
    theirs = {section.title for section in other.sections}
    return list(dict.fromkeys(section.title for section in own.sections if section.title in theirs))


def _body(title: str) -> Callable[[Genome], object]:
    return lambda genome: tuple(section.body for section in genome.sections if section.title == title)


def _with_section(title: str) -> Callable[[Genome, Genome], Genome]:
    def take(child: Genome, source: Genome) -> Genome:
        # Two sections of one title are one component: their bodies are taken in turn.
        bodies = iter([section.body for section in source.sections if section.title == title])
        sections = tuple(
            replace(section, body=next(bodies, section.body)) if section.title == title else section
            for section in child.sections
        )
        return replace(child, sections=sections)

    return take


def _has_rule(rule: str) -> Callable[[Genome], object]:
    return lambda genome: rule in genome.rules


def _with_rule(rule: str) -> Callable[[Genome, Genome], Genome]:
    def take(child: Genome, source: Genome) -> Genome:
        others = tuple(known for known in child.rules if known != rule)
        return replace(child, rules=(*others, rule) if rule in source.rules else others)

    return take


def _take_demos(child: Genome, source: Genome) -> Genome:
    taken = replace(child, demos=source.demos, demo_ids=source.demo_ids, taught=source.taught)
    # Taught answers begin with what was written before them, which the schema must allow.
    return replace(taken, scratch=source.scratch) if source.taught else taken


def _take_scratch(child: Genome, source: Genome) -> Genome:
    return child if child.taught else replace(child, scratch=source.scratch)


_SETTINGS = (
    Component("demos", lambda genome: (genome.demos, genome.demo_ids, genome.taught), _take_demos),
    Component("scratch", lambda genome: genome.scratch, _take_scratch),
    Component(
        "view",
        lambda genome: genome.digest_chars,
        lambda child, source: replace(child, digest_chars=source.digest_chars),
    ),
)
"""What is a component besides sections and rules, in the order in which a crossover takes it."""
