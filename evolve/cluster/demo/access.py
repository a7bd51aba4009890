"""A demo cluster with clients of its agents, and the jobs in it that may be touched."""

from dataclasses import dataclass

from evolve.cluster.consul.client import ConsulClient
from evolve.cluster.demo.readiness import demo_id
from evolve.cluster.demo.state_file import DemoCluster
from evolve.cluster.faults import NotFound
from evolve.cluster.nomad.allocations import NomadAllocation
from evolve.cluster.nomad.client import NomadClient
from evolve.cluster.nomad.jobs import Job
from evolve.core.model.errors import InputError, Problem


@dataclass(frozen=True, slots=True)
class DemoAccess:
    """A demo cluster, and clients of its agents."""

    demo: DemoCluster
    nomad: NomadClient
    consul: ConsulClient


async def demo_job(access: DemoAccess, job: str) -> Job:
    """Return a demo job as it is now.

    Raises:
        InputError: it does not exist, or is not a job of this demo cluster; nothing was changed.
    """
    hint = "./bootstrap.sh cluster starts a demo cluster"
    try:
        found = await access.nomad.jobs.read(job)
    except NotFound as exc:
        raise InputError(Problem(f"{access.nomad!r} has no job {job}; nothing was changed", None, hint)) from exc
    if demo_id(found) != access.demo.id:
        text = f"the job {job} of {access.nomad!r} is not of this demo cluster; nothing was changed"
        raise InputError(Problem(text, None, hint))
    return found


async def live_allocations(access: DemoAccess, job: str) -> list[NomadAllocation]:
    """Return the allocations of a job that should run and have no successor."""
    found = await access.nomad.jobs.allocations(job)
    return [one for one in found if one.desired_status == "run" and not one.next_id]
