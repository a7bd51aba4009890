"""The supervisor's lock and claims on a real Consul: one leader, and one claim for each failure."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

import pytest

from evolve.cluster.address import ClusterAddress
from evolve.cluster.consul.client import ConsulClient
from evolve.cluster.faults import ClusterFault
from evolve.core.model.healing import Incident
from evolve.supervision.claims import TTL_S, Claims, claims_below, lock_key
from fixtures.incidents import attempt as an_attempt
from fixtures.incidents import incident as an_incident

BELOW = claims_below("global")


def claims_of(consul: ConsulClient, name: str, *, cluster: str = "global", **more: Any) -> Claims:
    async def named() -> str:
        return cluster

    return Claims(consul, name, named, **more)


def begun(incident: str = "incident-1", healing: int = 1) -> Incident:
    return an_incident(incident, attempts=(an_attempt(f"{incident}-{healing}"),))


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def scenario(address: ClusterAddress, act: Callable[[ConsulClient], Coroutine[Any, Any, None]]) -> None:
    async def go() -> None:
        async with ConsulClient(address) as consul:
            await consul.keys.delete("anneal/", below=True)
            await act(consul)

    asyncio.run(asyncio.wait_for(go(), 60))


def test_one_of_two_leads_and_the_other_after_it(consul_agent):
    async def act(consul: ConsulClient) -> None:
        first, second = claims_of(consul, "first"), claims_of(consul, "second")
        assert await first.hold()
        assert not await second.hold()
        assert await first.hold()
        assert (first.is_leader, second.is_leader) == (True, False)
        await first.release()
        assert not first.is_leader
        assert await second.hold()
        await second.release()

    scenario(consul_agent, act)


def test_the_holder_stops_before_its_session_can_end(consul_agent):
    async def act(consul: ConsulClient) -> None:
        clock = Clock()
        claims = claims_of(consul, "one", monotonic=clock)
        assert await claims.hold()
        clock.now += TTL_S - 3.5
        assert claims.is_leader
        clock.now += 1.0
        assert not claims.is_leader
        assert not await claims.claim("key", begun())
        assert await consul.keys.read(BELOW + "key") is None
        await claims.release()

    scenario(consul_agent, act)


def test_a_failure_is_claimed_by_one_incident_only(consul_agent):
    async def act(consul: ConsulClient) -> None:
        first = claims_of(consul, "first")
        await first.hold()
        assert await first.claim("key", begun())
        assert await first.claim("key", begun(healing=2)), "its own claim is good again"
        await first.release()
        second = claims_of(consul, "second")
        assert await second.hold()
        assert not await second.claim("key", begun("incident-2"))
        assert await second.claim("other", begun("incident-2"))
        await second.release()

    scenario(consul_agent, act)


def test_a_session_that_was_destroyed_is_replaced(consul_agent):
    async def act(consul: ConsulClient) -> None:
        claims = claims_of(consul, "one")
        await claims.hold()
        for session in await consul.sessions.list():
            await consul.sessions.destroy(session.id)
        deadline = asyncio.get_running_loop().time() + 20
        while not await claims.hold():
            assert asyncio.get_running_loop().time() < deadline
            await asyncio.sleep(0.1)  # the lock delay, which nothing announces
        await claims.release()

    scenario(consul_agent, act)


def test_claims_whose_life_is_over_are_swept_and_others_stay(consul_agent):
    async def act(consul: ConsulClient) -> None:
        clock = Clock()
        claims = claims_of(consul, "one", now=clock)
        await claims.hold()
        await claims.claim("old", begun())
        clock.now += 8 * 86400
        await claims.claim("new", begun())
        await consul.keys.write(BELOW + "strange", b"no claim")
        assert await claims.sweep() == 1
        assert sorted(await consul.keys.list(BELOW)) == [BELOW + "new", BELOW + "strange"]
        await claims.release()

    scenario(consul_agent, act)


def test_two_clusters_on_one_consul_lead_and_claim_each_for_itself(consul_agent):
    async def act(consul: ConsulClient) -> None:
        east, west = claims_of(consul, "first", cluster="east"), claims_of(consul, "second", cluster="west/2")
        assert await east.hold()
        assert await west.hold()
        assert await east.claim("key", begun())
        assert await west.claim("key", begun("incident-2"))
        assert [one.claim.incident for one in await west.unsettled()] == ["incident-2"]
        await east.release()
        await west.release()

    scenario(consul_agent, act)


def test_a_lock_that_is_won_again_is_a_new_term_in_the_same_session(consul_agent):
    async def act(consul: ConsulClient) -> None:
        first, second = claims_of(consul, "first"), claims_of(consul, "second")
        assert await first.hold()
        assert await first.hold()
        assert first.term == 1
        await consul.keys.delete(lock_key("global"))  # by a person
        assert await second.hold()
        assert not await first.hold()
        await second.release()
        assert await first.hold()
        assert first.term == 2, "the second one led in between"
        await first.release()

    scenario(consul_agent, act)


def test_healings_that_are_not_over_come_in_the_order_in_which_they_began(consul_agent):
    async def act(consul: ConsulClient) -> None:
        one = claims_of(consul, "one")
        await one.hold()
        later = replace(an_attempt("incident-1-2"), began=an_attempt().began + 60)
        await one.claim("a", an_incident("incident-1", attempts=(an_attempt("incident-1-1"), later)))
        await one.claim("b", begun())
        assert [found.key for found in await one.unsettled()] == ["b", "a"]
        await one.release()

    scenario(consul_agent, act)


def test_a_healing_that_ended_while_consul_was_silent_is_settled_with_the_next_renewal(consul_agent):
    async def act(consul: ConsulClient) -> None:
        one = claims_of(consul, "one")
        await one.hold()
        await one.claim("key", begun())
        async with ConsulClient(ClusterAddress("http://127.0.0.1:1")) as silent:
            one._consul = silent
            with pytest.raises(ClusterFault):
                await one.settle("key", "incident-1-1")
        one._consul = consul
        assert [found.key for found in await one.unsettled()] == ["key"]
        await one.hold()
        assert await one.unsettled() == []
        await one.release()

    scenario(consul_agent, act)


def test_one_supervisor_takes_a_healing_over_and_the_other_knows_it(consul_agent):
    async def act(consul: ConsulClient) -> None:
        dead, second, third = (claims_of(consul, name) for name in ("dead", "second", "third"))
        await dead.hold()
        await dead.claim("key", begun())
        await dead.claim("over", begun("incident-2"))
        await dead.settle("over", "incident-2-1")
        await dead.release()
        await second.hold()
        (found,) = await second.unsettled()
        assert (found.key, found.claim.by, found.claim.begun) == ("key", "dead", begun())
        assert not await third.take_over(found), "it does not lead"
        assert await second.take_over(found)
        assert not await second.take_over(found), "the claim has changed since"
        assert not await dead.is_ours("key")
        assert await second.is_ours("key")
        assert await second.is_ours("unknown")
        await dead.settle("key", "incident-1-1")
        assert [one.key for one in await second.unsettled()] == ["key"], "it is no more the dead one's"
        assert not await dead.claim("key", begun(healing=2))
        # The dead one may live, and its change may still come: only check-and-set can follow.
        assert not await second.claim("key", begun(healing=2), is_guarded=False)
        assert await second.claim("key", begun(healing=2))
        assert not await second.claim("key", begun(healing=3), is_guarded=False), "another has claimed it since"
        await second.settle("key", "incident-1-2")
        assert await second.unsettled() == []
        await second.release()

    scenario(consul_agent, act)
