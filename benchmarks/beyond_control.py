"""How often a run claims to be beyond the lookup where nothing is, and where a known edit is worth 20 points beyond it.

python benchmarks/beyond_control.py             60 runs of each kind on a simulated model, a second each
python benchmarks/beyond_control.py --runs 20
"""

import argparse
import datetime
import os
import platform
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from fixtures.planted import beyond_of, planted_run

CHANCE = 1 / 6
"""Of six answers: what a lookup is worth where words say nothing."""
WORTH = 0.2
"""The planted edit, beyond the lookup."""
RUNS = 60
CLAIMED_AT_LEAST = 54
"""Of the 60 runs with a planted edit."""
BY_CHANCE = 4
"""Of 60 runs where winner and lookup are worth the same: the interval's lower end is above 0 in 2.5 % of them, which is
more than four of 60 with a chance of 2 %."""


@dataclass(frozen=True, slots=True)
class Task:
    """A task whose truth is known: shares of right answers without and with the insight."""

    name: str
    plain: float
    planted: float
    is_shuffled: bool = True

    @property
    def is_null(self) -> bool:
        """Whether no prompt is worth more than the lookup."""
        return not self.is_shuffled or self.planted <= CHANCE

    @property
    def claimed_at_most(self) -> int:
        """How many of 60 runs may claim something: none where the lookup is far better, few where both are equal."""
        return 0 if not self.is_shuffled else BY_CHANCE if self.is_null else RUNS


TASKS = (
    Task("nothing helps, and words say nothing", CHANCE, CHANCE),
    Task("an edit helps, and a lookup is right on nearly all", 0.45, 0.7, is_shuffled=False),
    Task("an edit is worth 20 points beyond the lookup", 0.1, CHANCE + WORTH),
)


@dataclass(frozen=True, slots=True)
class Claims:
    """The runs of one task."""

    runs: int
    at_gate: int
    claimed: int
    lead: float
    """Mean of what the winners were worth beyond the lookup at the gate; 0 where none came there."""


def claims(task: Task, runs: int, first: int = 1) -> Claims:
    """What runs with the seeds from `first` on claim."""
    found = []
    for seed in range(first, first + runs):
        events = planted_run(seed, plain=task.plain, planted=task.planted, is_shuffled=task.is_shuffled)
        beyond = beyond_of(events)
        found += [beyond] if beyond else []
    lead = fmean(one.gain for one in found) if found else 0.0
    return Claims(runs, len(found), sum(one.is_beyond for one in found), lead)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=RUNS, metavar="N", help="runs of each task")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of the first run")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    options = _options(arguments)
    machine = f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"
    date = datetime.datetime.now(datetime.UTC).date()
    print(f"{date}; {machine}\n\n    python {shlex.join(['benchmarks/beyond_control.py', *sys.argv[1:]])}\n")
    print("| task | runs | came to the gate | claimed beyond the lookup | winner minus lookup at the gate |")
    print("|---|---:|---:|---:|---:|")
    for task in TASKS:
        found = claims(task, options.runs, options.seed)
        print(
            f"| {task.name} | {found.runs} | {found.at_gate} | {found.claimed} | {100 * found.lead:+.1f} |", flush=True
        )


if __name__ == "__main__":
    main()
