"""What collection costs before the first test runs: `python -m benchmarks.collection [--runs 5]`.

Each way of asking is one `pytest --collect-only` of this checkout in a process of its own; they take turns. CPU is user
and system seconds of that process. No bytecode is written: a checkout that holds none is measured as on the first day.
"""

import argparse
import os
import platform
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

ROOT = Path(__file__).parents[1]
WAYS: dict[str, Sequence[str]] = {
    "-k adaptation": ("-k", "adaptation"),
    "-m adaptation": ("-m", "adaptation"),
    "everything": (),
}
TARGETS_S = {"-k adaptation": 4.0}
"""CPU seconds."""


@dataclass(frozen=True, slots=True)
class Collection:
    """One measured collection."""

    cpu_s: float
    wall_s: float
    summary: str
    """What pytest says at its end."""


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    found: dict[str, list[Collection]] = {way: [] for way in WAYS}
    for _ in range(runs):
        for way, words in WAYS.items():
            found[way].append(collect(words))
    print_table(found, runs)


def collect(words: Sequence[str]) -> Collection:
    """Return what one collection in this checkout costs."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *words]
    env = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTEST_ADDOPTS": ""}
    before, began_s = os.times(), time.monotonic()
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    after, wall_s = os.times(), time.monotonic() - began_s
    if done.returncode:
        raise SystemExit(done.stdout[-2_000:] + done.stderr)
    cpu_s = after.children_user + after.children_system - before.children_user - before.children_system
    summary = re.sub(r" in [\d.:()s ]+$", "", done.stdout.strip().splitlines()[-1].strip("= "))
    return Collection(cpu_s, wall_s, summary)


def print_table(found: dict[str, list[Collection]], runs: int) -> None:
    """Prints medians, with their targets."""
    print(f"{date.today()}; {os.cpu_count()} cores, {platform.system()} {platform.release()}, ", end="")
    bytecode = "with" if any((ROOT / "suites").rglob("*.pyc")) else "without"
    print(f"Python {platform.python_version()}, {bytecode} bytecode; medians of {runs}\n")
    print("| pytest --collect-only | CPU s | wall s | target, CPU s | | |\n|---|---:|---:|---:|---|---|")
    for way, collections in found.items():
        cpu_s = statistics.median(collection.cpu_s for collection in collections)
        wall_s = statistics.median(collection.wall_s for collection in collections)
        target_s = TARGETS_S.get(way)
        verdict = "" if target_s is None else "met" if cpu_s <= target_s else "missed"
        print(f"| {way} | {cpu_s:.1f} | {wall_s:.1f} | {target_s or ''} | {verdict} | {collections[0].summary} |")


if __name__ == "__main__":
    main()
