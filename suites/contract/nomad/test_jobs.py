"""Jobs: registering, planning, check-and-set, versions, stopping, dispatch, periodic, scaling."""

import re

import pytest

from evolve.cluster.faults import LostRace, NotFound, NotYet, Rejected
from evolve.cluster.nomad.operations import JOB_LIST
from fixtures.nomad_contract import SECOND, a_job, changed, eventually, new_id, standin_lacks

READS = ("read", "summary")
VERSIONED = ("versions", "scale_status")
LISTS = ("allocations", "evaluations")


async def running(nomad, job_id, count=1):
    async def look():
        found = [one for one in await nomad.jobs.allocations(job_id) if one.client_status == "running"]
        return found if len(found) >= count and all(one.desired_status == "run" for one in found) else None

    return await eventually(look, f"{count} allocations of {job_id} run")


def parameterized(**more):
    return a_job(Type="batch", ParameterizedJob={"Payload": "optional", "MetaRequired": ["who"]}, **more)


@pytest.mark.parametrize("read", READS)
def test_a_read_of_an_unknown_job_is_not_found(run, read):
    with pytest.raises(NotFound, match="job not found") as raised:
        run(lambda nomad: getattr(nomad.jobs, read)(new_id()))
    assert raised.value.status == 404


@pytest.mark.parametrize("read", VERSIONED)
def test_versions_and_counts_of_an_unknown_job_are_not_found(run, read):
    async def scenario(nomad):
        known = a_job()
        await nomad.jobs.register(known)
        await getattr(nomad.jobs, read)(known["ID"])
        with pytest.raises(NotFound):
            await getattr(nomad.jobs, read)(new_id())

    run(scenario)


@pytest.mark.parametrize("read", LISTS)
def test_a_list_of_an_unknown_job_is_empty(run, read):
    assert run(lambda nomad: getattr(nomad.jobs, read)(new_id())) == ()


def test_deployments_of_an_unknown_job_are_none(run):
    async def scenario(nomad):
        return await nomad.jobs.deployments(new_id()), await nomad.jobs.deployment(new_id())

    assert run(scenario) == ((), None)


def test_a_registered_job_runs_and_reads_as_it_was_given(run):
    async def scenario(nomad):
        spec = a_job(Meta={"team": "a"}, Priority=70)
        made = await nomad.jobs.register(spec)
        await running(nomad, spec["ID"])
        return spec, made, await nomad.jobs.read(spec["ID"])

    spec, made, job = run(scenario)
    assert made.eval_id
    assert (job.id, job.type, job.version, job.is_stopped) == (spec["ID"], "service", 0, False)
    assert job.job_modify_index == made.job_modify_index
    assert job.spec["Meta"] == {"team": "a"}
    assert job.spec["Priority"] == 70


def test_a_job_s_spec_is_in_no_repr(run):
    async def scenario(nomad):
        spec = a_job(task={"Env": {"PASSWORD": "hunter2hunter2"}})
        await nomad.jobs.register(spec)
        plan = await nomad.jobs.plan({**spec, "Meta": {"PASSWORD": "hunter2hunter2"}})
        return repr(await nomad.jobs.read(spec["ID"])) + repr(plan)

    assert "hunter2" not in run(scenario)


def test_the_list_has_the_job_with_its_prefix(run):
    async def scenario(nomad):
        spec = a_job()
        await nomad.jobs.register(spec)
        with_prefix = [job.id async for job in nomad.jobs.list(prefix=spec["ID"])]
        return spec, with_prefix, [job.id async for job in nomad.jobs.list(prefix=new_id())]

    spec, found, others = run(scenario)
    assert (found, others) == ([spec["ID"]], [])


def test_a_list_of_many_pages_is_whole(run, monkeypatch):
    monkeypatch.setattr("evolve.cluster.nomad.part.PER_PAGE", 2)

    async def scenario(nomad):
        specs = [a_job(group={"Count": 0}) for _ in range(5)]
        for spec in specs:
            await nomad.jobs.register(spec)
        first, reply = await nomad.jobs._caller.ask(JOB_LIST, query={"per_page": "2"})
        assert len(first) == 2
        assert reply.next_token
        return {spec["ID"] for spec in specs}, [job.id async for job in nomad.jobs.list(prefix="anneal-")]

    wanted, found = run(scenario)
    assert wanted <= {*found}
    assert len(found) == len({*found})


