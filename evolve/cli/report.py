"""`evolve report [RUN]`: prints and writes the report of a run again, from the archive."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from evolve.cli._guard import run_guarded
from evolve.cli._options import add_run, complete
from evolve.cli._parser import CommandParser, Example
from evolve.core.evolution.summary import EvolutionSummary
from evolve.core.model.errors import ExitCode
from evolve.report.evolution.lines import summary_lines
from evolve.report.terminal import say
from evolve.store.archive import Archive
from evolve.system.cache_folder import cache_folder


def main(arguments: Sequence[str]) -> int:
    """Print what a run found and write its HTML report; `--list` prints the runs. Return 0."""
    options = parser().parse_args(arguments)
    archive = Archive(cache_folder(os.environ))
    if options.list:
        listed = [f"{record.run}  {record.agent}  {record.command}" for record in archive.runs()]
        say(listed or ["no runs yet"])
        return ExitCode.DONE
    from evolve.report.evolution.html import write_evolution_html

    record = archive.find(options.run)
    events = list(archive.events(record.run))
    evolution = EvolutionSummary()
    for event in events:
        evolution.add(event)
    path = Path(options.output or f"reports/evolve/{record.run}/report.html")
    write_evolution_html(path, events)
    say(summary_lines(evolution, report=path))
    return ExitCode.DONE


def parser() -> CommandParser:
    """Return the command's parser."""
    made = CommandParser(
        prog="evolve report",
        description="Print what a run found, and write its HTML report again from the archive.",
        examples=(
            Example("evolve report", "the newest run"),
            Example("evolve report --list", "the runs of this machine"),
            Example("evolve report -o report.html", "write the page there"),
        ),
        notes="exit codes: 0 done, 2 no such run. See docs/evolution-report.md.",
    )
    add_run(made)
    output = made.add_argument(
        "-o", "--output", metavar="FILE", help="where the page goes; default: reports/evolve/RUN/report.html"
    )
    complete(output, "file")
    made.add_argument("--list", action="store_true", help="list the runs of this machine, the newest first")
    return made


if __name__ == "__main__":
    sys.exit(run_guarded(main, sys.argv[1:]))
