"""Plans of the supervisor against an agent: its diff names what was planned, and a register does what it should."""

import pytest

from evolve.cluster.faults import LostRace
from evolve.core.healing.health import undo_of
from evolve.core.healing.plan_diff import diff_problem
from evolve.core.healing.planning import plan_action
from evolve.core.model.actions import MODEL_ACTIONS, Action, Proposal
from evolve.core.model.healing import (
    Attempt,
    AttemptState,
    HealingLimits,
    JobRule,
    Mode,
    PlanContext,
    Refused,
    RegisterJob,
    RevertJob,
)
from evolve.core.model.incidents import FailedJob, FailureEvidence, FailureKey
from fixtures.nomad_contract import a_job, eventually

RULE = JobRule("anneal-*", Mode.ACT, MODEL_ACTIONS)
CRASHES = "exit 7"
NODE = "node-of-the-test"


async def allocation(nomad, job_id, status, version=None):
    """Return an allocation of this status, as soon as there is one."""

    async def look():
        found = [one for one in await nomad.jobs.allocations(job_id) if one.client_status == status]
        return next((one for one in found if version is None or one.job_version == version), None)

    return await eventually(look, f"an allocation of {job_id} is {status}")


async def failure(nomad, job_id, action, healing="h1", **changes):
    """Return the context of a proposal for a job whose newest version failed."""
    job = await nomad.jobs.read(job_id)
    failed = await allocation(nomad, job_id, "failed", job.version)
    key = FailureKey(job.namespace, job_id, "app", "main", failed.id, job.version, "failed; exit 7 signal 0")
    return PlanContext(
        FailedJob(key, FailureEvidence("failed", 7, 0), since_ns=None, failures=1, node=NODE),
        Proposal(Action(action), None),
        RULE,
        HealingLimits(),
        job.spec,
        tuple(version.spec for version in await nomad.jobs.versions(job_id)),
        healing,
        **changes,
    )


async def planned_register(nomad, context):
    """Return a plan whose diff the agent confirms."""
    planned = plan_action(context)
    assert isinstance(planned, RegisterJob), planned
    assert diff_problem(planned, (await nomad.jobs.plan(planned.spec)).diff) == ""
    return planned


def test_p3_a_restart_places_a_new_allocation_once(run):
    async def scenario(nomad):
        spec = a_job(CRASHES)
        await nomad.jobs.register(spec)
        context = await failure(nomad, spec["ID"], "restart")
        planned = await planned_register(nomad, context)
        await nomad.jobs.register(planned.spec, if_index=planned.if_index)
        await allocation(nomad, spec["ID"], "failed", 1)
        for _ in range(2):
            with pytest.raises(LostRace):
                await nomad.jobs.register(planned.spec, if_index=planned.if_index)
        assert (await nomad.jobs.read(spec["ID"])).version == 1
        again = plan_action(await failure(nomad, spec["ID"], "restart"))
        assert isinstance(again, Refused)
        assert again.reason.startswith("already done")

    run(scenario)


def test_p2_memory_is_raised_and_nothing_else(run):
    async def scenario(nomad):
        spec = a_job(CRASHES, Meta={"team": "a"})
        await nomad.jobs.register(spec)
        context = await failure(nomad, spec["ID"], "increase_memory")
        planned = await planned_register(nomad, context)
        await nomad.jobs.register(planned.spec, if_index=planned.if_index)
        after = (await nomad.jobs.read(spec["ID"])).spec
        (task,) = after["TaskGroups"][0]["Tasks"]
        assert task["Resources"]["MemoryMB"] == 32
        assert after["Meta"] == {"team": "a", "anneal_healing": "h1"}

    run(scenario)


def test_p2_what_a_person_changed_meanwhile_is_seen_and_not_overwritten(run):
    async def scenario(nomad):
        spec = a_job(CRASHES)
        await nomad.jobs.register(spec)
        planned = plan_action(await failure(nomad, spec["ID"], "increase_memory"))
        assert isinstance(planned, RegisterJob)
        await nomad.jobs.register({**spec, "Priority": 70})
        assert diff_problem(planned, (await nomad.jobs.plan(planned.spec)).diff) == "diff: it also changes Priority"
        with pytest.raises(LostRace):
            await nomad.jobs.register(planned.spec, if_index=planned.if_index)

    run(scenario)


def test_p2_a_job_moves_by_one_constraint_of_its_group(run):
    async def scenario(nomad):
        spec = a_job(CRASHES, group={"Networks": [{"Mode": "host", "ReservedPorts": [{"Label": "a", "Value": 28765}]}]})
        await nomad.jobs.register(spec)
        planned = await planned_register(nomad, await failure(nomad, spec["ID"], "free_port", other_nodes=1))
        (constraint,) = planned.spec["TaskGroups"][0]["Constraints"]
        assert constraint["RTarget"] == NODE

    run(scenario)


async def healthy_then_broken(nomad, **broken):
    """Register a version that runs well, then one that does not; return the job's ID."""
    spec = a_job()
    await nomad.jobs.register(spec)

    async def look():
        return (await nomad.jobs.versions(spec["ID"]))[0].is_stable

    await eventually(look, "the first version is stable")
    await nomad.jobs.register(a_job(ID=spec["ID"], **broken))
    return spec["ID"]


def test_p2_the_command_of_a_version_that_ran_well_comes_back(run):
    async def scenario(nomad):
        config = {"command": "/bin/nosuch", "args": ["-c", "sleep 3600"]}
        job_id = await healthy_then_broken(nomad, task={"Config": config})
        planned = await planned_register(nomad, await failure(nomad, job_id, "fix_image"))
        await nomad.jobs.register(planned.spec, if_index=planned.if_index)
        await allocation(nomad, job_id, "running", 2)
        after = (await nomad.jobs.read(job_id)).spec
        assert after["TaskGroups"][0]["Tasks"][0]["Config"] == {**config, "command": "/bin/sh"}

    run(scenario)


def test_p8_a_version_comes_back_and_is_taken_back(run):
    async def scenario(nomad):
        job_id = await healthy_then_broken(nomad, command=CRASHES)
        context = await failure(nomad, job_id, "fix_config")
        planned = plan_action(context)
        assert planned == RevertJob(0, if_version=1)
        await nomad.jobs.revert(job_id, planned.version, if_version=planned.if_version)
        await allocation(nomad, job_id, "running", 2)
        attempt = Attempt("h1", "k", Action.FIX_CONFIG, "p", AttemptState.FAILED, 0.0, version_before=1)
        undo = undo_of(attempt, (await nomad.jobs.read(job_id)).spec)
        assert undo == RevertJob(1, if_version=2)
        await nomad.jobs.revert(job_id, undo.version, if_version=undo.if_version)
        assert undo_of(attempt, (await nomad.jobs.read(job_id)).spec) is None

    run(scenario)