def test_a_filter_chooses_and_a_wrong_one_is_rejected(run):
    async def scenario(nomad):
        spec = a_job(Priority=77)
        await nomad.jobs.register(spec)
        found = [job.id async for job in nomad.jobs.list(expression="Priority == 77")]
        with pytest.raises(Rejected):
            [job async for job in nomad.jobs.list(expression="Priority ==")]
        return spec, found

    spec, found = run(scenario)
    assert found == [spec["ID"]]


def test_the_summary_counts_what_runs(run):
    async def scenario(nomad):
        spec = a_job(group={"Count": 2})
        await nomad.jobs.register(spec)
        await running(nomad, spec["ID"], 2)
        return await nomad.jobs.summary(spec["ID"])

    assert run(scenario)["app"].running == 2


# -- plan


def test_a_plan_of_a_new_job_places_and_changes_nothing(run):
    async def scenario(nomad):
        spec = a_job(group={"Count": 3})
        plan = await nomad.jobs.plan(spec)
        with pytest.raises(NotFound):
            await nomad.jobs.read(spec["ID"])
        return plan

    plan = run(scenario)
    assert (plan.job_modify_index, plan.diff_type, plan.updates["app"].place) == (0, "Added", 3)


def test_a_plan_without_an_effect_ignores(run):
    async def scenario(nomad):
        spec = a_job()
        await nomad.jobs.register(spec)
        await running(nomad, spec["ID"])
        return await nomad.jobs.plan(spec)

    plan = run(scenario)
    assert (plan.diff_type, plan.updates["app"].ignore, plan.updates["app"].destructive) == ("None", 1, 0)


def test_without_a_diff_there_is_no_diff(run):
    assert run(lambda nomad: nomad.jobs.plan(a_job(), diff=False)).diff_type == ""


@pytest.mark.parametrize(
    ("more", "kind"),
    [({"Meta": {"a": "1"}}, "destructive"), ({"Priority": 60}, "in_place"), ({"group": {"Count": 3}}, "place")],
)
def test_a_plan_says_how_a_change_is_made(run, more, kind):
    async def scenario(nomad):
        spec = a_job()
        await nomad.jobs.register(spec)
        await running(nomad, spec["ID"])
        return await nomad.jobs.plan(a_job(ID=spec["ID"], **more))

    assert getattr(run(scenario).updates["app"], kind) > 0


def test_a_plan_that_no_node_can_take_names_the_reason(run):
    spec = a_job(Constraints=[{"LTarget": "${attr.kernel.name}", "RTarget": "plan9", "Operand": "="}])
    failure = run(lambda nomad: nomad.jobs.plan(spec)).failures["app"]
    assert failure.nodes_filtered >= 1
    assert any("plan9" in reason for reason in failure.constraints)


def test_a_plan_has_the_index_that_a_register_checks(run):
    async def scenario(nomad):
        spec = a_job()
        made = await nomad.jobs.register(spec)
        return made, await nomad.jobs.plan(changed(spec, a="1"))

    made, plan = run(scenario)
    assert plan.job_modify_index == made.job_modify_index


# -- check-and-set


def test_index_zero_creates_once(run):
    async def scenario(nomad):
        spec = a_job()
        await nomad.jobs.register(spec, if_index=0)
        with pytest.raises(LostRace, match="already exists"):
            await nomad.jobs.register(changed(spec, a="1"), if_index=0)

    run(scenario)


def test_a_stale_index_loses_and_changes_nothing(run):
    async def scenario(nomad):
        spec = a_job()
        made = await nomad.jobs.register(spec)
        await nomad.jobs.register(changed(spec, a="1"), if_index=made.job_modify_index)
        with pytest.raises(LostRace, match="conflicting job modify index"):
            await nomad.jobs.register(changed(spec, a="2"), if_index=made.job_modify_index)
        return await nomad.jobs.read(spec["ID"])

    assert run(scenario).spec["Meta"] == {"a": "1"}


def test_an_index_for_a_job_that_does_not_exist_loses(run):
    with pytest.raises(LostRace, match="does not exist"):
        run(lambda nomad: nomad.jobs.register(a_job(), if_index=17))


def test_the_same_job_again_moves_neither_version_nor_index(run):
    async def scenario(nomad):
        spec = a_job()
        first = await nomad.jobs.register(spec)
        again = await nomad.jobs.register(spec)
        return first, again, await nomad.jobs.read(spec["ID"])

    first, again, job = run(scenario)
    assert again.eval_id
    assert again.eval_id != first.eval_id
    assert (job.version, job.job_modify_index) == (0, first.job_modify_index)


