"""Prompts that people wrote, as candidates of a search: what such a file may change of its agent, and its genome.

A search changes an agent's prompt and never its contract. So a file that changes more is refused: what the search would
measure is not what its author wrote.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from evolve.core.model.agents import CASE_SECTION, Agent, Demo
from evolve.core.model.families import SPLITS
from evolve.core.model.json_value import JsonValue
from evolve.core.search.genome import OWN_BANK, Genome, genome_of
from evolve.core.search.proposal_guard import ProposalGuard, answers_of
from evolve.core.search.tasks import Task


@dataclass(frozen=True, slots=True)
class HandWritten:
    """A candidate that a person wrote."""

    file: str
    genome: Genome

    @property
    def note(self) -> str:
        """Where it comes from, as archive and reports say it."""
        return f"written by hand: {self.file}"


@dataclass(frozen=True, slots=True)
class Difference:
    """What is wrong with a file, and where in its front matter."""

    key: str
    """Of the front matter; empty for the file's text."""
    message: str
    hint: str = ""


def contract_differences(written: Agent, agent: Agent) -> Iterator[Difference]:
    """Yield what of the agent's contract a file changes."""
    yield from _input_differences(written, agent)
    if written.output != agent.output:
        lost = [answer for answer in answers_of(agent.output) if answer not in answers_of(written.output)]
        new = [answer for answer in answers_of(written.output) if answer not in answers_of(agent.output)]
        found = [f"{name} {', '.join(listed)}" for name, listed in (("it lacks", lost), ("it adds", new)) if listed]
        yield Difference("output", f"expected the schema of {agent.title}: {_detail(found)}", _COPY)
    if written.copy != agent.copy:
        yield Difference(
            "copy", f"expected {_listed(agent.copy)}, as in {agent.title}, got {_listed(written.copy)}", _COPY
        )
    if written.model not in ("", agent.model):
        hint = "leave the agent's model there, and pass --provider to evolve on another one"
        yield Difference("model", f"expected {agent.model}, as in {agent.title}, got {written.model}", hint)
    if written.section(CASE_SECTION) != agent.section(CASE_SECTION):
        yield Difference("", f"## {CASE_SECTION} differs from that of {agent.title}", "no search changes that section")


def _input_differences(written: Agent, agent: Agent) -> Iterator[Difference]:
    # How much of a report is shown may differ: candidates of a search differ in that, too.
    mine, theirs = ({i.name: replace(i, digest_chars=None) for i in one.inputs} for one in (written, agent))
    if list(mine) != list(theirs):
        message = f"expected {_listed(theirs)}, as in {agent.title}, got {_listed(mine)}"
        yield Difference("inputs", message, _COPY)
        return
    for name in mine:
        if mine[name] != theirs[name]:
            yield Difference("inputs", f"{name!r} differs from that of {agent.title}", _COPY)
    chars = {i.digest_chars for i in written.inputs if i.digest_chars}
    if len(chars) > 1 or _digested(written) != _digested(agent):
        message = f"expected digests of the same inputs as in {agent.title}, all of one length"
        yield Difference("inputs", message, _COPY)


def _digested(agent: Agent) -> list[str]:
    return [item.name for item in agent.inputs if item.digest_chars]


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"


def _detail(found: Sequence[str]) -> str:
    return "; ".join(found) or "same answers, other fields or limits"


_COPY = "copy it from the agent's file"


def foreign_demos(demos: Sequence[Demo], own: Sequence[Demo], tasks: Sequence[Task]) -> Iterator[Difference]:
    """Yield the demos of a file that are no train cases with their right answer; the agent's own bank is fine."""
    known = _labelled(tasks)
    for number, demo in enumerate(() if _same_demos(demos, own) else demos, 1):
        if _key(demo.vars, demo.output) not in known:
            message = f"demo {number} of its bank is no train case with its right answer: {_shown(demo)}"
            yield Difference("demos", message, "add it to the suite, with `split: train`")


def genome_of_file(written: Agent, demos: Sequence[Demo], own: Sequence[Demo], tasks: Sequence[Task]) -> Genome:
    """Return the genome of a file without differences.

    Args:
        written: the file's agent.
        demos: its bank.
        own: the bank of the agent that is evolved.
        tasks: all cases.
    """
    genome = genome_of(written)
    if not genome.demos:
        return genome
    if _same_demos(demos, own):
        return replace(genome, demo_ids=(OWN_BANK,))
    known = _labelled(tasks)
    return replace(genome, demo_ids=tuple(known[_key(demo.vars, demo.output)] for demo in demos))


def text_differences(
    genome: Genome,
    incumbent: Genome,
    output: Mapping[str, JsonValue],
    tasks: Sequence[Task],
    shown: Callable[[Task], str],
) -> Iterator[Difference]:
    """Yield what a proposal of a reflector would be refused for, too: lost answers, and text of single cases.

    Args:
        genome: of the file.
        incumbent: the current agent.
        output: the agent's output schema.
        tasks: all cases, those of the split `test` too: a text that has one of them makes its evidence void.
        shown: a case as people see it.
    """
    if genome.id == incumbent.id:
        yield Difference("", "it is the current agent's prompt", "change its sections, rules or demos")
        return
    lost = ProposalGuard(incumbent, answers_of(output), (), shown).check_answers(genome)
    if lost:
        yield Difference("", lost.reason)
    for split in SPLITS:
        guard = ProposalGuard(incumbent, (), [task for task in tasks if task.split == split], shown)
        if copied := guard.check_copies(genome, incumbent):
            yield Difference("", f"split {split}: {copied.reason}")


def _same_demos(demos: Sequence[Demo], own: Sequence[Demo]) -> bool:
    return [(dict(one.vars), one.output) for one in demos] == [(dict(one.vars), one.output) for one in own]


def _labelled(tasks: Sequence[Task]) -> dict[str, str]:
    """The ids of the labelled train cases, by their vars and right answer."""
    known = [task for task in tasks if task.split == "train" and task.label is not None]
    return {_key(task.vars, task.label): task.id for task in known}


def _key(vars: Mapping[str, JsonValue], output: JsonValue) -> str:
    return json.dumps([dict(vars), output], sort_keys=True)


def _shown(demo: Demo) -> str:
    return json.dumps(dict(demo.vars), ensure_ascii=False)[:80]
