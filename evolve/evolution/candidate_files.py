"""Reads the versions of an agent that people wrote, and refuses those that the search cannot measure as written."""

from collections.abc import Iterator, Sequence

from evolve.core.formats.front_matter import read_front_matter
from evolve.core.model.agents import Agent, Demo
from evolve.core.model.errors import InputError, Location, Problem
from evolve.core.search.case_index import CaseIndex
from evolve.core.search.genome import incumbent_of
from evolve.core.search.hand_written import (
    Difference,
    HandWritten,
    contract_differences,
    foreign_demos,
    genome_of_file,
    text_differences,
)
from evolve.core.search.tasks import Task
from evolve.core.templating.templates import Templates
from evolve.store.agents import find_agent, load_agent, load_demos


def read_candidates(
    files: Sequence[str], agent: Agent, own: Sequence[Demo], tasks: Sequence[Task]
) -> tuple[HandWritten, ...]:
    """Return the candidates that people wrote, in the order of their files.

    Args:
        files: their paths, or names as `find_agent` takes them.
        agent: the agent that they are versions of.
        own: its bank of demos.
        tasks: all cases, those of the split `test` too.

    Raises:
        InputError: every problem of all files.
    """
    if not files:
        return ()
    index = CaseIndex(agent, tasks, Templates("strict").render)
    found: list[HandWritten] = []
    problems: list[Problem] = []
    for file in files:
        try:
            found.append(_read(file, agent, own, tasks, index))
        except InputError as error:
            problems += error.problems
    problems += _repeats(found)
    if problems:
        raise InputError(problems)
    return tuple(found)


def _read(file: str, agent: Agent, own: Sequence[Demo], tasks: Sequence[Task], index: CaseIndex) -> HandWritten:
    path = find_agent(file)
    written = load_agent(path)
    demos, text = load_demos(written, path), path.read_text(encoding="utf-8")
    differences = [*contract_differences(written, agent), *foreign_demos(demos, own, tasks)]
    if differences:
        raise InputError(_problem(one, text, str(path)) for one in differences)
    genome = genome_of_file(written, demos, own, tasks)
    faults = text_differences(genome, incumbent_of(agent), agent.output, tasks, lambda task: index.keys[task.id])
    if problems := [_problem(one, text, str(path)) for one in faults]:
        raise InputError(problems)
    return HandWritten(file, genome)


def _problem(difference: Difference, text: str, file: str) -> Problem:
    """The difference at its place in the file; one of the text, or of a key that is missing, has only the file."""
    found = read_front_matter(text, file)
    where = found.document.locate_key(difference.key) if difference.key in found.settings else Location(file)
    return Problem(difference.message, where, difference.hint)


def _repeats(found: Sequence[HandWritten]) -> Iterator[Problem]:
    first: dict[str, str] = {}
    for one in found:
        if one.genome.id in first:
            message = f"it is the same prompt as {first[one.genome.id]}"
            yield Problem(message, Location(one.file), "pass it once")
        first.setdefault(one.genome.id, one.file)
