"""The supervisor's lock and claims on a real Consul: one leader, and one claim for each failure."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from evolve.cluster.address import ClusterAddress
from evolve.cluster.consul.client import ConsulClient
from evolve.supervision.claims import CLAIMS, TTL_S, Claims


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
        first, second = Claims(consul, "first"), Claims(consul, "second")
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
        claims = Claims(consul, "one", monotonic=clock)
        assert await claims.hold()
        clock.now += TTL_S - 3.5
        assert claims.is_leader
        clock.now += 1.0
        assert not claims.is_leader
        assert not await claims.claim("key", "incident", "healing")
        assert await consul.keys.read(CLAIMS + "key") is None
        await claims.release()

    scenario(consul_agent, act)


def test_a_failure_is_claimed_by_one_incident_only(consul_agent):
    async def act(consul: ConsulClient) -> None:
        first = Claims(consul, "first")
        await first.hold()
        assert await first.claim("key", "incident-1", "incident-1-1")
        assert await first.claim("key", "incident-1", "incident-1-2"), "its own claim is good again"
        await first.release()
        second = Claims(consul, "second")
        assert await second.hold()
        assert not await second.claim("key", "incident-2", "incident-2-1")
        assert await second.claim("other", "incident-2", "incident-2-1")
        await second.release()

    scenario(consul_agent, act)


def test_a_session_that_was_destroyed_is_replaced(consul_agent):
    async def act(consul: ConsulClient) -> None:
        claims = Claims(consul, "one")
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
        claims = Claims(consul, "one", now=clock)
        await claims.hold()
        await claims.claim("old", "i", "h")
        clock.now += 8 * 86400
        await claims.claim("new", "i", "h")
        await consul.keys.write(CLAIMS + "strange", b"no claim")
        assert await claims.sweep() == 1
        assert sorted(await consul.keys.list(CLAIMS)) == [CLAIMS + "new", CLAIMS + "strange"]
        await claims.release()

    scenario(consul_agent, act)
