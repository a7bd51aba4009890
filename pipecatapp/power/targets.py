"""Which instances of a service pass their checks, by a blocking query of Consul."""

import asyncio
import logging
import random
import re
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from evolve.cluster.blocking import Rate
from evolve.cluster.consul.client import ConsulClient
from evolve.cluster.consul.values import ServiceInstance
from evolve.cluster.faults import ClusterFault

LOG: Final = logging.getLogger("power_agent")
_ALLOCATION: Final = re.compile(r"_nomad-task-([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})-")
"""How Nomad names a task's service in Consul; the middle is the allocation's ID."""
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 10.0


class Target(NamedTuple):
    """Where an instance takes connections."""

    host: str
    port: int


async def follow_targets(consul: ConsulClient, service: str, see: Callable[[Mapping[str, Target]], None]) -> None:
    """Report the passing instances whenever they change, for ever; what Consul said last is valid while it is away.

    Args:
        consul: the client.
        service: its name.
        see: gets the instances by their IDs, those of Nomad's allocations where they have one.
    """
    # A client waits for the answer: more questions at once than usual, since a start changes several things.
    watch = consul.health.watch(service, passing=True, rate=Rate(every_s=0.2, burst=20))
    pause_s = _FIRST_PAUSE_S
    while True:
        try:
            found = await watch.next() or ()
        except ClusterFault as fault:
            LOG.warning("%s: Consul does not answer: %s", service, fault)
            await asyncio.sleep(pause_s * random.uniform(0.5, 1))
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)
        else:
            pause_s = _FIRST_PAUSE_S
            see({_id_of(one): Target(one.address, one.port) for one in found})


def _id_of(one: ServiceInstance) -> str:
    found = _ALLOCATION.match(one.id)
    return found[1] if found else f"{one.node}/{one.id}"
