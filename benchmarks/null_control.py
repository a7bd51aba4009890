"""How often the gate is wrong, and how often it sees what is there: on simulated pairs, and after whole searches.

python benchmarks/null_control.py --gate-only     pairs drawn at random
python benchmarks/null_control.py                 whole searches on the simulated model
python benchmarks/null_control.py --state FILE    the same; the command continues where it was stopped
"""

import argparse
import asyncio
import datetime
import json
import os
import platform
import random
import shlex
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import sqrt
from pathlib import Path
from statistics import NormalDist, fmean
from typing import NamedTuple

from evolve.core.model.answers import TokenUsage
from evolve.core.model.gate import Pair
from evolve.core.search.alpha import next_alpha
from evolve.core.search.cheaper import MARGIN, not_worse_p
from evolve.core.search.gate import decide
from fixtures.simulated import World
from fixtures.simulated_search import Found, search

WRONG_AT_MOST = 0.02
FOUND_AT_LEAST = 0.8
CACHED_AT_LEAST = 0.6
FAMILIES = (20, 32, 60, 90, 120)


@dataclass(frozen=True, slots=True)
class Pairs:
    """How pairs are drawn: cases as in fixtures/simulated.py, without prompts."""

    gain: float = 0.0
    reach: float = 1.0
    """The share of families that have the gain; it is greater there."""
    noise: float = 0.15
    cohesion: float = 0.5
    base: float = 0.45

    def draw(self, families: int, chance: random.Random) -> list[Pair]:
        """One to three cases of each family, answered by both."""
        return [pair for number in range(families) for pair in self._family(f"f{number}", chance)]

    def _family(self, family: str, chance: random.Random) -> Iterator[Pair]:
        helped = self.base + (self.gain / self.reach if chance.random() < self.reach else 0.0)
        shared = chance.random()
        for number in range(chance.randint(1, 3)):
            difficulty = shared if chance.random() < self.cohesion else chance.random()
            seen = [chance.random() if chance.random() < self.noise else difficulty for _ in range(2)]
            yield Pair(f"{family}.{number}", family, float(seen[0] < self.base), float(seen[1] < helped))


KINDS = {
    "no gain, prompts waver on 15 % of the cases": Pairs(),
    "no gain, on 50 %": Pairs(noise=0.5),
    "no gain, on 50 %, a family's cases alike": Pairs(noise=0.5, cohesion=1.0),
    "10 points": Pairs(0.10),
    "15 points": Pairs(0.15),
    "15 points, prompts waver on 5 %": Pairs(0.15, noise=0.05),
    "15 points, on 30 %": Pairs(0.15, noise=0.3),
    "15 points, all in a third of the families": Pairs(0.15, reach=1 / 3),
    "30 points": Pairs(0.30),
}


WORSE: Mapping[str, tuple[float, float]] = {
    "2 points worse, 2 % of the answers change": (0.02, -MARGIN),
    "2 points worse, 15 %": (0.15, -MARGIN),
    "2 points worse, 50 %": (0.5, -MARGIN),
    "the same, no answer changes": (0.0, 0.0),
    "the same, 2 %": (0.02, 0.0),
    "5 points better, 15 %": (0.15, 0.05),
}
"""For the lane of cheaper winners: the share of families whose answers change, and the gain."""
CHEAPER_FAMILIES = (60, 120, 300, 600, 1200)


class End(NamedTuple):
    """What is kept of a search."""

    outcome: str
    true_gain: float
    bought: int
    tokens: TokenUsage

    @staticmethod
    def of(found: Found) -> "End":
        """The end of a search."""
        account = found.finished.account
        return End(found.outcome, found.true_gain, account.search + account.gate, found.provider.tokens)


class Ends:
    """The ends of searches that are known already.

    Args:
        file: lines of JSON, one for each search; None for nothing that is kept.
    """

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self.new = 0
        """Searches that were run here."""
        text = file.read_text() if file and file.exists() else ""
        # A last line that was cut off is of a search that is done again.
        whole = text[: text.rfind("\n") + 1]
        if file and whole != text:
            file.write_text(whole)
        rows = [json.loads(line) for line in whole.splitlines()]
        self._known = {
            tuple(key): End(outcome, gain, paid, TokenUsage(*tokens)) for *key, (outcome, gain, paid), tokens in rows
        }

    def get(self, kind: "Kind", budget: int, seed: int) -> End:
        """The end of a search, run now unless it is known."""
        key = (kind.name, budget, seed)
        if key not in self._known:
            found = asyncio.run(search(kind.world(seed), budget=budget, seed=seed, is_known=kind.is_known))
            self._known[key], self.new = End.of(found), self.new + 1
            self._add(key, self._known[key])
        return self._known[key]

    def _add(self, key: tuple[str, int, int], end: End) -> None:
        if self._file is not None:
            with self._file.open("a") as file:
                file.write(json.dumps([*key, end[:-1], list(asdict(end.tokens).values())]) + "\n")


