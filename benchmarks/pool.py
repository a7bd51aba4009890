"""Measures an evolution on a pool of experts: with one of four killed in mid-run, and how much faster eight are.

    python -m benchmarks.pool [--budget N] [--killed-delay S] [--delay S]

The experts are loopback endpoints that take the same time for each answer and answer one question at a time, so all
that is measured is how well they are kept busy. They are found in a real Consul where it is installed.
"""

import argparse
import contextlib
import json
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fixtures.expert_endpoint import ExpertProcess, started_experts
from fixtures.real_consul import started_consul
from fixtures.small_evolution import SmallEvolution, finished, small_evolution

_FAMILIES = {"train": 16, "val": 10, "gate": 27}
"""Cases of each split and colour: 48 train, 30 val and 81 gate cases."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One evolution as its experts saw it."""

    result: dict[str, Any]
    done: list[tuple[str, float]]
    """Key and time of each answer that was sent, in the order of time."""
    begun: float

    @property
    def seconds(self) -> float:
        """From the first question to the last answer."""
        return self.done[-1][1] - self.begun

    @property
    def search_seconds(self) -> float:
        """From the first question to the last answer before the gate."""
        before_gate: int = self.result["account"]["search"]
        return self.done[before_gate - 1][1] - self.begun

    @property
    def paid_twice(self) -> int:
        """Answers that were sent for a key that had one."""
        return len(self.done) - len({key for key, _ in self.done})

    def row(self, name: str, *cells: str) -> str:
        """A row of the table."""
        gate = self.result["gate"] or {}
        winner = f"{self.result['winner']}, {self.result['outcome']}, p = {gate.get('p_value', 1):.2g}"
        return (
            f"| {name} | {len(self.done)} | {winner} | {self.paid_twice} | {self.seconds:.1f} | {' | '.join(cells)} |"
        )


def main() -> None:
    options = _options()
    print(f"{time.strftime('%Y-%m-%d')}; budget {options.budget}; {' '.join(sys.version.split()[:1])}\n")
    with tempfile.TemporaryDirectory() as name:
        _killed(Path(name), options)
        _eight(Path(name), options)


def _killed(folder: Path, options: argparse.Namespace) -> None:
    print(f"Four experts, {options.killed_delay:g} s an answer, concurrency 8\n")
    print("| | answers | winner | paid twice | s | ideal, s | of the ideal |")
    print("|---|---:|---|---:|---:|---:|---:|")
    whole = _measure(folder / "whole", 4, options.killed_delay, options.budget)
    ideal = len(whole.done) * options.killed_delay / 4
    print(whole.row("none killed", f"{ideal:.1f}", f"{whole.seconds / ideal:.2f}"), flush=True)
    after = len(whole.done) // 2
    killed = _measure(folder / "killed", 4, options.killed_delay, options.budget, kill_after=after)
    # Half of the answers on four experts, the other half on three.
    ideal = options.killed_delay * (after / 4 + (len(whole.done) - after) / 3)
    print(killed.row("one killed half-way", f"{ideal:.1f}", f"{killed.seconds / ideal:.2f}"), flush=True)


def _eight(folder: Path, options: argparse.Namespace) -> None:
    print(f"\nEight experts, {options.delay:g} s an answer, concurrency 8; faster than one after the other\n")
    print("| | answers | winner | paid twice | s | search, times faster | whole run, times faster |")
    print("|---|---:|---|---:|---:|---:|---:|")
    eight = _measure(folder / "eight", 8, options.delay, options.budget)
    search = eight.result["account"]["search"] * options.delay / eight.search_seconds
    whole = len(eight.done) * options.delay / eight.seconds
    print(eight.row("8 experts", f"{search:.1f}", f"{whole:.1f}"), flush=True)


def _measure(folder: Path, count: int, delay_s: float, budget: int, *, kill_after: int = 0) -> Measured:
    folder.mkdir()
    work = small_evolution(folder / "work", families=_FAMILIES)
    with started_experts(folder, count, delay_s=delay_s) as experts, _pool_of(folder, work, experts) as provider:
        process = work.start("--json", "--concurrency", "8", "--provider", provider, budget=budget)
        if kill_after:
            _kill_later(experts, kill_after, process)
        ended = finished(process, timeout_s=3600)
        if ended.returncode:
            raise SystemExit(ended.stderr)
        done = sorted((entry for one in experts for entry in one.entries("done")), key=lambda entry: entry[1])
        begun = min(at for one in experts for _, at in one.entries("asked"))
    return Measured(json.loads(ended.stdout), done, begun)


def _kill_later(experts: Sequence[ExpertProcess], after: int, process: "subprocess.Popen[str]") -> None:
    while sum(len(one.keys("done")) for one in experts) < after and process.poll() is None:
        time.sleep(0.05)
    experts[1].kill()


@contextlib.contextmanager
def _pool_of(folder: Path, work: SmallEvolution, experts: Sequence[ExpertProcess]) -> Iterator[str]:
    """The provider's id; through a Consul of its own where there is one."""
    if shutil.which("consul") is None:
        print("no Consul here: the experts are listed by URL (./bootstrap.sh consul installs it)", file=sys.stderr)
        yield f"pool:{','.join(one.url for one in experts)}"
        return
    with started_consul(folder) as consul:
        for number, expert in enumerate(experts):
            _register(consul, number, expert)
        work.env["CONSUL_HTTP_ADDR"] = consul
        yield "pool:consul:experts?tag=main"


def _register(consul: str, number: int, expert: ExpertProcess) -> None:
    check = {"HTTP": f"{expert.url}/models", "Interval": "1s", "Timeout": "1s", "Status": "passing"}
    service = {"ID": f"expert-{number}", "Name": "experts", "Address": "127.0.0.1", "Port": expert.port}
    body = json.dumps({**service, "Tags": ["main"], "Check": check}).encode()
    request = urllib.request.Request(f"{consul}/v1/agent/service/register", body, method="PUT")
    urllib.request.urlopen(request, timeout=10).close()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--budget", type=int, default=480)
    parser.add_argument("--killed-delay", type=float, default=1.0, help="seconds an answer of the four experts takes")
    parser.add_argument("--delay", type=float, default=3.0, help="seconds an answer of the eight experts takes")
    return parser.parse_args()


if __name__ == "__main__":
    main()