def test_a_change_moves_both(run):
    async def scenario(nomad):
        spec = a_job()
        first = await nomad.jobs.register(spec)
        second = await nomad.jobs.register(changed(spec, a="1"))
        return first, second, await nomad.jobs.read(spec["ID"])

    first, second, job = run(scenario)
    assert job.version == 1
    assert second.job_modify_index > first.job_modify_index


# -- invalid jobs


@pytest.mark.parametrize("broken", [{"TaskGroups": []}, {"Type": "nosuch"}], ids=str)
def test_an_invalid_job_is_rejected_with_its_errors(run, broken):
    spec = {**a_job(), **broken}
    with pytest.raises(Rejected):
        run(lambda nomad: nomad.jobs.register(spec))


def test_validation_lists_errors_and_registers_nothing(run):
    async def scenario(nomad):
        spec = {**a_job(), "TaskGroups": []}
        found = await nomad.jobs.validate(spec)
        with pytest.raises(NotFound):
            await nomad.jobs.read(spec["ID"])
        return found, await nomad.jobs.validate(a_job())

    wrong, right = run(scenario)
    assert wrong.errors
    assert right.errors == ()


@standin_lacks("the HCL parser")
def test_hcl_becomes_json_and_a_mistake_has_its_line(run):
    async def scenario(nomad):
        good = await nomad.jobs.parse('job "web" {\n  group "app" {\n  }\n}')
        with pytest.raises(Rejected, match=r"input\.hcl:2"):
            await nomad.jobs.parse('job "web" {\n  nosuch {\n}')
        return good

    assert run(scenario)["ID"] == "web"


def test_an_unknown_datacenter_is_accepted_and_never_placed(run):
    async def scenario(nomad):
        spec = a_job(Datacenters=["nowhere"])
        await nomad.jobs.register(spec)

        async def blocked():
            return [one for one in await nomad.jobs.evaluations(spec["ID"]) if one.status == "blocked"]

        await eventually(blocked, "an evaluation waits for a node")
        found = await nomad.jobs.evaluations(spec["ID"])
        return found, await nomad.jobs.allocations(spec["ID"])

    found, allocations = run(scenario)
    complete = next(one for one in found if one.status == "complete")
    assert allocations == ()
    assert complete.failures["app"].nodes_available == {}
    assert complete.blocked_eval in {one.id for one in found}


# -- stop


def test_a_stopped_job_stays_and_is_marked(run):
    async def scenario(nomad):
        spec = a_job()
        await nomad.jobs.register(spec)
        await running(nomad, spec["ID"])
        assert (await nomad.jobs.stop(spec["ID"])).eval_id
        return await nomad.jobs.read(spec["ID"])

    job = run(scenario)
    assert job.is_stopped


def test_a_purged_job_is_gone_with_its_allocations(run):
    async def scenario(nomad):
        spec = a_job()
        await nomad.jobs.register(spec)
        await running(nomad, spec["ID"])
        await nomad.jobs.stop(spec["ID"], purge=True)
        with pytest.raises(NotFound):
            await nomad.jobs.read(spec["ID"])
        return await nomad.jobs.allocations(spec["ID"])

    assert run(scenario) == ()


def test_stopping_an_unknown_job_is_no_fault(run):
    assert run(lambda nomad: nomad.jobs.stop(new_id())).eval_id == ""


def test_a_stopped_job_still_exists_for_check_and_set(run):
    async def scenario(nomad):
        spec = a_job(group={"Count": 0})
        await nomad.jobs.register(spec)
        await nomad.jobs.stop(spec["ID"])
        with pytest.raises(LostRace):
            await nomad.jobs.register(spec, if_index=0)

    run(scenario)


def test_registering_a_stopped_job_starts_it_again(run):
    async def scenario(nomad):
        spec = a_job()
        await nomad.jobs.register(spec)
        await running(nomad, spec["ID"])
        await nomad.jobs.stop(spec["ID"])
        await nomad.jobs.register(spec)
        await running(nomad, spec["ID"])
        return await nomad.jobs.read(spec["ID"])

    assert not run(scenario).is_stopped


# -- versions and revert


