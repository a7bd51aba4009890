"""What an evolution is worth beyond a lookup and beyond letting the model think, compared with other optimizers.

`python benchmarks/evolve_beyond.py --tasks twin --targets 1.5b --arms plain,lookup,think,ours --seeds 1,2,3` measures
unit after unit (a task, a target, an arm, a seed) on cases that neither search nor gate read, and prints the tables. A
unit that is complete is never measured again; one that was killed gets the answers that it had from its file.
"""

import argparse
import datetime
import os
import platform
import sys
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from beyond_tables import table
from beyond_tasks import ROOT, TASKS, open_task
from beyond_units import ARMS, TARGETS, Effort, Unit, UnitResult, kept, measured

from evolve.cli._guard import run_guarded
from evolve.core.model.errors import EvolveError, InputError, Problem


@dataclass(frozen=True, slots=True)
class BeyondPlan:
    """What is measured."""

    units: tuple[Unit, ...]
    effort: Effort
    folder: Path
    venvs: Path
    keep: Path | None
    """Where to copy what CI needs to judge the units again; None for nowhere."""
    minutes: float | None
    """No unit is begun after so long; None for no limit."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure the units that are not complete, and print all."""
    plan = _plan(arguments)
    results = list(_results(plan))
    print(f"{datetime.datetime.now(datetime.UTC).date()}; {os.cpu_count()} cores, Python {platform.python_version()}\n")
    print(table(results))
    left = [unit.name for unit in plan.units if unit not in {one.unit for one in results}]
    if left:
        print(f"\nnot run: {', '.join(left)}")
    return 0


def _results(plan: BeyondPlan) -> Iterator[UnitResult]:
    begun = time.monotonic()
    tasks = {name: open_task(name, plan.folder / "suites") for name in dict.fromkeys(unit.task for unit in plan.units)}
    for unit in plan.units:
        if plan.minutes is not None and time.monotonic() - begun > plan.minutes * 60:
            _say(f"{unit.name}: no time is left")
            continue
        try:
            result = measured(unit, plan.effort, tasks[unit.task], plan.folder, plan.venvs)
            if plan.keep is not None:
                kept(unit, plan.effort, tasks[unit.task], plan.folder, plan.keep)
        except EvolveError as error:
            # One library that fails must not cost the others their turn.
            _say(f"{unit.name}: {error}")
            continue
        right = sum(outcome.is_right for outcome in result.outcomes)
        _say(f"{unit.name}: {right} of {len(result.outcomes)}; {result.note}")
        yield result


def _plan(arguments: Sequence[str] | None) -> BeyondPlan:
    parser = argparse.ArgumentParser(description="Evolution beyond a lookup, compared with other optimizers.")
    parser.add_argument("--tasks", default="twin", metavar="A,B", help=f"of {', '.join(TASKS)}; twin")
    parser.add_argument("--targets", default="1.5b", metavar="A,B", help=f"{', '.join(TARGETS)}, or provider ids; 1.5b")
    parser.add_argument("--arms", default="plain,lookup,think", metavar="A,B", help=f"of {', '.join(ARMS)}")
    parser.add_argument("--seeds", default="1", metavar="N,N", help="1")
    parser.add_argument("--budget", type=int, default=100_000, metavar="TOKENS", help="of a search; 100000")
    parser.add_argument("--cases", type=int, metavar="N", help="held-out cases, of each family in turn; all")
    parser.add_argument("--minutes", type=float, metavar="N", help="begin no unit after so long; the next call does")
    parser.add_argument(
        "--folder", type=Path, default=ROOT / "reports/evolve_beyond", metavar="DIR", help="of the units"
    )
    parser.add_argument("--venvs", type=Path, metavar="DIR", help="environments of other libraries; FOLDER/venvs")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="copy what repeats the judgement without a model")
    parser.add_argument("--reflector", default="", metavar="ID", help="writes the proposals of arms ...+reflector")
    parser.add_argument("--replay", action="store_true", help="ask no model: only recorded answers")
    options = parser.parse_args(arguments)
    words = {name: getattr(options, name).split(",") for name in ("tasks", "targets", "arms", "seeds")}
    _check([("task", words["tasks"], TASKS), ("arm", words["arms"], ARMS)])
    units = tuple(
        Unit(task, target, arm, int(seed))
        for task, target, arm, seed in product(words["tasks"], words["targets"], words["arms"], words["seeds"])
        # Without a search there is no chance: one seed says it all.
        if seed == words["seeds"][0] or arm not in ("plain", "lookup", "think", "demos", "by-hand", "shipped")
    )
    if any("+reflector" in arm for arm in words["arms"]) and not (options.reflector or options.replay):
        hint = "add --reflector PROVIDER, such as openai:chat:gpt-4o"
        raise InputError(Problem("an arm +reflector needs a model that writes proposals", None, hint))
    effort = Effort(options.budget, options.cases, may_ask=not options.replay, reflector=options.reflector)
    folder = options.folder.resolve()
    venvs = (options.venvs or folder / "venvs").resolve()
    return BeyondPlan(units, effort, folder, venvs, options.keep, options.minutes)


def _check(named: Iterable[tuple[str, Sequence[str], Collection[str]]]) -> None:
    """Raise InputError for every unknown word."""
    wrong = [
        Problem(f"no {what} {word!r}", None, f"known: {', '.join(known)}")
        for what, words, known in named
        for word in words
        if word not in known
    ]
    if wrong:
        raise InputError(wrong)


def _say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(run_guarded(main, sys.argv[1:]))
