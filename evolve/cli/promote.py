"""`evolve promote [RUN]`: the winner of a run becomes the agent's next version."""

import argparse
import os
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from evolve.cli._guard import guarded
from evolve.cli._options import add_agent, add_run
from evolve.core.model.errors import ExitCode
from evolve.evolution.promotion import (
    check_promotable,
    compared_agent,
    is_other_agent,
    next_version,
    promote,
    result_of,
    winner_of,
)
from evolve.report.terminal import say
from evolve.store.archive import Archive
from evolve.store.case_writer import is_ci
from evolve.system.cache_folder import cache_folder


def main(arguments: Sequence[str]) -> int:
    """Promotes; 0 done, 2 the run must not be promoted."""
    options = _parser().parse_args(arguments)
    archive = Archive(cache_folder(os.environ))
    result = result_of(archive, options.run)
    agent_path = compared_agent(result, options.agent)
    target = Path(options.to) if options.to else agent_path
    check_promotable(result, target, may_be_provisional=options.provisional, is_ci=is_ci(os.environ))
    winner, demos = winner_of(result)
    agent = next_version(result, winner, agent_path, target, date.today().isoformat())
    is_uncompared = is_other_agent(target, agent_path) and target.exists()
    promoted, pinned = promote(archive, result, agent, demos, target)
    told = [f"{promoted.agent} is in {target}: {result.finished.reason}"]
    if is_uncompared:
        told.append(f"  compared with {result.started.agent}, not compared with {agent.name}@{agent.version - 1}")
    say([*told, *_then(pinned)])
    return ExitCode.DONE


def _then(pinned: Sequence[str]) -> list[str]:
    lines = [f"  pinned {os.path.relpath(name)}" for name in pinned]
    return [*lines, "review it as a diff, then commit it with gate_log.jsonl; `evolve rollback` undoes it"]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="evolve promote",
        description="The winner of a run becomes the agent's next version, with its evidence. Never in CI.",
        allow_abbrev=False,
    )
    add_run(parser)
    add_agent(parser, "where the agent is now, if it was moved since the run")
    parser.add_argument("--to", metavar="FILE.md", help="write another agent's next version instead, or a new agent")
    parser.add_argument("--provisional", action="store_true", help="take a winner that is better but not proven")
    return parser


if __name__ == "__main__":
    sys.exit(guarded(main, sys.argv[1:]))