def test_versions_are_kept_the_newest_first(run):
    async def scenario(nomad):
        spec = a_job(group={"Count": 0})
        for n in range(3):
            await nomad.jobs.register(changed(spec, n=str(n)))
        return await nomad.jobs.versions(spec["ID"])

    found = run(scenario)
    assert [(one.version, one.spec["Meta"]["n"]) for one in found] == [(2, "2"), (1, "1"), (0, "0")]


def test_a_revert_makes_a_new_version_of_the_old_content(run):
    async def scenario(nomad):
        spec = a_job(group={"Count": 0})
        for n in range(2):
            await nomad.jobs.register(changed(spec, n=str(n)))
        await nomad.jobs.revert(spec["ID"], 0, if_version=1)
        return await nomad.jobs.read(spec["ID"])

    job = run(scenario)
    assert (job.version, job.spec["Meta"]["n"]) == (2, "0")


def test_a_revert_of_another_version_loses_the_race(run):
    async def scenario(nomad):
        spec = a_job(group={"Count": 0})
        for n in range(3):
            await nomad.jobs.register(changed(spec, n=str(n)))
        with pytest.raises(LostRace, match="enforcing version 1"):
            await nomad.jobs.revert(spec["ID"], 0, if_version=1)
        with pytest.raises(Rejected):
            await nomad.jobs.revert(spec["ID"], 2)

    run(scenario)


def test_a_revert_of_an_unknown_job_is_not_found(run):
    with pytest.raises(NotFound):
        run(lambda nomad: nomad.jobs.revert(new_id(), 0))


# -- dispatch and periodic


def test_a_parameterized_job_registers_without_an_evaluation(run):
    async def scenario(nomad):
        spec = parameterized()
        made = await nomad.jobs.register(spec)
        return made, await nomad.jobs.read(spec["ID"])

    made, job = run(scenario)
    assert made.eval_id == ""
    assert job.is_parameterized


def test_a_dispatch_starts_a_child_and_its_token_only_one(run):
    async def scenario(nomad):
        spec = parameterized()
        await nomad.jobs.register(spec)
        first = await nomad.jobs.dispatch(spec["ID"], payload=b"x", meta={"who": "a"}, token="once")
        again = await nomad.jobs.dispatch(spec["ID"], payload=b"y", meta={"who": "b"}, token="once")
        other = await nomad.jobs.dispatch(spec["ID"], meta={"who": "a"})
        return first, again, other, await nomad.jobs.read(first.job_id)

    first, again, other, child = run(scenario)
    assert first.job_id == again.job_id != other.job_id
    assert first.eval_id
    assert again.eval_id == ""
    assert child.parent_id


@pytest.mark.parametrize(
    ("payload", "meta"), [(b"", {}), (b"", {"who": "x", "zzz": "1"}), (b"x" * 20_000, {"who": "x"})], ids=str
)
def test_a_wrong_dispatch_is_rejected(run, payload, meta):
    async def scenario(nomad):
        spec = parameterized()
        await nomad.jobs.register(spec)
        await nomad.jobs.dispatch(spec["ID"], meta={"who": "a"})
        with pytest.raises(Rejected):
            await nomad.jobs.dispatch(spec["ID"], payload=payload, meta=meta)

    run(scenario)


def test_a_dispatch_of_an_unknown_job_is_not_found(run):
    with pytest.raises(NotFound):
        run(lambda nomad: nomad.jobs.dispatch(new_id()))


def test_a_forced_periodic_job_starts_a_child(run):
    async def scenario(nomad):
        periodic = {"Enabled": True, "Spec": "0 0 1 1 *", "SpecType": "cron", "ProhibitOverlap": True}
        spec = a_job(Type="batch", Periodic=periodic)
        made = await nomad.jobs.register(spec)
        forced = await nomad.jobs.force_periodic(spec["ID"])
        return made, forced, [job async for job in nomad.jobs.list(prefix=f"{spec['ID']}/periodic-")]

    made, forced, children = run(scenario)
    assert made.eval_id == ""
    assert forced.eval_id
    assert len(children) == 1


