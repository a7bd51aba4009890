"""Canaries: a new version runs alongside the earlier one until it is promoted, by hand or by itself, or fails."""

import pytest

from evolve.cluster.faults import Rejected
from fixtures.nomad_contract import SECOND, a_job, eventually

UPDATE = {
    "MaxParallel": 2,
    "Canary": 1,
    "MinHealthyTime": SECOND // 10,
    "HealthyDeadline": 2 * SECOND,
    "ProgressDeadline": 4 * SECOND,
    "HealthCheck": "task_states",
}


def a_version(job_id, command, count=2, **update):
    return a_job(command, ID=job_id, group={"Count": count, "Update": {**UPDATE, **update}})


async def deployment_of(nomad, job_id, version, status):
    async def look():
        found = await nomad.jobs.deployments(job_id)
        return next((one for one in found if (one.job_version, one.status) == (version, status)), None)

    return await eventually(look, f"the deployment of version {version} of {job_id} is {status}")


async def deployed(nomad, count=2, **update):
    """The id of a job whose first version runs."""
    job_id = a_job()["ID"]
    await nomad.jobs.register(a_version(job_id, "sleep 3600", count, **update))
    await deployment_of(nomad, job_id, 0, "successful")
    return job_id


async def live(nomad, job_id):
    found = await nomad.jobs.allocations(job_id)
    return [one for one in found if one.desired_status == "run" and one.client_status == "running"]


async def healthy_canary(nomad, job_id):
    """The deployment of version 1 as soon as its canary is healthy."""

    async def look():
        found = await nomad.jobs.deployment(job_id)
        return found if found.job_version == 1 and found.groups["app"].healthy == 1 else None

    return await eventually(look, f"the canary of {job_id} is healthy")


def test_a_first_version_has_no_canaries(run):
    async def scenario(nomad):
        return await nomad.jobs.deployment(await deployed(nomad))

    found = run(scenario)
    assert (found.groups["app"].desired_canaries, found.groups["app"].placed_canaries) == (0, ())


def test_a_plan_counts_the_canaries_and_leaves_the_rest(run):
    async def scenario(nomad):
        job_id = await deployed(nomad)
        return await nomad.jobs.plan(a_version(job_id, "sleep 3601"))

    counts = run(scenario).updates["app"]
    assert (counts.canary, counts.ignore, counts.destructive, counts.place) == (1, 2, 0, 0)


def test_a_canary_runs_with_the_earlier_version_and_waits(run):
    async def scenario(nomad):
        job_id = await deployed(nomad)
        await nomad.jobs.register(a_version(job_id, "sleep 3601"))
        found = await healthy_canary(nomad, job_id)
        return found, await live(nomad, job_id)

    found, allocations = run(scenario)
    assert found.description == "Deployment is running but requires manual promotion"
    [canary] = found.groups["app"].placed_canaries
    seen = sorted((one.job_version, one.is_canary, one.id == canary) for one in allocations)
    assert seen == [(0, False, False), (0, False, False), (1, True, True)]
    assert not found.groups["app"].is_promoted


def test_a_promoted_canary_replaces_the_earlier_version(run):
    async def scenario(nomad):
        job_id = await deployed(nomad)
        await nomad.jobs.register(a_version(job_id, "sleep 3601"))
        waiting = await healthy_canary(nomad, job_id)
        answer = await nomad.deployments.promote(waiting.id)
        done = await deployment_of(nomad, job_id, 1, "successful")
        with pytest.raises(Rejected, match="can't promote terminal deployment"):
            await nomad.deployments.promote(waiting.id)
        return answer, waiting, done, await live(nomad, job_id), await nomad.jobs.read(job_id)

    answer, waiting, done, allocations, job = run(scenario)
    assert answer.eval_id
    assert done.groups["app"].is_promoted
    assert (done.groups["app"].placed, done.groups["app"].healthy) == (2, 2)
    assert [one.job_version for one in allocations] == [1, 1]
    assert len({one.name for one in allocations}) == 2
    assert waiting.groups["app"].placed_canaries[0] in {one.id for one in allocations}
    assert job.is_stable


