"""`evolve diff [RUN]`: what the winner of a run changes in its agent."""

import argparse
import difflib
import os
import sys
from collections.abc import Iterator, Sequence

from evolve.cli._guard import guarded
from evolve.cli._options import add_run
from evolve.core.model.errors import ExitCode, InputError, Problem
from evolve.core.model.evolution_events import CandidateProposed, EvolutionFinished, EvolutionStarted, GateStarted
from evolve.core.text.visible import visible
from evolve.report.terminal import Paint, say
from evolve.store.archive import Archive
from evolve.system.cache_folder import cache_folder

_COLOURS = {"+": "green", "-": "red", "@": "dim"}


def main(arguments: Sequence[str]) -> int:
    """Prints a unified diff of the two agents' files."""
    parser = argparse.ArgumentParser(
        prog="evolve diff", description="What a candidate of a run changes in its agent.", allow_abbrev=False
    )
    add_run(parser)
    parser.add_argument("--candidate", metavar="ID", help="another candidate than the winner")
    options = parser.parse_args(arguments)
    archive = Archive(cache_folder(os.environ))
    record = archive.find(options.run)
    texts: dict[str, str] = {}
    incumbent, chosen = "", options.candidate
    for event in archive.events(record.run):
        if isinstance(event, EvolutionStarted):
            incumbent = event.incumbent.id
            texts[incumbent] = event.incumbent.text
        elif isinstance(event, CandidateProposed):
            texts[event.candidate.id] = event.candidate.text
        elif isinstance(event, GateStarted | EvolutionFinished) and options.candidate is None:
            chosen = event.winner
    if chosen not in texts:
        raise InputError(Problem(f"run {record.run} has no candidate {chosen!r}", None, f"known: {', '.join(texts)}"))
    say(_diff(texts[incumbent], texts[chosen], record.agent, chosen, Paint(sys.stdout, os.environ)))
    return ExitCode.DONE


def _diff(before: str, after: str, agent: str, candidate: str, paint: Paint) -> Iterator[str]:
    lines = list(difflib.unified_diff(before.splitlines(), after.splitlines(), agent, candidate, lineterm=""))
    for line in lines:
        colour = _COLOURS.get(line[:1], "")
        yield paint(visible(line), colour) if colour else visible(line)
    if not lines:
        yield f"candidate {candidate} changes nothing in {agent}"


if __name__ == "__main__":
    sys.exit(guarded(main, sys.argv[1:]))