@dataclass(frozen=True, slots=True)
class Kind:
    """One sort of searches."""

    name: str
    gain: float = 0.0
    noise: float = 0.5
    is_known: bool = False
    """The incumbent's answers to the gate's cases are in the ledger, as after a run of the suite."""

    def world(self, seed: int) -> World:
        """A world of this sort."""
        return World(seed, gain=self.gain, noise=self.noise) if self.gain else World.null(seed, noise=self.noise)

    def is_found(self, end: End) -> bool:
        """The winner has at least two thirds of the gain that is there, and the gate did not reject it."""
        return end.true_gain >= self.gain * 2 / 3 and end.outcome in ("proven", "provisional")


def gate_only(trials: int, seed: int) -> None:
    """Prints the shares of draws of which the gate says proven, at the level of a project's first gate."""
    print(f"\n### Called proven, of {trials} draws each, at the level {next_alpha([]):.4f} of a project's first gate\n")
    print(_row("pairs, one to three for each family", *(f"{size} families" for size in FAMILIES)))
    print(_row("---", *("---:" for _ in FAMILIES)))
    for name, pairs in KINDS.items():
        shares = (proven_share(pairs, size, trials, seed) for size in FAMILIES)
        print(_row(name, *(f"{share:.1%}" for share in shares)), flush=True)


def cheaper_lane(trials: int, seed: int) -> None:
    """Prints the same for the lane of cheaper winners: 2 points worse must be called proven at most at the level."""
    print("\n### Lane of cheaper winners: called proven\n")
    print(_row("a family's answers", *(f"{size} families" for size in CHEAPER_FAMILIES)))
    print(_row("---", *("---:" for _ in CHEAPER_FAMILIES)))
    for name, (changing, gain) in WORSE.items():
        shares = (_cheaper_share(changing, gain, size, trials, seed) for size in CHEAPER_FAMILIES)
        print(_row(name, *(f"{share:.1%}" for share in shares)), flush=True)


def _cheaper_share(changing: float, gain: float, families: int, trials: int, seed: int) -> float:
    chance = random.Random(f"{seed} {changing} {gain} {families}")
    lost = (changing - gain) / 2

    def family() -> float:
        draw = chance.random()
        return -1.0 if draw < lost else 1.0 if draw < changing else 0.0

    proven = (not_worse_p([family() for _ in range(families)]) <= next_alpha([]) for _ in range(trials))
    return sum(proven) / trials


def proven_share(pairs: Pairs, families: int, trials: int, seed: int) -> float:
    """The share of draws of which the gate says proven."""
    chance = random.Random(f"{seed} {pairs} {families}")
    alpha = next_alpha([])
    words = Counter(decide(pairs.draw(families, chance), alpha=alpha).word for _ in range(trials))
    return words["proven"] / trials