def test_a_single_allocation_waits_for_its_promotion_too(run):
    async def scenario(nomad):
        job_id = await deployed(nomad, count=1)
        await nomad.jobs.register(a_version(job_id, "sleep 3601", count=1))
        waiting = await healthy_canary(nomad, job_id)
        still = await nomad.deployments.read(waiting.id)
        await nomad.deployments.promote(waiting.id)
        await deployment_of(nomad, job_id, 1, "successful")
        return still, await live(nomad, job_id)

    still, allocations = run(scenario)
    assert still.is_active
    assert [one.job_version for one in allocations] == [1]


def test_a_canary_that_is_not_healthy_yet_is_not_promoted(run):
    async def scenario(nomad):
        slow = {"MinHealthyTime": 60 * SECOND, "HealthyDeadline": 120 * SECOND, "ProgressDeadline": 300 * SECOND}
        job_id = await deployed(nomad)
        await nomad.jobs.register(a_version(job_id, "sleep 3601", **slow))
        found = await nomad.jobs.deployment(job_id)
        with pytest.raises(Rejected, match='Task group "app" has 0/1 healthy allocations'):
            await nomad.deployments.promote(found.id)

    run(scenario)


def test_auto_promote_needs_nobody(run):
    async def scenario(nomad):
        job_id = await deployed(nomad, AutoPromote=True)
        await nomad.jobs.register(a_version(job_id, "sleep 3601", AutoPromote=True))
        done = await deployment_of(nomad, job_id, 1, "successful")
        return done, await live(nomad, job_id)

    done, allocations = run(scenario)
    assert done.groups["app"].is_promoted
    assert [one.job_version for one in allocations] == [1, 1]


def test_a_failing_canary_leaves_the_earlier_version_running(run):
    async def scenario(nomad):
        job_id = await deployed(nomad)
        before = {one.id for one in await live(nomad, job_id)}
        await nomad.jobs.register(a_version(job_id, "exit 1"))
        failed = await deployment_of(nomad, job_id, 1, "failed")
        after = {one.id for one in await live(nomad, job_id)}
        return before, after, failed, await nomad.jobs.read(job_id)

    before, after, failed, job = run(scenario)
    assert after == before
    assert job.version == 1
    assert "rolling back" not in failed.description


def test_auto_revert_brings_the_earlier_version_back_without_a_restart(run):
    async def scenario(nomad):
        job_id = await deployed(nomad, AutoRevert=True)
        before = {one.id for one in await live(nomad, job_id)}
        await nomad.jobs.register(a_version(job_id, "exit 1", AutoRevert=True))
        failed = await deployment_of(nomad, job_id, 1, "failed")
        back = await deployment_of(nomad, job_id, 2, "successful")
        [canary] = [one for one in await nomad.jobs.allocations(job_id) if one.id not in before]
        return before, failed, back, await live(nomad, job_id), canary

    before, failed, back, allocations, canary = run(scenario)
    assert "rolling back to job version 0" in failed.description
    assert {one.id for one in allocations} == before
    assert {one.job_version for one in allocations} == {2}
    assert (back.groups["app"].healthy, back.groups["app"].placed) == (2, 2)
    assert (canary.client_status, canary.desired_status) == ("failed", "stop")


def test_a_newer_version_ends_the_canaries_of_an_earlier_one(run):
    async def scenario(nomad):
        job_id = await deployed(nomad)
        await nomad.jobs.register(a_version(job_id, "sleep 3601"))
        first = (await healthy_canary(nomad, job_id)).groups["app"].placed_canaries[0]
        await nomad.jobs.register(a_version(job_id, "sleep 3602"))

        async def replaced():
            found = await live(nomad, job_id)
            return sorted(one.job_version for one in found) == [0, 0, 2] and first not in {one.id for one in found}

        await eventually(replaced, "the other canary runs")
        return await nomad.jobs.deployments(job_id)

    assert {one.job_version: one.status for one in run(scenario)}[1] == "cancelled"
