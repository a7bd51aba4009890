"""What is done for each fault, and the end of what was done outside of Nomad."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from evolve.cluster.demo import changes
from evolve.cluster.demo.access import DemoAccess, demo_job, live_allocations
from evolve.cluster.demo.agents import environment
from evolve.cluster.demo.jobs import API
from evolve.cluster.demo.leftovers import processes_of, variables_of
from evolve.cluster.demo.readiness import wait_until
from evolve.cluster.demo.state_file import DemoCluster
from evolve.cluster.fields import JsonObject
from evolve.cluster.nomad.jobs import Job
from evolve.core.model.errors import EnvironmentFault

BACKLOG_BYTES = 64 * 2**20
HOLDS = "ANNEAL_DEMO_HOLDS"
"""The environment variable of a process that holds a job's port."""
_FILLING = "filling"


async def _register(access: DemoAccess, job: Job, spec: JsonObject) -> None:
    # Check-and-set: the job is still the one that was recognised as a demo job.
    await access.nomad.jobs.register(spec, if_index=job.job_modify_index)


async def _crash(access: DemoAccess, job: Job) -> None:
    await _register(access, job, changes.crashing(job.spec))


async def _config(access: DemoAccess, job: Job) -> None:
    await _register(access, job, changes.misconfigured(job.spec, access.demo))


async def _image(access: DemoAccess, job: Job) -> None:
    await _register(access, job, changes.without_program(job.spec))


async def _unplaceable(access: DemoAccess, job: Job) -> None:
    await _register(access, job, changes.too_large(job.spec))


async def _dependency(access: DemoAccess, _: Job) -> None:
    await demo_job(access, API)
    await access.nomad.jobs.stop(API)


async def _oom(access: DemoAccess, job: Job) -> None:
    with access.demo.backlog(job.id).open("wb") as file:
        file.truncate(BACKLOG_BYTES)  # a hole: memory is taken by who reads it, and no disk is
    await _restart(access, job.id)


async def _disk(access: DemoAccess, _: Job) -> None:
    if not access.demo.scratch_is_small:
        raise EnvironmentFault(
            f"this machine does not let us mount a small disk on {access.demo.scratch}; nothing was changed",
            hint="start ./bootstrap.sh cluster as root",
        )
    with contextlib.suppress(OSError), (access.demo.scratch / _FILLING).open("wb", buffering=0) as file:
        while True:
            file.write(b"\0" * 4096)


async def _port(access: DemoAccess, job: Job) -> None:
    argv = [sys.executable, "-I", str(Path(__file__).with_name("port_holder.py")), str(access.demo.ports[job.id])]
    env = {**environment(access.demo.owner, os.environ), HOLDS: job.id}
    holder = subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=env,
        start_new_session=True,
    )
    holder.returncode = 0  # it goes on without us on purpose, and Popen must not warn that nobody waited for it
    await _restart(access, job.id)
    assert holder.stdout is not None
    os.set_blocking(holder.stdout.fileno(), False)

    async def held() -> bool:
        return bool(holder.stdout and holder.stdout.read())

    with holder.stdout:
        await wait_until(held, f"another process holds port {access.demo.ports[job.id]}", wait_s=20)


async def _segfault(access: DemoAccess, job: Job) -> None:
    killed: set[int] = set()

    async def is_over() -> bool:
        (alloc,) = await live_allocations(access, job.id)
        for pid in _tasks_of(access.demo, alloc.id):
            if pid not in killed:
                with contextlib.suppress(ProcessLookupError):  # it ended since it was listed
                    os.kill(pid, signal.SIGSEGV)
                killed.add(pid)
        return alloc.client_status == "failed"

    await wait_until(is_over, f"Nomad gives up on {job.id}")


def _tasks_of(demo: DemoCluster, alloc_id: str) -> list[int]:
    """The processes of an allocation of this demo cluster."""
    mine = processes_of(lambda owner: str(owner) == demo.owner)
    return [pid for pid in mine if variables_of(pid).get("NOMAD_ALLOC_ID") == alloc_id]


async def _restart(access: DemoAccess, job: str) -> None:
    for alloc in await live_allocations(access, job):
        await access.nomad.allocations.restart(alloc.id)


PROVOCATIONS: dict[str, Callable[[DemoAccess, Job], Awaitable[None]]] = {
    "crash": _crash,
    "config": _config,
    "image": _image,
    "oom": _oom,
    "port": _port,
    "dependency": _dependency,
    "disk": _disk,
    "segfault": _segfault,
    "unplaceable": _unplaceable,
}


def end_disturbances(demo: DemoCluster, job: str) -> None:
    """Give back what a fault took from a job: its port, its memory, its disk."""
    for pid in processes_of(lambda owner: str(owner) == demo.owner):
        if variables_of(pid).get(HOLDS) == job:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    demo.backlog(job).unlink(missing_ok=True)
    (demo.scratch / _FILLING).unlink(missing_ok=True)
