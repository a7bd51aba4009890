"""`evolve report [RUN]`: the report of a run, made anew from the archive."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from evolve.cli._guard import guarded
from evolve.cli._options import add_run
from evolve.core.evolution.summary import Evolution
from evolve.core.model.errors import ExitCode
from evolve.report.evolution.lines import summary_lines
from evolve.report.terminal import say
from evolve.store.archive import Archive
from evolve.system.cache_folder import cache_folder


def main(arguments: Sequence[str]) -> int:
    """Prints what a run found and writes its HTML report; `--list` names the runs."""
    options = _parser().parse_args(arguments)
    archive = Archive(cache_folder(os.environ))
    if options.list:
        listed = [f"{record.run}  {record.agent}  {record.command}" for record in archive.runs()]
        say(listed or ["no run is archived yet"])
        return ExitCode.DONE
    from evolve.report.evolution.html import write_evolution_html

    record = archive.find(options.run)
    events = list(archive.events(record.run))
    evolution = Evolution()
    for event in events:
        evolution.add(event)
    path = Path(options.output or f"reports/evolve/{record.run}/report.html")
    write_evolution_html(path, events)
    say([*summary_lines(evolution), f"report: {path}"])
    return ExitCode.DONE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="evolve report", description="The report of a run, made anew from the archive.", allow_abbrev=False
    )
    add_run(parser)
    parser.add_argument("-o", "--output", metavar="FILE.html", help="default: reports/evolve/RUN/report.html")
    parser.add_argument("--list", action="store_true", help="the runs of this machine, the newest first")
    return parser


if __name__ == "__main__":
    sys.exit(guarded(main, sys.argv[1:]))
