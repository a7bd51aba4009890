"""`evolve rollback AGENT`: undoes the last promotion of an agent."""

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from evolve.cli._guard import guarded
from evolve.core.formats.front_matter import split_front_matter
from evolve.core.model.agents import Agent, parse_agent
from evolve.core.model.errors import ExitCode, InputError, Location, Problem
from evolve.evolution.promotion import text_in
from evolve.report.terminal import say
from evolve.store.agents import find_agent, load_agent
from evolve.store.archive import Archive, Promotion
from evolve.store.case_files import CaseFolder, load_case
from evolve.system.atomic_files import write_together
from evolve.system.cache_folder import cache_folder
from evolve.system.disk_faults import store_fault

_RECORDED = frozenset(("suite", "splits", "tolerance"))
"""What runs of the agent's suite write into its evidence after a promotion."""


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


def undo(archive: Archive, promotion: Promotion) -> list[str]:
    """Puts back what a promotion changed; the cases that it pinned are open again.

    Returns:
        The files that were changed.

    Raises:
        InputError: a file was changed since; then nothing is touched. Scores by split that were recorded in the agent
            are no such change.
        StoreFault: a file cannot be written or removed.
    """
    changed = [name for name, text in promotion.after.items() if _is_changed(name, text)]
    if changed:
        hint = "use your version control to go back, or undo those changes first"
        raise InputError([Problem("changed since the promotion", Location(name), hint) for name in changed])
    write_together({Path(name): text for name, text in promotion.before.items() if text is not None})
    for path in [Path(name) for name, text in promotion.before.items() if text is None]:
        _remove(path)
    opened = [name for name in promotion.pinned if _opened(Path(name))]
    archive.note_undone(promotion)
    return [*promotion.before, *opened]


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise store_fault(f"cannot remove {path}", path, error) from error


def _is_changed(name: str, promoted: str) -> bool:
    now = text_in(Path(name))
    if now is None or now == promoted or not name.endswith(".md"):
        return now != promoted
    try:
        return _without_splits(now, name) != _without_splits(promoted, name)
    except InputError:  # it is no agent any more
        return True


def _without_splits(text: str, name: str) -> Agent:
    agent = parse_agent(*split_front_matter(text, name), name)
    evidence = agent.evidence if isinstance(agent.evidence, dict) else {}
    return replace(agent, evidence={key: value for key, value in evidence.items() if key not in _RECORDED})


def _opened(path: Path) -> bool:
    """Opens a case that is still pinned; a person may have retired or deleted it since."""
    if not path.is_file() or load_case(path).status != "pinned":
        return False
    CaseFolder(path.parent).update(path, lambda case: replace(case, status="open"))
    return True


if __name__ == "__main__":
    sys.exit(guarded(main, sys.argv[1:]))
