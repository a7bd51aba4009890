"""Provokes faults in a running demo cluster, through Nomad's API and ordinary processes, and undoes them."""

import time
from collections.abc import Callable

from evolve.cluster.demo import changes
from evolve.cluster.demo.access import DemoAccess, demo_job, live_allocations
from evolve.cluster.demo.jobs import job_spec
from evolve.cluster.demo.provocations import PROVOCATIONS, end_disturbances
from evolve.cluster.demo.readiness import in_order, is_healthy, wait_until
from evolve.core.model.errors import InputError, Problem


async def provoke(access: DemoAccess, kind: str, job: str) -> None:
    """Provoke a fault; return when it has been done, which is before Nomad has given up.

    Args:
        access: the cluster.
        kind: of `faults.FAULTS`.
        job: one of the fault's jobs.

    Raises:
        InputError: the cluster is no demo cluster, or the job does not run.
        EnvironmentFault: the fault cannot be provoked on this machine.
    """
    found = await demo_job(access, job)
    if not await is_healthy(access.nomad, access.consul, job):
        raise InputError(Problem(f"{job} is not healthy now; nothing was changed", None, "evolve provoke --undo"))
    await PROVOCATIONS[kind](access, found)


async def undo(access: DemoAccess, jobs: tuple[str, ...], say: Callable[[str], None]) -> None:
    """Put demo jobs back: what disturbs them ends, and those that have a fault are registered again.

    Args:
        access: the cluster.
        jobs: their names.
        say: gets a line for each job that was registered.

    Raises:
        InputError: the cluster is no demo cluster.
        EnvironmentFault: a job does not become healthy.
    """

    async def restore(job: str) -> None:
        found = await demo_job(access, job)
        end_disturbances(access.demo, job)
        meta = found.spec.get("Meta")
        is_faulty = isinstance(meta, dict) and changes.FAULT_META in meta
        if not is_faulty and await is_healthy(access.nomad, access.consul, job):
            return
        fresh = changes.with_meta(job_spec(access.demo, job), "anneal_demo_undo", str(time.time_ns()))
        await access.nomad.jobs.register(fresh, if_index=found.job_modify_index)
        await wait_until(lambda: is_healthy(access.nomad, access.consul, job), f"{job} is healthy")
        say(f"{job} is registered again and healthy")

    await in_order(restore, jobs)


async def wait_for_failure(access: DemoAccess, job: str) -> None:
    """Return when Nomad does nothing more about a job that fails.

    Raises:
        EnvironmentFault: that does not happen within a minute.
    """
    await wait_until(lambda: _has_given_up(access, job), f"Nomad gives up on {job}")


async def _has_given_up(access: DemoAccess, job: str) -> bool:
    found = await access.nomad.jobs.read(job)
    evaluations = await access.nomad.jobs.evaluations(job)
    if any(one.status == "blocked" and one.create_index >= found.create_index for one in evaluations):
        return True
    live = [one for one in await live_allocations(access, job) if one.job_version == found.version]
    deployment = await access.nomad.jobs.deployment(job)
    is_over = deployment is None or deployment.status not in ("running", "pending", "paused")
    return is_over and bool(live) and all(one.client_status == "failed" and not one.followup_eval_id for one in live)