@pytest.mark.parametrize(("prohibits", "at_least"), [(True, 1), (False, 2)])
def test_a_periodic_job_launches_by_its_times(run, prohibits, at_least):
    async def scenario(nomad):
        periodic = {"Enabled": True, "Spec": "@every 1s", "SpecType": "cron", "ProhibitOverlap": prohibits}
        spec = a_job("sleep 3600", Type="batch", Periodic=periodic)
        await nomad.jobs.register(spec)
        other = a_job("exit 0", Type="batch", Periodic={**periodic, "ProhibitOverlap": True})
        await nomad.jobs.register(other)

        async def children(of, count):
            found = [job async for job in nomad.jobs.list(prefix=f"{of['ID']}/periodic-")]
            return found if len(found) >= count else None

        await eventually(lambda: children(spec, at_least), "it was launched")
        await eventually(lambda: children(other, 2), "a child that has ended is followed by another")
        return spec, await children(spec, 1)

    spec, found = run(scenario)
    assert all(re.fullmatch(rf"{spec['ID']}/periodic-\d+", one.id) for one in found)
    assert len(found) == 1 or not prohibits


def test_a_periodic_job_that_is_switched_off_launches_nothing(run):
    async def scenario(nomad):
        rules = {"Spec": "@every 1s", "SpecType": "cron"}
        off, on = (a_job("exit 0", Type="batch", Periodic={**rules, "Enabled": enabled}) for enabled in (False, True))
        await nomad.jobs.register(off)
        await nomad.jobs.register(on)

        async def launched(spec, count):
            found = [job.id async for job in nomad.jobs.list(prefix=f"{spec['ID']}/periodic-")]
            return len(found) >= count

        await eventually(lambda: launched(on, 2), "the other was launched twice")
        return await launched(off, 1)

    assert not run(scenario)


def test_a_wrong_time_is_rejected_with_its_reason(run):
    async def scenario(nomad):
        rules = {"Enabled": True, "Spec": "nonsense", "SpecType": "cron"}
        with pytest.raises(Rejected, match=r'Invalid cron spec "nonsense": missing field'):
            await nomad.jobs.register(a_job(Type="batch", Periodic=rules))

    run(scenario)


# -- scaling and evaluating


def test_a_scale_changes_the_count(run):
    async def scenario(nomad):
        spec = a_job()
        await nomad.jobs.register(spec)

        async def deployed():
            found = await nomad.jobs.deployment(spec["ID"])
            return found is not None and not found.is_active

        await eventually(deployed, "the deployment is over")
        await nomad.jobs.scale(spec["ID"], "app", 2, message="more")
        await running(nomad, spec["ID"], 2)
        return await nomad.jobs.scale_status(spec["ID"])

    assert run(scenario).groups["app"].desired == 2


def test_a_scale_is_refused_while_a_deployment_is_active(run):
    async def scenario(nomad):
        spec = a_job(group={"Update": {"MinHealthyTime": 30 * SECOND, "HealthyDeadline": 60 * SECOND}})
        await nomad.jobs.register(spec)
        await running(nomad, spec["ID"])
        with pytest.raises(NotYet, match="active deployment"):
            await nomad.jobs.scale(spec["ID"], "app", 2)

    run(scenario)


def test_a_scale_checks_the_index_and_its_numbers(run):
    async def scenario(nomad):
        spec = a_job(group={"Count": 0, "Update": None})
        await nomad.jobs.register(spec)
        with pytest.raises(LostRace):
            await nomad.jobs.scale(spec["ID"], "app", 1, if_index=1)
        with pytest.raises(Rejected, match="negative"):
            await nomad.jobs.scale(spec["ID"], "app", -1)
        with pytest.raises(Rejected):
            await nomad.jobs.scale(spec["ID"], "nosuch", 1)

    run(scenario)


def test_a_scale_of_an_unknown_job_is_not_found(run):
    async def scenario(nomad):
        spec = a_job(group={"Count": 0})
        await nomad.jobs.register(spec)
        await nomad.jobs.scale_status(spec["ID"])
        with pytest.raises(NotFound):
            await nomad.jobs.scale(new_id(), "app", 1)

    run(scenario)


def test_an_evaluation_of_a_healthy_job_replaces_nothing(run):
    async def scenario(nomad):
        spec = a_job()
        await nomad.jobs.register(spec)
        before = await running(nomad, spec["ID"])
        made = await nomad.jobs.evaluate(spec["ID"], force_reschedule=True)

        async def complete():
            return (await nomad.evaluations.read(made.eval_id)).status == "complete"

        await eventually(complete, "the evaluation is complete")
        return before, await nomad.jobs.allocations(spec["ID"])

    before, after = run(scenario)
    assert [one.id for one in before] == [one.id for one in after]


def test_an_evaluation_of_an_unknown_job_is_not_found(run):
    with pytest.raises(NotFound):
        run(lambda nomad: nomad.jobs.evaluate(new_id()))
