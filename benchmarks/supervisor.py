"""Measures the supervisor: failing jobs among many for an hour of virtual time; how its cost grows with their number.

python benchmarks/supervisor.py --jobs 100 500 1000 2500 5000 --into rows.jsonl

A tenth of the jobs fail, one after the other in the first half hour. The agent answers at once, so that the rest is the
supervisor's. Times are the cluster's; CPU is that of the supervisor's thread, and the stand-in has threads of its own.
"""

import argparse
import asyncio
import json
import platform
import resource
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from statistics import quantiles
from typing import Any

from evolve.cluster.address import ClusterAddress
from evolve.cluster.consul.client import ConsulClient
from evolve.core.cases.redaction import Redactor
from evolve.core.model.healing import AttemptState
from evolve.supervision.records import StoredRecords
from fixtures.real_consul import started_consul
from fixtures.supervised_cluster import ANYTHING, ScriptedProposer, Supervised, VirtualCluster, mock_job, supervised

HOUR_S, LISTS_EVERY_S = 3600, 60
ONE_FAILS_OF = 10
NODES = 50
POLICY = replace(ANYTHING, limits=replace(ANYTHING.limits, per_hour=1000, common_cause_jobs=100_000))


def register(cluster: VirtualCluster, jobs: int) -> None:
    """Register the jobs that run well, and keep those that fail for later."""
    for number in range(jobs):
        if number % ONE_FAILS_OF:
            cluster.register(a_job(number))


def a_job(number: int, **config: Any) -> dict[str, Any]:
    """A job on one of the nodes in turn: on one node one healing at a time is done, and the others wait for it."""
    node = f"mock-{number // ONE_FAILS_OF % NODES + 1}"
    constraint = {"LTarget": "${node.unique.name}", "RTarget": node, "Operand": "="}
    return {**mock_job(f"job-{number}", **config), "Constraints": [constraint]}


async def an_hour(one: Supervised, jobs: int, failed_at: dict[str, float]) -> dict[str, float]:
    """Let an hour pass; return what it cost. `failed_at` gets the time of each failure, by job."""
    failing = [number for number in range(jobs) if number % ONE_FAILS_OF == 0]
    due: dict[int, list[int]] = {HOUR_S // 2 * place // len(failing): [] for place in range(len(failing))}
    for place, number in enumerate(failing):
        due[HOUR_S // 2 * place // len(failing)].append(number)
    cpu, calls = 0.0, 0
    for second in range(HOUR_S):
        for number in due.get(second, ()):
            one.cluster.register(a_job(number, fails_allocations=1))  # it fails within this second
            failed_at[f"job-{number}"] = one.cluster.now
            # As the event stream names it; the streams' own threads cost the stand-in, not the supervisor.
            one.watch.mark(("default", f"job-{number}"), after_s=7.0)
        one.cluster.second()
        if second % 2:
            continue
        assert one.claims is not None
        await one.claims.hold()  # its life is real time, of which a minute of the cluster may take more
        asked, begun = len(one.cluster.requests), time.thread_time()
        await (one.service.step() if second % LISTS_EVERY_S else one.service.once())
        cpu += time.thread_time() - begun
        calls += len(one.cluster.requests) - asked
    return {"cpu_s": cpu, "calls": calls}


def measured(jobs: int, consul: str) -> dict[str, float]:
    """What an hour with so many jobs costs, in this process."""
    failed_at: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="anneal-benchmark-") as folder:
        records = StoredRecords(Path(folder) / "state", Redactor())
        with closing(VirtualCluster(Path(folder) / "nomad", nodes=NODES)) as cluster, closing(records):
            register(cluster, jobs)
            cluster.second()

            async def go() -> dict[str, float]:
                async with ConsulClient(ClusterAddress(consul)) as client:
                    proposer = ScriptedProposer(lambda _: {"action": "restart"})
                    async with supervised(cluster, records, proposer, client, policy=POLICY) as one:
                        return await an_hour(one, jobs, failed_at)

            found = asyncio.run(go())
            incidents = records.incidents.list(limit=-1)
    waits = [one.attempts[0].began - failed_at[one.job] for one in incidents if one.attempts] or [0.0]
    healed = sum(bool(one.attempts) and one.attempts[-1].state is AttemptState.HEALED for one in incidents)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    late = quantiles([*waits, *waits], n=20)
    return {**found, "incidents": len(incidents), "healed": healed, "p50_s": late[9], "p95_s": late[-1], "mb": peak}


def in_a_process(jobs: int) -> dict[str, float]:
    """What a process of its own measures, so that its peak of memory is its own."""
    argv = [sys.executable, __file__, "--one", str(jobs)]
    found: dict[str, Any] = json.loads(subprocess.run(argv, stdout=subprocess.PIPE, text=True, check=True).stdout)
    return found


def row_of(jobs: int, file: Path | None) -> dict[str, float]:
    """The row of so many jobs: out of a file that has it, or measured and appended to it."""
    lines = file.read_text().splitlines() if file is not None and file.exists() else []
    for known in map(json.loads, lines):
        if known["jobs"] == jobs:
            return dict(known)
    found = {"jobs": jobs, **in_a_process(jobs)}
    if file is not None:
        with file.open("a") as rows:
            rows.write(json.dumps(found) + "\n")
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, nargs="+", default=[500, 1000, 2500, 5000])
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    parser.add_argument(
        "--into", type=Path, help="append each row to this file; rows that it has are not measured again"
    )
    given = parser.parse_args()
    if given.one is not None:
        with tempfile.TemporaryDirectory() as folder, started_consul(Path(folder)) as consul:
            print(json.dumps(measured(given.one, consul)))
        return
    print(f"Python {platform.python_version()}; an hour of virtual time, a look every 2 s, lists every minute\n")
    print(
        "| jobs | incidents | healed | failure to healing begun, p50 / p95 s | API calls a minute | CPU s | "
        "CPU ms an incident | peak MB |"
    )
    print("|---:|---:|---:|---:|---:|---:|---:|---:|")
    for jobs in given.jobs:
        one = row_of(jobs, given.into)
        cells = (
            f"{one['p50_s']:.0f} / {one['p95_s']:.0f}",
            f"{one['calls'] / 60:.0f}",
            f"{one['cpu_s']:.1f}",
            f"{1000 * one['cpu_s'] / max(one['incidents'], 1):.0f}",
            f"{one['mb']:.0f}",
        )
        print(f"| {jobs} | {one['incidents']} | {one['healed']} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
