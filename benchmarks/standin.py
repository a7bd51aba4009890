"""Measures the stand-in for Nomad: mock jobs for an hour of virtual time; how CPU and memory grow with their number.

python benchmarks/standin.py --jobs 500 1000 2500 5000
"""

import argparse
import json
import platform
import resource
import subprocess
import sys
import time
from typing import Any

from evolve.cluster.standin import registering
from evolve.cluster.standin.clock import VirtualClock
from evolve.cluster.standin.mocking import MockClient
from evolve.cluster.standin.scheduling import tick
from evolve.cluster.standin.shapes import SECOND
from evolve.cluster.standin.state import State
from evolve.cluster.standin.watching import watch

HOUR_S, STEP_S = 3600, 5


def a_job(number: int) -> dict[str, Any]:
    """A service whose task ends after some minutes, so that it is restarted, and later rescheduled."""
    config = {"run_for": 300 + number % 600, "exit_code": 1}
    group = {
        "Name": "app",
        "Tasks": [{"Name": "main", "Driver": "mock_driver", "Config": config}],
        "RestartPolicy": {"Attempts": 2, "Delay": 15 * SECOND, "Interval": 1800 * SECOND, "Mode": "fail"},
    }
    return {"ID": f"job-{number}", "Datacenters": ["dc1"], "TaskGroups": [group]}


def an_hour(jobs: int) -> dict[str, float]:
    """Run that many jobs for an hour of virtual time; return CPU seconds, MB and what happened."""
    clock, begun = VirtualClock(), time.process_time()
    state = State(None, clock)
    with state.lock:
        client = MockClient(state)
        for number in range(jobs):
            registering.register(state, {"Job": a_job(number)}, "")
        for _ in range(0, HOUR_S, STEP_S):
            client.step()
            tick(state, clock.now_ns())
            watch(state, clock.now_ns())
            clock.advance(STEP_S)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"cpu_s": time.process_time() - begun, "mb": peak, "allocs": len(state.allocs), "changes": state.index}


def main() -> None:
    """Print the table; each number of jobs has a process of its own, so that its peak of memory is its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, nargs="+", default=[500, 1000, 2500, 5000])
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one is not None:
        print(json.dumps(an_hour(given.one)))
        return
    print(f"Python {platform.python_version()}; an hour of virtual time in steps of {STEP_S} s\n")
    print("| jobs | allocations | changes | CPU s | CPU ms a job | peak MB | KB a job |")
    print("|---:|---:|---:|---:|---:|---:|---:|")
    base = measured(0)["mb"]
    for jobs in given.jobs:
        one = measured(jobs)
        each = (f"{one['cpu_s']:.1f}", f"{1000 * one['cpu_s'] / jobs:.2f}", f"{one['mb']:.0f}")
        size = f"{1024 * (one['mb'] - base) / jobs:.1f}"
        print(f"| {jobs} | {one['allocs']} | {one['changes']} | {' | '.join(each)} | {size} |", flush=True)


def measured(jobs: int) -> dict[str, float]:
    """What a process of its own measures."""
    argv = [sys.executable, __file__, "--one", str(jobs)]
    found: dict[str, float] = json.loads(subprocess.run(argv, capture_output=True, text=True, check=True).stdout)
    return found


if __name__ == "__main__":
    main()
