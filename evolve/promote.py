"""`evolve promote [RUN]`: the winner of a run becomes the agent's next version."""

import argparse
import os
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from evolve.command_line import guarded
from evolve.core.errors import ExitCode
from evolve.promoting import check_promotable, demos_beside, next_version, promote, result_of
from evolve.providers import ProviderSettings
from evolve.report.console import say
from evolve.store.agents import find_agent, load_agent
from evolve.store.archive import Archive
from evolve.store.case_writer import is_ci


def main(arguments: Sequence[str]) -> int:
    """Promotes; 0 done, 2 the run must not be promoted."""
    options = _parser().parse_args(arguments)
    archive = Archive(ProviderSettings.from_environment(os.environ).cache_dir)
    result = result_of(archive, options.run)
    agent_path = find_agent(options.agent or result.record.agent_file)
    target = Path(options.to) if options.to else agent_path
    check_promotable(result, target, may_be_provisional=options.provisional, is_ci=is_ci(os.environ))
    winner_file = Path(result.record.winner_file)
    winner = load_agent(winner_file)
    agent = next_version(result, winner, agent_path, target, date.today().isoformat())
    promoted, pinned = promote(archive, result, agent, demos_beside(winner, winner_file), target)
    say(_lines(promoted.agent, target, pinned, result.finished.reason))
    return ExitCode.DONE


def _lines(title: str, target: Path, pinned: Sequence[str], reason: str) -> list[str]:
    lines = [f"{title} is in {target}: {reason}"]
    lines += [f"  pinned {os.path.relpath(name)}" for name in pinned]
    return [*lines, "review it as a diff, then commit it with gate_log.jsonl; `evolve rollback` undoes it"]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="evolve promote",
        description="The winner of a run becomes the agent's next version, with its evidence. Never in CI.",
        allow_abbrev=False,
    )
    parser.add_argument("run", nargs="?", metavar="RUN", help="how its id begins; default: the newest run")
    parser.add_argument("--agent", metavar="NAME|FILE.md", help="where the agent is now, if it was moved since the run")
    parser.add_argument("--to", metavar="FILE.md", help="write another agent's next version instead, or a new agent")
    parser.add_argument("--provisional", action="store_true", help="take a winner that is better but not proven")
    return parser


if __name__ == "__main__":
    sys.exit(guarded(main, sys.argv[1:]))
