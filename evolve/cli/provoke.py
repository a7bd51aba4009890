"""`evolve provoke KIND`: makes a job of a demo cluster fail, for real."""

import argparse
import asyncio
import os
import sys
from collections.abc import Mapping, Sequence

from evolve.cli._guard import run_guarded
from evolve.cli._parser import CommandParser, Example
from evolve.cluster.consul.client import ConsulClient
from evolve.cluster.demo.access import DemoAccess
from evolve.cluster.demo.faults import FAULTS, fault_named
from evolve.cluster.demo.jobs import JOBS
from evolve.cluster.demo.provoking import provoke, undo, wait_for_failure
from evolve.cluster.demo.state_file import DemoCluster, consul_or_demo, nomad_or_demo, running_demo
from evolve.cluster.nomad.client import NomadClient
from evolve.core.model.errors import ExitCode, InputError, Problem
from evolve.core.text.did_you_mean import did_you_mean
from evolve.report.terminal import say


def main(arguments: Sequence[str]) -> int:
    """Provoke or undo; return 0 done, 2 wrong use or no demo cluster, 4 an agent does not answer."""
    made = parser()
    options = made.parse_args(arguments)
    if sum((options.list, options.undo, options.kind is not None)) != 1:
        made.error("expected one of KIND, --list and --undo")
    if options.list:
        say(_table())
        return ExitCode.DONE
    demo = _the_demo(os.environ)
    asyncio.run(_undo(demo, options) if options.undo else _provoke(demo, options))
    return ExitCode.DONE


def parser() -> CommandParser:
    """Return the command's parser."""
    made = CommandParser(
        prog="evolve provoke",
        description="Make a job of a demo cluster fail, for real. ./bootstrap.sh cluster starts one; no other cluster "
        "is touched.",
        examples=(
            Example("evolve provoke --list", "the faults, and what heals each"),
            Example("evolve provoke oom --wait", "a task needs more memory than it may have"),
            Example("evolve provoke crash --job demo-api", "in another job than the usual one"),
            Example("evolve provoke --undo", "put all jobs back"),
        ),
        notes="exit codes: 0 done, 2 wrong use, or no demo cluster, 4 an agent does not answer.",
    )
    made.add_argument("kind", nargs="?", metavar="KIND", help="the fault; --list shows all")
    made.add_argument("--job", metavar="JOB", help=f"one of {', '.join(JOBS)}; default: the fault's usual one")
    made.add_argument("--wait", action="store_true", help="return when Nomad does nothing more about the job")
    made.add_argument("--undo", action="store_true", help="put all jobs back, or that of --job")
    made.add_argument("--list", action="store_true", help="show the faults")
    return made


def _table() -> list[str]:
    lines = []
    for fault in FAULTS:
        usual, *others = fault.jobs
        where = f"in {usual}" + (f" (also {', '.join(others)})" if others else "")
        lines += [f"{fault.kind}  {where}", f"  see:   {fault.see}", f"  heals: {fault.heals}"]
    return [*lines, "", "next: evolve provoke oom --wait"]


def _the_demo(env: Mapping[str, str]) -> DemoCluster:
    demo = running_demo(env)
    if demo is None:
        text = "no demo cluster runs on this machine, and no other cluster is touched"
        raise InputError(Problem(text, None, "./bootstrap.sh cluster starts one"))
    return demo


async def _provoke(demo: DemoCluster, options: argparse.Namespace) -> None:
    fault, job = fault_named(options.kind, options.job)
    async with _nomad(demo) as nomad, _consul(demo) as consul:
        access = DemoAccess(demo, nomad, consul)
        await provoke(access, fault.kind, job)
        say([f"done:  {fault.does.format(job=job)}", f"see:   {fault.see}", f"heals: {fault.heals}"])
        if options.wait:
            await wait_for_failure(access, job)
            say([f"now:   Nomad does nothing more about {job}"])
    say(["next:  evolve provoke --undo"])


async def _undo(demo: DemoCluster, options: argparse.Namespace) -> None:
    if options.job and options.job not in JOBS:
        hint = did_you_mean(options.job, JOBS)
        raise InputError(Problem(f"no demo job {options.job!r}; known: {', '.join(JOBS)}", None, hint))
    async with _nomad(demo) as nomad, _consul(demo) as consul:
        jobs = (options.job,) if options.job else JOBS
        await undo(DemoAccess(demo, nomad, consul), jobs, lambda line: say([line]))
        say([f"healthy: {', '.join(jobs)}"])


def _nomad(demo: DemoCluster) -> NomadClient:
    """The Nomad that NOMAD_ADDR names, else the demo's: its jobs must be the demo's in both cases."""
    address = nomad_or_demo(os.environ)
    assert address is not None, demo
    return NomadClient(address)


def _consul(demo: DemoCluster) -> ConsulClient:
    address = consul_or_demo(os.environ)
    if address is None:
        text = f"NOMAD_ADDR names another Nomad than the demo cluster's, {demo.nomad}"
        raise InputError(Problem(text, None, "unset NOMAD_ADDR"))
    return ConsulClient(address)


if __name__ == "__main__":
    sys.exit(run_guarded(main, sys.argv[1:]))
