"""`evolve promote [RUN]`: the winner of a run becomes the agent's next version."""

import os
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from evolve.cli._guard import run_guarded
from evolve.cli._options import add_agent, add_run, complete
from evolve.cli._parser import CommandParser, Example
from evolve.core.model.errors import ExitCode
from evolve.evolution.promotion import (
    check_promotable,
    find_compared_agent,
    is_other_agent,
    next_version,
    promote,
    result_of,
    winner_of,
)
from evolve.report.terminal import command_line, say
from evolve.store.archive import Archive
from evolve.store.case_writer import is_ci
from evolve.system.cache_folder import cache_folder


def main(arguments: Sequence[str]) -> int:
    """Promote; return 0 done, 2 the run must not be promoted."""
    options = parser().parse_args(arguments)
    archive = Archive(cache_folder(os.environ))
    result = result_of(archive, options.run)
    agent_path = find_compared_agent(result, options.agent)
    target = Path(options.to) if options.to else agent_path
    check_promotable(
        result,
        target,
        may_be_provisional=options.provisional,
        may_be_lookup=options.despite_lookup,
        is_ci=is_ci(os.environ),
    )
    winner, demos = winner_of(result)
    agent = next_version(result, winner, agent_path, target, date.today().isoformat())
    is_uncompared = is_other_agent(target, agent_path) and target.exists()
    promoted, pinned = promote(archive, result, agent, demos, target)
    place = _from_here(target)
    lines = [f"{promoted.agent} is in {place}: {result.finished.reason}"]
    if is_uncompared:
        lines.append(f"  compared with {result.started.agent}, not compared with {agent.name}@{agent.version - 1}")
    say([*lines, *_then(pinned, place)])
    return ExitCode.DONE


def _from_here(target: Path) -> str:
    """The path, relative if it is inside the working folder."""
    place = target.resolve()
    return str(place.relative_to(Path.cwd())) if place.is_relative_to(Path.cwd()) else str(target)


def _then(pinned: Sequence[str], place: str) -> list[str]:
    lines = [f"  pinned {os.path.relpath(name)}" for name in pinned]
    undo = command_line("evolve", ["rollback", place])
    return [*lines, f"review it as a diff, then commit it with gate_log.jsonl; `{undo}` undoes it"]


def parser() -> CommandParser:
    """Return the command's parser."""
    made = CommandParser(
        prog="evolve promote",
        description="Make the winner of a run the agent's next version, with its evidence. Never in CI.",
        examples=(
            Example("evolve promote", "the newest run, if its winner is proven"),
            Example("evolve promote --provisional", "take a winner that is better but not proven"),
        ),
        notes="`evolve diff` shows what changes, `evolve rollback` undoes it. "
        "exit codes: 0 done, 2 the run must not be promoted. See docs/evolution.md.",
    )
    add_run(made)
    add_agent(made, "where the agent is now, if it was moved since the run")
    target = made.add_argument("--to", metavar="FILE.md", help="write another agent's next version, or a new agent")
    complete(target, "file")
    made.add_argument("--provisional", action="store_true", help="take a winner that is better but not proven")
    made.add_argument(
        "--despite-lookup", action="store_true", help="take a winner that is not shown to be better than a lookup"
    )
    return made


if __name__ == "__main__":
    sys.exit(run_guarded(main, sys.argv[1:]))
