"""`evolve rollback AGENT`: undoes the last promotion of an agent."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from evolve.cli._guard import guarded
from evolve.core.model.errors import ExitCode, InputError, Location, Problem
from evolve.evolution.promotion import undo
from evolve.report.terminal import say
from evolve.store.agents import find_agent, load_agent
from evolve.store.archive import Archive
from evolve.system.cache_folder import cache_folder


def main(arguments: Sequence[str]) -> int:
    """Rolls back; 0 done, 2 there is nothing to undo, or a file was changed since."""
    parser = argparse.ArgumentParser(
        prog="evolve rollback",
        description="Undoes the last promotion of an agent that this machine made: its file, its demos, pinned cases.",
        allow_abbrev=False,
    )
    parser.add_argument("agent", metavar="NAME|FILE.md")
    path = find_agent(parser.parse_args(arguments).agent).resolve()
    archive = Archive(cache_folder(os.environ))
    promotion = archive.last_promotion(path)
    if promotion is None:
        hint = "promotions of other machines are undone with your version control"
        raise InputError(Problem("this machine has promoted nothing here", Location(str(path)), hint))
    changed = undo(archive, promotion)
    now = f"{load_agent(path).title} is in {path} again" if path.exists() else f"{path} is gone again"
    done = (f"  {'restored' if Path(name).exists() else 'removed'} {name}" for name in changed)
    say([f"{now}; run {promotion.run} is undone", *done])
    return ExitCode.DONE


if __name__ == "__main__":
    sys.exit(guarded(main, sys.argv[1:]))
