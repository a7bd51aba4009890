"""Services, health, catalogue, Connect and intentions on a real Consul."""

import asyncio
import contextlib

import pytest

from evolve.cluster.blocking import Rate
from evolve.cluster.faults import NotFound, Rejected

FAST = Rate(every_s=0.01, burst=100)


def a_service(name: str, **more: object) -> dict[str, object]:
    check = {"CheckID": f"{name}-ttl", "Name": "alive", "TTL": "60s"}
    return {
        "ID": f"{name}-1",
        "Name": name,
        "Address": "127.0.0.1",
        "Port": 4711,
        "Tags": ["v1"],
        "Check": check,
        **more,
    }


def test_a_service_begins_critical_and_passes_when_its_check_does(run, prefix):
    async def scenario(consul):
        await consul.services.register(a_service(prefix))
        before = await consul.health.service(prefix)
        assert await consul.health.service(prefix, passing=True) == ()
        await consul.services.pass_check(f"{prefix}-ttl")
        while not (after := await consul.health.service(prefix, passing=True)):
            await asyncio.sleep(0.02)
        await consul.services.deregister(f"{prefix}-1")
        return before, after

    (before,), (after,) = run(scenario)
    assert (before.status, after.status) == ("critical", "passing")
    assert (after.id, after.address, after.port, after.tags) == (f"{prefix}-1", "127.0.0.1", 4711, ("v1",))


def test_a_watch_on_a_service_wakes_when_it_passes_and_when_it_goes(run, prefix):
    async def scenario(consul):
        watch = consul.health.watch(prefix, passing=True, wait_s=20, rate=FAST)
        seen = [len(await watch.next())]
        waiting = asyncio.ensure_future(watch.next())
        await consul.services.register(a_service(prefix))
        await consul.services.pass_check(f"{prefix}-ttl")
        seen.append(len(await waiting))
        waiting = asyncio.ensure_future(watch.next())
        await consul.services.deregister(f"{prefix}-1")
        seen.append(len(await waiting))
        return seen

    assert run(scenario) == [0, 1, 0]


def test_an_unknown_service_has_no_instances_and_no_checks(run, prefix):
    async def scenario(consul):
        health, connect = await consul.health.service(prefix), await consul.health.connect(prefix)
        return health, connect, await consul.health.checks(prefix), await consul.catalog.service(prefix)

    assert run(scenario) == ((), (), (), ())


def test_the_checks_of_a_service_and_of_a_state(run, prefix):
    async def scenario(consul):
        await consul.services.register(a_service(prefix))
        found = (
            await consul.health.checks(prefix),
            await consul.health.in_state("critical"),
            await consul.services.checks(),
        )
        await consul.services.deregister(f"{prefix}-1")
        return found

    of_service, critical, of_agent = run(scenario)
    assert [(one.id, one.status, one.service_name) for one in of_service] == [(f"{prefix}-ttl", "critical", prefix)]
    assert of_service[0].id in {one.id for one in critical} & {one.id for one in of_agent}


def test_the_catalogue_has_a_service_whatever_its_checks_say(run, prefix):
    async def scenario(consul):
        await consul.services.register(a_service(prefix))
        found = await consul.catalog.services(), await consul.catalog.service(prefix), await consul.services.list()
        await consul.services.deregister(f"{prefix}-1")
        return found

    names, (instance,), of_agent = run(scenario)
    assert names[prefix] == ("v1",)
    assert (instance.id, instance.address, instance.port) == (f"{prefix}-1", "127.0.0.1", 4711)
    assert f"{prefix}-1" in {one.id for one in of_agent}


def test_registering_again_changes_the_service(run, prefix):
    async def scenario(consul):
        await consul.services.register(a_service(prefix))
        await consul.services.register(a_service(prefix, Port=4712))
        found = await consul.catalog.service(prefix)
        await consul.services.deregister(f"{prefix}-1")
        return found

    assert [one.port for one in run(scenario)] == [4712]


def test_deregistering_twice_leaves_nothing(run, prefix):
    """1.8 answers 200, later versions 404: both mean that it is gone."""

    async def scenario(consul):
        await consul.services.register(a_service(prefix))
        await consul.services.deregister(f"{prefix}-1")
        with contextlib.suppress(NotFound):
            await consul.services.deregister(f"{prefix}-1")
        return await consul.catalog.service(prefix)

    assert run(scenario) == ()


def test_a_service_without_a_name_and_an_unknown_check_are_rejected(run):
    async def nameless(consul):
        await consul.services.register({"Name": ""})

    async def unknown(consul):
        await consul.services.pass_check("nosuch")

    with pytest.raises(Rejected, match="Missing service name"):
        run(nameless)
    with pytest.raises((Rejected, NotFound)):
        run(unknown)


def test_a_sidecar_is_found_under_the_name_of_its_service(run, prefix):
    async def scenario(consul):
        await consul.services.register(a_service(prefix, Connect={"SidecarService": {}}))
        found = await consul.health.connect(prefix)
        await consul.services.deregister(f"{prefix}-1")
        return found, await consul.health.connect(prefix)

    (proxy,), after = run(scenario)
    assert (proxy.name, proxy.status) == (f"{prefix}-sidecar-proxy", "critical")
    assert after == ()


def test_an_intention_denies_is_changed_and_deleted(run, prefix):
    async def scenario(consul):
        source, destination = f"{prefix}-a", f"{prefix}-b"
        allowed = [await consul.intentions.allows(source, destination)]
        made = await consul.intentions.create(source, destination, "deny")
        allowed.append(await consul.intentions.allows(source, destination))
        assert made in {one.id for one in await consul.intentions.list()}
        (match,) = await consul.intentions.of_destination(destination)
        await consul.intentions.update(made, source, destination, "allow")
        allowed.append(await consul.intentions.allows(source, destination))
        await consul.intentions.delete(made)
        with pytest.raises(NotFound):
            await consul.intentions.delete(made)
        return allowed, match, made

    allowed, match, made = run(scenario)
    assert allowed == [True, False, True]
    assert (match.id, match.source, match.action) == (made, f"{prefix}-a", "deny")


def test_a_second_intention_for_a_pair_and_an_unknown_action_are_rejected(run, prefix):
    async def scenario(consul):
        made = await consul.intentions.create(prefix, prefix, "deny")
        try:
            with pytest.raises(Rejected, match="duplicate"):
                await consul.intentions.create(prefix, prefix, "deny")
            with pytest.raises(Rejected):
                await consul.intentions.create(f"{prefix}-a", prefix, "maybe")
        finally:
            await consul.intentions.delete(made)

    run(scenario)


def test_the_agent_says_who_it_is_and_who_leads(run):
    async def scenario(consul):
        return await consul.agent.self(), await consul.agent.leader()

    agent, leader = run(scenario)
    assert agent.version
    assert ":" in leader


def test_an_agent_without_acl_rejects_the_question_for_a_token(run):
    async def scenario(consul):
        return await consul.agent.token()

    try:
        said = f"ACL support, and the token is {run(scenario).accessor_id}"
    except Rejected as fault:
        said = str(fault)
    assert "ACL support" in said
