"""Registers the demo jobs, and waits until they and their services are healthy; purges them at the end."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence

from evolve.cluster.address import ClusterAddress
from evolve.cluster.caller import Patience
from evolve.cluster.consul.client import ConsulClient
from evolve.cluster.demo.agents import AgentProcess
from evolve.cluster.demo.jobs import API, DEMO_META, JOBS, job_spec
from evolve.cluster.demo.state_file import DemoCluster
from evolve.cluster.faults import ClusterFault, Denied, NotFound
from evolve.cluster.nomad.client import NomadClient
from evolve.cluster.nomad.jobs import Job
from evolve.core.model.errors import EnvironmentFault, InputError, Problem

READY_S = 60.0
"""How long each step may take on a slow machine."""
PAUSE_S = 0.1
_ONE_TRY = Patience(connect_s=2.0, read_s=7.0, read_tries=1)


async def get_ready(
    demo: DemoCluster,
    nomad_at: ClusterAddress,
    consul_at: ClusterAddress,
    agents: Sequence[AgentProcess],
    say: Callable[[str], None],
) -> None:
    """Return when Consul has a leader, and every demo job runs with a service that passes.

    Args:
        demo: the cluster.
        nomad_at: its Nomad, with a token where it needs one.
        consul_at: its Consul.
        agents: processes that must not end meanwhile.
        say: gets a line for each step.

    Raises:
        InputError: a job of another kind has the name of a demo job.
        EnvironmentFault: something is not ready within `READY_S` seconds.
    """
    async with ConsulClient(consul_at, _ONE_TRY) as consul, NomadClient(nomad_at, _ONE_TRY) as nomad:
        await wait_until(consul.agent.leader, "Consul has a leader", agents)
        await wait_until(lambda: _ready_nodes(nomad), "a node of Nomad is ready", agents)

        async def start(job: str) -> None:
            say(f"starting the job {job}")
            await register_new(nomad, demo, job)
            await wait_until(lambda: is_healthy(nomad, consul, job), f"{job} runs and passes its check", agents)

        await in_order(start, JOBS)


async def in_order(act: Callable[[str], Awaitable[None]], jobs: Sequence[str]) -> None:
    """Do something for each of some demo jobs: first for the one that the others need, then for all others at once."""
    first = [job for job in jobs if job == API]
    for part in (first, [job for job in jobs if job != API]):
        done = await asyncio.gather(*(act(job) for job in part), return_exceptions=True)
        for fault in done:
            if isinstance(fault, BaseException):
                raise fault


async def wait_until(
    look: Callable[[], Awaitable[object]], what: str, agents: Sequence[AgentProcess] = (), *, wait_s: float = READY_S
) -> None:
    """Return when a look finds something; a call that fails is tried again, but for a missing right.

    Args:
        look: returns something true when it is there.
        what: what is waited for, for the message.
        agents: processes that must not end meanwhile.
        wait_s: the longest time.

    Raises:
        EnvironmentFault: nothing was found in time, or an agent has ended.
    """
    deadline = time.monotonic() + wait_s
    why: ClusterFault | None = None
    while time.monotonic() < deadline:
        for agent in agents:
            agent.check()
        try:
            if await look():
                return
            why = None
        except Denied:
            raise
        except ClusterFault as exc:
            why = exc
        await asyncio.sleep(PAUSE_S)
    raise EnvironmentFault(f"not within {wait_s:g} s: {what}" + (f" ({why})" if why else ""))


async def _ready_nodes(nomad: NomadClient) -> bool:
    return any(node.status == "ready" for node in await nomad.nodes.list())


async def register_new(nomad: NomadClient, demo: DemoCluster, job: str) -> None:
    """Register a demo job where there is none, or an earlier demo cluster's.

    Raises:
        InputError: there is another job of that name; it is not touched.
    """
    try:
        old: Job | None = await nomad.jobs.read(job)
    except NotFound:
        old = None
    if old is not None and not demo_id(old):
        raise InputError(Problem(f"Nomad has a job {job} that is no demo job: it was not touched", None, "rename it"))
    await nomad.jobs.register(job_spec(demo, job), if_index=old.job_modify_index if old else 0)


def demo_id(job: Job) -> str:
    """Return the id of the demo cluster that a job belongs to; empty for any other job."""
    meta = job.spec.get("Meta")
    found = meta.get(DEMO_META) if isinstance(meta, dict) else None
    return found if isinstance(found, str) else ""


async def is_healthy(nomad: NomadClient, consul: ConsulClient, job: str) -> bool:
    """Return whether the newest version of a job runs, its deployment has ended well, and its service passes."""
    version = (await nomad.jobs.read(job)).version
    allocations = await nomad.jobs.allocations(job)
    runs = any(one.job_version == version and one.client_status == "running" for one in allocations)
    deployment = await nomad.jobs.deployment(job)
    is_over = deployment is None or deployment.status == "successful"
    return runs and is_over and bool(await consul.health.service(job, passing=True))


async def purge(demo: DemoCluster, nomad_at: ClusterAddress) -> None:
    """Stop the jobs of this demo cluster for good, as far as Nomad still answers."""
    async with NomadClient(nomad_at, _ONE_TRY) as nomad:
        for job in reversed(JOBS):
            with contextlib.suppress(ClusterFault):
                if demo_id(await nomad.jobs.read(job)) == demo.id:
                    await nomad.jobs.stop(job, purge=True)
