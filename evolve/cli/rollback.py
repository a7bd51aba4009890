"""`evolve rollback AGENT`: undoes the last promotion of an agent."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from evolve.cli._guard import run_guarded
from evolve.cli._options import complete
from evolve.cli._parser import CommandParser, Example
from evolve.core.model.errors import ExitCode, InputError, Location, Problem
from evolve.core.model.evolution_events import RolledBack
from evolve.evolution.promotion import undo
from evolve.report.terminal import say
from evolve.store.agents import find_agent, load_agent
from evolve.store.archive import Archive
from evolve.system.cache_folder import cache_folder


def main(arguments: Sequence[str]) -> int:
    """Roll back; return 0 done, 2 there is nothing to undo, or a file was changed since."""
    named = parser().parse_args(arguments).agent
    archive = Archive(cache_folder(os.environ))
    path = _promoted_file(archive, named)
    promotion = archive.last_promotion(path)
    if promotion is None:
        hint = "to undo a promotion that was made on another machine, use your version control"
        raise InputError(Problem("this machine has no promotion of this file to undo", Location(str(path)), hint))
    changed = undo(archive, promotion)
    title = load_agent(path).title if path.exists() else ""
    archive.append(promotion.run, [RolledBack(title, str(path))])
    now = f"{title} is in {path} again" if title else f"{path} is removed again"
    done = (f"  {'restored' if Path(name).exists() else 'removed'} {name}" for name in changed)
    say([f"{now}; run {promotion.run} is undone", *done])
    return ExitCode.DONE


def parser() -> CommandParser:
    """Return the command's parser."""
    made = CommandParser(
        prog="evolve rollback",
        description="Undo the last promotion of an agent on this machine: its file, its demos, the pinned cases.",
        examples=(
            Example("evolve rollback ALERT_AGENT", "by the agent's name"),
            Example("evolve rollback ALERT_AGENT.md", "by its file"),
        ),
        notes="exit codes: 0 done, 2 there is nothing to undo, or a file was changed since.",
    )
    complete(made.add_argument("agent", metavar="NAME|FILE.md", help="the agent that was promoted"), "file")
    return made


def _promoted_file(archive: Archive, named: str) -> Path:
    """The agent's file; a name is first looked up among the promotions, which know files in any folder.

    Raises:
        InputError: there is no such agent, or several promoted agents have this name.
    """
    if named.endswith(".md"):
        return find_agent(named).resolve()
    promoted = [path for path in archive.promoted_files() if path.stem == named]
    if len(promoted) > 1:
        known = ", ".join(map(str, promoted))
        raise InputError(
            Problem(f"{len(promoted)} agents with the name {named} were promoted", None, f"pass its file: {known}")
        )
    return promoted[0] if promoted else find_agent(named).resolve()


if __name__ == "__main__":
    sys.exit(run_guarded(main, sys.argv[1:]))
