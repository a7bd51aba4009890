"""Allocations, evaluations, deployments, nodes, the agent, blocking queries and events."""

import asyncio

import pytest

from evolve.cluster.blocking import Rate
from evolve.cluster.faults import NotFound, NotYet, Rejected
from evolve.cluster.nomad.events import ClusterEvent, ReadLists
from fixtures.nomad_contract import SECOND, a_job, changed, eventually

NOBODY = "11111111-2222-3333-4444-555555555555"
FAST = Rate(every_s=0.01, burst=100)
DEPLOYING = {"Update": {"MaxParallel": 1, "MinHealthyTime": SECOND // 10, "HealthCheck": "task_states"}}


async def the_allocation(nomad, job_id, status="running"):
    async def look():
        return next((one for one in await nomad.jobs.allocations(job_id) if one.client_status == status), None)

    return await eventually(look, f"an allocation of {job_id} is {status}")


async def started(nomad, command="sleep 3600", status="running", **more):
    spec = a_job(command, **more)
    await nomad.jobs.register(spec)
    return spec, await the_allocation(nomad, spec["ID"], status)


def test_an_allocation_names_its_job_node_and_evaluation(run):
    async def scenario(nomad):
        spec, found = await started(nomad)
        return spec, await nomad.allocations.read(found.id), [one.id for one in await nomad.nodes.list()]

    spec, one, nodes = run(scenario)
    assert (one.job_id, one.group, one.desired_status, one.job_version) == (spec["ID"], "app", "run", 0)
    assert one.node_id in nodes
    assert one.eval_id
    assert one.name == f"{spec['ID']}.app[0]"


def test_a_running_task_has_its_events_the_oldest_first(run):
    async def scenario(nomad):
        return (await started(nomad))[1]

    task = run(scenario).tasks["main"]
    assert (task.state, task.has_failed, task.restarts) == ("running", False, 0)
    types = [event.type for event in task.events]
    assert types[0] == "Received"
    assert types[-1] == "Started"
    assert sorted(event.time_ns for event in task.events) == [event.time_ns for event in task.events]


def test_an_unknown_allocation_is_not_found_and_a_wrong_id_rejected(run):
    async def scenario(nomad):
        with pytest.raises(NotFound):
            await nomad.allocations.read(NOBODY)
        with pytest.raises(Rejected, match="UUID must be 36 characters"):
            await nomad.allocations.read("short")

    run(scenario)


def test_the_list_of_all_allocations_has_it(run):
    async def scenario(nomad):
        _, found = await started(nomad)
        return found.id, [one.id async for one in nomad.allocations.list()]

    one, found = run(scenario)
    assert one in found


def test_a_task_that_fails_says_its_exit_code(run):
    async def scenario(nomad):
        return (await started(nomad, "exit 3", "failed"))[1]

    one = run(scenario)
    ended = [event for event in one.tasks["main"].events if event.type == "Terminated"]
    assert [event.exit_code for event in ended] == [3]
    assert one.tasks["main"].has_failed
    assert one.desired_status == "run"


def test_a_task_that_fails_is_restarted_as_often_as_its_policy_says(run):
    policy = {"Attempts": 2, "Interval": 60 * SECOND, "Delay": SECOND // 20, "Mode": "fail"}

    async def scenario(nomad):
        return (await started(nomad, "exit 1", "failed", group={"RestartPolicy": policy}))[1]

    task = run(scenario).tasks["main"]
    assert task.restarts == 2
    assert task.events[-1].type == "Not Restarting"


def test_a_killed_task_says_its_signal(run):
    async def scenario(nomad):
        return (await started(nomad, "kill -9 $$", "failed"))[1]

    ended = next(event for event in run(scenario).tasks["main"].events if event.type == "Terminated")
    assert (ended.exit_code, ended.signal) == (137, 9)


def test_a_batch_job_that_succeeds_is_complete_and_dead(run):
    async def scenario(nomad):
        spec, one = await started(nomad, "exit 0", "complete", Type="batch")

        async def dead():
            return (await nomad.jobs.read(spec["ID"])).status == "dead"

        await eventually(dead, "the job is dead")
        return one, await nomad.jobs.read(spec["ID"])

    one, job = run(scenario)
    assert not one.tasks["main"].has_failed
    assert not job.is_stopped


def test_a_stopped_job_s_allocation_is_complete_and_not_failed(run):
    async def scenario(nomad):
        spec, _ = await started(nomad)
        await nomad.jobs.stop(spec["ID"])
        return await the_allocation(nomad, spec["ID"], "complete")

    one = run(scenario)
    assert one.desired_status == "stop"


def test_a_changed_job_replaces_its_allocation(run):
    async def scenario(nomad):
        spec, first = await started(nomad)
        await nomad.jobs.register(changed(spec, a="1"))

        async def newer():
            found = await nomad.jobs.allocations(spec["ID"])
            return next((one for one in found if one.id != first.id and one.client_status == "running"), None)

        return first, await eventually(newer, "the new version runs")

    first, second = run(scenario)
    assert second.job_version == 1
    assert second.previous_id in ("", first.id)


def test_a_restart_counts_and_keeps_the_allocation(run):
    async def scenario(nomad):
        _, one = await started(nomad)
        await nomad.allocations.restart(one.id)

        async def restarted():
            now = await nomad.allocations.read(one.id)
            return now if now.tasks["main"].restarts == 1 and now.client_status == "running" else None

        return await eventually(restarted, "the task was restarted")

    assert "Restart Signaled" in {event.type for event in run(scenario).tasks["main"].events}


def test_a_restart_of_an_unknown_task_or_allocation_is_refused(run):
    async def scenario(nomad):
        _, one = await started(nomad)
        await nomad.allocations.restart(one.id, task="main")
        with pytest.raises((Rejected, NotFound)):
            await nomad.allocations.restart(one.id, task="nosuch")
        with pytest.raises(NotFound):
            await nomad.allocations.restart(NOBODY)

    run(scenario)


def test_a_stopped_allocation_is_replaced(run):
    async def scenario(nomad):
        spec, one = await started(nomad)
        stopped = await nomad.allocations.stop(one.id)

        async def another():
            found = await nomad.jobs.allocations(spec["ID"])
            return next((new for new in found if new.id != one.id and new.client_status == "running"), None)

        await eventually(another, "a replacement runs")
        return stopped, await nomad.allocations.read(one.id)

    stopped, old = run(scenario)
    assert stopped.eval_id
    assert old.desired_status == "stop"


# -- logs


@pytest.mark.parametrize(("size", "wanted"), [(8, "line-49\n"), (0, "\n"), (100_000, None)])
def test_the_tail_of_a_log_has_at_most_its_size(run, size, wanted):
    async def scenario(nomad):
        _, one = await started(nomad, "for i in $(seq 10 49); do echo line-$i; done; sleep 3600")

        async def whole():
            part = await nomad.allocations.tail(one.id, "main", "stdout", 100_000)
            return part.text if "line-49\n" in part.text else None

        text = await eventually(whole, "all lines are there")
        return (await nomad.allocations.tail(one.id, "main", "stdout", size)).text, text

    part, whole = run(scenario)
    assert part == (whole if wanted is None else wanted)


def test_a_log_is_read_on_from_where_it_was_read_to(run):
    async def scenario(nomad):
        _, one = await started(nomad, "i=0; while sleep 0.05; do i=$((i+1)); echo line-$i >&2; done")
        text, offset = "", 0

        async def more():
            nonlocal text, offset
            part = await nomad.allocations.log_from(one.id, "main", "stderr", offset)
            text, offset = text + part.text, part.next_offset
            return text.count("\n") >= 8

        await eventually(more, "eight lines were read")
        return text

    lines = run(scenario).splitlines()
    assert lines[:8] == [f"line-{n}" for n in range(1, 9)]


def test_the_log_of_an_unknown_task_is_rejected_and_of_an_unknown_allocation_not_found(run):
    async def scenario(nomad):
        _, one = await started(nomad)
        with pytest.raises(Rejected, match="unknown task name"):
            await nomad.allocations.tail(one.id, "nosuch", "stdout", 10)
        with pytest.raises(NotFound):
            await nomad.allocations.tail(NOBODY, "main", "stdout", 10)

    run(scenario)


def test_the_log_of_a_task_that_has_not_started_is_not_there_yet(run):
    async def scenario(nomad):
        spec = a_job()
        first = {**spec["TaskGroups"][0]["Tasks"][0], "Name": "first", "Lifecycle": {"Hook": "prestart"}}
        spec["TaskGroups"][0]["Tasks"].append(first)
        await nomad.jobs.register(spec)
        one = (await eventually(lambda: nomad.jobs.allocations(spec["ID"]), "an allocation"))[0]

        async def first_runs():
            task = (await nomad.allocations.read(one.id)).tasks.get("first")
            return task is not None and task.state == "running"

        await eventually(first_runs, "the prestart task runs")
        with pytest.raises(NotYet, match="not started yet"):
            await nomad.allocations.tail(one.id, "main", "stdout", 10)

    run(scenario)


# -- evaluations


def test_an_evaluation_names_its_trigger_and_its_allocations(run):
    async def scenario(nomad):
        spec = a_job()
        made = await nomad.jobs.register(spec)
        await the_allocation(nomad, spec["ID"])
        return made, await nomad.evaluations.read(made.eval_id), await nomad.jobs.evaluations(spec["ID"])

    made, one, found = run(scenario)
    assert (one.id, one.triggered_by, one.status) == (made.eval_id, "job-register", "complete")
    assert one.id in {other.id for other in found}


def test_an_unknown_evaluation_is_not_found(run):
    with pytest.raises(NotFound):
        run(lambda nomad: nomad.evaluations.read(NOBODY))


def test_the_list_of_evaluations_and_the_allocations_of_one(run):
    async def scenario(nomad):
        spec = a_job()
        made = await nomad.jobs.register(spec)
        one = await the_allocation(nomad, spec["ID"])
        placed = await nomad.evaluations.allocations(made.eval_id)
        return made, one, [found.id async for found in nomad.evaluations.list()], [found.id for found in placed]

    made, one, found, placed = run(scenario)
    assert made.eval_id in found
    assert placed == [one.id]


# -- deployments


def test_a_deployment_ends_with_success(run):
    async def scenario(nomad):
        spec, one = await started(nomad, group=DEPLOYING)

        async def successful():
            found = await nomad.jobs.deployment(spec["ID"])
            return found if found and found.status == "successful" else None

        done = await eventually(successful, "the deployment is successful")
        members = await nomad.deployments.allocations(done.id)
        listed = [found.id async for found in nomad.deployments.list()]
        return one, done, await nomad.deployments.read(done.id), members, listed

    one, done, read, members, listed = run(scenario)
    assert (done.groups["app"].healthy, done.is_active, read.id) == (1, False, done.id)
    assert [member.id for member in members] == [one.id]
    assert done.id in listed


def test_an_unhealthy_version_fails_its_deployment_and_is_reverted(run):
    update = {**DEPLOYING["Update"], "AutoRevert": True, "HealthyDeadline": 2 * SECOND, "ProgressDeadline": 4 * SECOND}

    async def scenario(nomad):
        spec, _ = await started(nomad, group={"Update": update})

        async def settled():
            found = await nomad.jobs.deployment(spec["ID"])
            return found is not None and found.status == "successful"

        await eventually(settled, "the first version is deployed")
        bad = a_job("exit 1", ID=spec["ID"], group={"Update": update})
        await nomad.jobs.register(bad)

        async def reverted():
            return (await nomad.jobs.read(spec["ID"])).version == 2

        await eventually(reverted, "the job is reverted")
        return await nomad.jobs.deployments(spec["ID"])

    failed = next(one for one in run(scenario) if one.job_version == 1)
    assert failed.status == "failed"
    assert "rolling back to job version 0" in failed.description


def test_a_deployment_is_failed_by_hand_once(run):
    async def scenario(nomad):
        spec, _ = await started(
            nomad, group={"Update": {"MinHealthyTime": 30 * SECOND, "HealthyDeadline": 60 * SECOND}}
        )
        active = await nomad.jobs.deployment(spec["ID"])
        assert active.is_active
        await nomad.deployments.fail(active.id)
        with pytest.raises(Rejected):
            await nomad.deployments.fail(active.id)
        with pytest.raises(Rejected):
            await nomad.deployments.promote(active.id)
        return await nomad.deployments.read(active.id)

    assert run(scenario).status == "failed"


def test_an_unknown_deployment_is_not_found(run):
    with pytest.raises(NotFound, match="deployment not found"):
        run(lambda nomad: nomad.deployments.read(NOBODY))


# -- nodes and agent


def test_the_nodes_are_ready_and_have_their_drivers(run):
    async def scenario(nomad):
        nodes = await nomad.nodes.list()
        return nodes[0], await nomad.nodes.read(nodes[0].id)

    stub, node = run(scenario)
    assert (stub.status, stub.eligibility, stub.is_draining) == ("ready", "eligible", False)
    assert stub.drivers["raw_exec"]
    assert (node.id, node.name, node.status) == (stub.id, stub.name, "ready")


def test_an_unknown_node_is_not_found(run):
    with pytest.raises(NotFound):
        run(lambda nomad: nomad.nodes.read(NOBODY))


@pytest.mark.parametrize("read", ["self", "members", "health", "leader"])
def test_the_agent_answers_for_itself(run, read):
    found = run(lambda nomad: getattr(nomad.agent, read)())
    assert found


def test_the_agent_s_version_and_health(run):
    async def scenario(nomad):
        return await nomad.agent.self(), await nomad.agent.health()

    agent, health = run(scenario)
    assert agent.version[0].isdigit()
    assert health.server
    assert health.client


def test_there_is_a_default_namespace(run):
    assert "default" in run(lambda nomad: nomad.agent.namespaces())


def test_another_namespace_lists_nothing_of_ours(run):
    async def scenario(nomad):
        spec = a_job(group={"Count": 0})
        await nomad.jobs.register(spec)
        async with nomad.within("default") as same:
            return spec, [job.id async for job in same.jobs.list(prefix=spec["ID"])]

    spec, found = run(scenario)
    assert found == [spec["ID"]]


# -- waiting


async def asked_too_often(_: float) -> None:
    raise AssertionError("the server answers a blocking query although nothing changed")


async def blocks(watch):
    """A waiting question that the server holds back."""
    waiting = asyncio.ensure_future(watch.next())
    done, _ = await asyncio.wait({waiting}, timeout=1)
    assert not done, waiting.exception()
    return waiting


def test_a_watch_wakes_when_its_job_changes_and_not_before(run):
    async def scenario(nomad):
        spec = a_job(group={"Count": 0})
        await nomad.jobs.register(spec)

        async def dead():
            return (await nomad.jobs.read(spec["ID"])).status == "dead"

        await eventually(dead, "nothing changes any more")
        watch = nomad.jobs.watch(spec["ID"], wait_s=10, rate=Rate(every_s=60, burst=2, sleep=asked_too_often))
        first = await watch.next()
        waiting = await blocks(watch)
        await nomad.jobs.register(changed(spec, a="1"))
        return first, await waiting

    first, second = run(scenario)
    assert (first.version, second.version) == (0, 1)


def test_a_watch_waits_for_a_job_that_does_not_exist(run):
    async def scenario(nomad):
        spec = a_job(group={"Count": 0})
        watch = nomad.jobs.watch(spec["ID"], wait_s=10, rate=Rate(every_s=60, burst=2, sleep=asked_too_often))
        missing = await watch.next()
        waiting = await blocks(watch)
        await nomad.jobs.register(spec)
        return missing, await waiting

    missing, made = run(scenario)
    assert missing is None
    assert made.version == 0


def test_a_watch_sees_an_allocation_come_to_run(run):
    async def scenario(nomad):
        spec = a_job()
        watch = nomad.jobs.watch_allocations(spec["ID"], wait_s=2, rate=FAST)
        assert await watch.next() == ()
        await nomad.jobs.register(spec)
        while True:
            found = await watch.next()
            if found and found[0].client_status == "running":
                return found

    assert len(run(scenario)) == 1


def test_the_stream_has_the_events_of_a_job(run):
    async def scenario(nomad):
        spec = a_job()
        feed = nomad.events.feed(f"Job:{spec['ID']}", f"Allocation:{spec['ID']}")
        types, whys = set(), []
        registered = False
        async for item in feed.items():
            if isinstance(item, ReadLists):
                whys.append(item.why)
                assert item.fault is None, item.fault
            elif isinstance(item, ClusterEvent):
                types.add((item.topic, item.type))
            if not registered:
                registered = True
                await nomad.jobs.register(spec)
            if {("Job", "JobRegistered"), ("Allocation", "AllocationUpdated")} <= types:
                return whys
        return whys

    assert run(scenario)[0] == "start"


def test_the_token_that_asks_is_described_without_its_secret(run):
    try:
        token = run(lambda nomad: nomad.agent.token())
    except Rejected as fault:
        said = str(fault)
    else:
        said = f"ACL support, and the token is {token.accessor_id}"
    assert "ACL support" in said


def test_a_task_over_its_memory_limit_is_killed_and_only_code_and_signal_say_so(run):
    async def scenario(nomad):
        greedy = "exec python3 -c 'import time; held = bytearray(64 << 20); time.sleep(3600)'"
        return (await started(nomad, greedy, "failed"))[1]

    ended = next(event for event in run(scenario).tasks["main"].events if event.type == "Terminated")
    assert (ended.exit_code, ended.signal, ended.details["oom_killed"]) == (137, 9, "false")


def test_a_job_that_asks_for_more_memory_than_there_is_waits_and_its_last_version_runs_on(run):
    async def scenario(nomad):
        spec, one = await started(nomad)
        (group,) = spec["TaskGroups"]
        task = {**group["Tasks"][0], "Resources": {"CPU": 20, "MemoryMB": 90_000_000}}
        await nomad.jobs.register({**spec, "TaskGroups": [{**group, "Tasks": [task]}]})

        async def blocked():
            return [each for each in await nomad.jobs.evaluations(spec["ID"]) if each.status == "blocked"]

        (waiting,) = await eventually(blocked, "an evaluation is blocked")
        return waiting, await nomad.allocations.read(one.id)

    waiting, alloc = run(scenario)
    assert waiting.failures["app"].exhausted == {"memory": 1}
    assert (alloc.client_status, alloc.desired_status) == ("running", "run")