def whole_searches(null: int, gains: int, budget: int, seed: int, known: Ends) -> None:
    """Prints how searches end, what is true of their winners, and whether the targets are met.

    Args:
        null: searches in worlds where nothing is better.
        gains: searches for each gain that is there.
        budget: answers of each search and its gate.
        seed: of the first.
        known: ends of earlier searches.
    """
    print(f"\n### Whole searches, {budget} answers each\n")
    heads = ("no better", "rejected", "provisional", "proven", "proven wrongly", "found", "s each", "answers", "cached")
    print(_row("worlds", "searches", *heads))
    print(_row("---", *("---:" for _ in range(len(heads) + 1))))
    nulls = _searched(Kind("no gain, prompts waver on 50 % of the cases"), null, budget, seed, known)
    _searched(Kind("no gain, on 15 %", noise=0.15), null // 2, budget, seed, known)
    plain = Kind("15 points", 0.15, 0.15)
    found = _searched(plain, gains, budget, seed, known)
    stored = Kind("15 points, incumbent's answers known", 0.15, 0.15, is_known=True)
    found_known = _searched(stored, gains, budget, seed, known)
    _searched(Kind("30 points", 0.30, 0.15), gains, budget, seed, known)
    wrong = sum(map(is_wrong, nulls))
    print("\n| target | measured | 95 % interval | |\n|---|---:|---:|---|")
    _target(f"wrong promotions at most {WRONG_AT_MOST:.0%}", wrong, len(nulls), wrong <= WRONG_AT_MOST * len(nulls))
    for kind, ends in ((plain, found), (stored, found_known)):
        good = sum(map(kind.is_found, ends))
        _target(f"{kind.name}: found {FOUND_AT_LEAST:.0%}", good, len(ends), good >= FOUND_AT_LEAST * len(ends))
        proven = sum(end.outcome == "proven" for end in ends)
        _target(f"{kind.name}: proven {FOUND_AT_LEAST:.0%}", proven, len(ends), proven >= FOUND_AT_LEAST * len(ends))
    share = cached_share(found)
    print(
        _row(f"prompt tokens from the cache {CACHED_AT_LEAST:.0%}", f"{share:.1%}", "", _met(share >= CACHED_AT_LEAST))
    )


def is_wrong(end: End) -> bool:
    """The gate says proven of what is no better."""
    return end.outcome == "proven" and end.true_gain <= 0


def cached_share(ends: Sequence[End]) -> float:
    """The share of prompt tokens that a server with one slot had in its cache."""
    return sum(end.tokens.cached for end in ends) / sum(end.tokens.prompt for end in ends)


def _searched(kind: Kind, searches: int, budget: int, seed: int, known: Ends) -> list[End]:
    """The searches' ends; prints their row.

    Args:
        kind: of the worlds.
        searches: how many.
        budget: answers of each.
        seed: of the first.
        known: ends of earlier searches.
    """
    begun, earlier = time.perf_counter(), known.new
    ends = [known.get(kind, budget, number) for number in range(seed, seed + searches)]
    outcomes = Counter(end.outcome for end in ends)
    counts = [outcomes[word] for word in ("no-better", "rejected", "provisional", "proven")]
    found = sum(map(kind.is_found, ends)) if kind.gain else ""
    each = (time.perf_counter() - begun) / max(1, known.new - earlier)
    bought = fmean(end.bought for end in ends)
    cached = cached_share(ends)
    wrong = sum(map(is_wrong, ends))
    print(_row(kind.name, searches, *counts, wrong, found, f"{each:.2f}", f"{bought:.0f}", f"{cached:.0%}"), flush=True)
    return ends


def _target(what: str, count: int, total: int, is_met: bool) -> None:
    low, high = share_interval(count, total)
    print(_row(what, f"{count / total:.1%}", f"{low:.1%} .. {high:.1%}", _met(is_met)))


def _met(is_met: bool) -> str:
    return "met" if is_met else "MISSED"


def share_interval(count: int, total: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share (Wilson, JASA 22, 1927)."""
    z = NormalDist().inv_cdf(0.975)
    share, weight = count / total, z * z / total
    middle = (share + weight / 2) / (1 + weight)
    reach = z / (1 + weight) * sqrt(share * (1 - share) / total + weight / 4 / total)
    return max(0.0, middle - reach), min(1.0, middle + reach)


def _row(*cells: object) -> str:
    return f"| {' | '.join(map(str, cells))} |"


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gate-only", action="store_true", help="draw pairs, search nothing")
    parser.add_argument("--trials", type=int, default=1000, metavar="N", help="draws of pairs for each share")
    parser.add_argument("--null", type=int, default=500, metavar="N", help="searches where nothing is better")
    parser.add_argument("--gains", type=int, default=100, metavar="N", help="searches for each gain that is there")
    parser.add_argument("--budget", type=int, default=300, metavar="N", help="answers of each search and its gate")
    parser.add_argument("--seed", type=int, default=1, metavar="N")
    parser.add_argument("--state", type=Path, metavar="FILE", help="keep each search's end here, and use those in it")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    options = _options(arguments)
    date = datetime.datetime.now(datetime.UTC).date()
    machine = f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"
    print(f"{date}; {machine}\n\n    python {shlex.join(['benchmarks/null_control.py', *sys.argv[1:]])}")
    if options.gate_only:
        gate_only(options.trials, options.seed)
        cheaper_lane(options.trials, options.seed)
    else:
        whole_searches(options.null, options.gains, options.budget, options.seed, Ends(options.state))


if __name__ == "__main__":
    main()
