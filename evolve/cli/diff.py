"""`evolve diff [RUN]`: what the winner of a run changes in its agent, and the evidence for it."""

import os
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from evolve.cli._guard import run_guarded
from evolve.cli._options import add_run
from evolve.cli._parser import CommandParser, Example
from evolve.core.evolution.summary import EvolutionSummary
from evolve.core.model.errors import ExitCode, InputError, Problem
from evolve.core.model.evolution_events import SHOWN_CHARS, EvolutionStarted
from evolve.core.search.case_index import CaseIndex
from evolve.core.search.genome import OWN_BANK, Genome
from evolve.core.templating.templates import Templates
from evolve.core.text.did_you_mean import did_you_mean
from evolve.report.evolution.change_lines import AgentChange, ShownDemo, change_lines
from evolve.report.terminal import Paint, say
from evolve.store.agents import load_agent, load_demos
from evolve.store.archive import Archive, RunRecord
from evolve.system.cache_folder import cache_folder


def main(arguments: Sequence[str]) -> int:
    """Print what changes in settings, sections and demos, and what the gate found; return 0."""
    options = parser().parse_args(arguments)
    with closing(Archive(cache_folder(os.environ))) as archive:
        record = archive.find(options.run)
        evolution = EvolutionSummary()
        for event in archive.events(record.run):
            evolution.add(event)
        started = evolution.started
        chosen = options.candidate_id or (evolution.leader.info.id if evolution.leader else "")
        if started is None or chosen not in evolution.candidates:
            known = ", ".join(evolution.candidates)
            hint = did_you_mean(chosen, evolution.candidates) or f"known: {known}"
            raise InputError(Problem(f"run {record.run} has no candidate {chosen!r}", None, hint))
        if evolution.candidates[chosen] is evolution.vote:
            message = f"{chosen} is the lookup, which asks no model: it changes no agent"
            raise InputError(Problem(message, None, "without --candidate-id, the winner is shown"))
        change = _change(archive, record, evolution, started, chosen)
        say(change_lines(change, evolution, Paint(sys.stdout, os.environ)))
    return ExitCode.DONE


def _change(
    archive: Archive, record: RunRecord, evolution: EvolutionSummary, started: EvolutionStarted, chosen: str
) -> AgentChange:
    incumbent = started.incumbent
    return AgentChange(
        run=record.run,
        agent=record.agent,
        candidate=chosen,
        before=incumbent.text,
        after=evolution.candidates[chosen].info.text,
        demos_before=_demos(archive.genome(record.run, incumbent.id), started, record),
        demos_after=_demos(archive.genome(record.run, chosen), started, record),
    )


def _demos(genome: Genome, started: EvolutionStarted, record: RunRecord) -> list[ShownDemo] | None:
    """The bank of a genome; None when it is the agent's own and no longer exists."""
    if genome.demos is None:
        return []
    if genome.demo_ids == (OWN_BANK,):
        return _own_demos(started, Path(record.agent_file))
    labelled = {task.id: task for task in started.tasks if task.split == "train" and task.accepted}
    ids = labelled if genome.demo_ids is None else genome.demo_ids
    return [ShownDemo(labelled[name].shown, labelled[name].accepted[0]) for name in ids if name in labelled]


def _own_demos(started: EvolutionStarted, path: Path) -> list[ShownDemo] | None:
    try:
        agent = load_agent(path)
        demos = load_demos(agent, path)
    except InputError:
        return None
    if agent.title != started.agent:  # a promotion has replaced the bank since
        return None
    index = CaseIndex(agent, (), Templates("strict").render)
    return [ShownDemo(index.key(demo.vars)[:SHOWN_CHARS], demo.output) for demo in demos]


def parser() -> CommandParser:
    """Return the command's parser."""
    made = CommandParser(
        prog="evolve diff",
        description="Show what the winner of a run changes in its agent (settings, sections, demos), and the evidence.",
        examples=(
            Example("evolve diff", "the winner of the newest run"),
            Example("evolve diff --candidate-id d9758214a7ef", "another candidate of it"),
        ),
        notes="exit codes: 0 done, 2 no such run or candidate. See docs/evolution.md.",
    )
    add_run(made)
    made.add_argument("--candidate-id", metavar="ID", help="another candidate than the winner")
    return made


if __name__ == "__main__":
    sys.exit(run_guarded(main, sys.argv[1:]))
