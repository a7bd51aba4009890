"""Which experts a pool has: a list of URLs, or the instances of a service that pass their checks in Consul."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from evolve.cluster.address import ClusterAddress, consul_address
from evolve.cluster.consul.client import ConsulClient
from evolve.cluster.consul.values import ServiceInstance
from evolve.cluster.faults import ClusterFault

_AGAIN_S = 2.0
"""Pause after Consul did not answer; the experts that are known stay, and their own probes go on."""
LOCAL_CONSUL = ClusterAddress("http://127.0.0.1:8500")
"""Consul's own default, where CONSUL_HTTP_ADDR is not set."""


class Members(Protocol):
    """Where the URLs of a pool's experts come from."""

    async def follow(self, on: Callable[[tuple[str, ...]], None]) -> None:
        """Call `on` with the URLs at once and after each change, until cancelled or until nothing can change.

        Raises:
            EnvironmentFault: they cannot be found at the beginning; later faults are waited out.
        """
        ...


@dataclass(frozen=True, slots=True)
class ListedMembers:
    """The URLs of a config, which do not change."""

    urls: tuple[str, ...]

    async def follow(self, on: Callable[[tuple[str, ...]], None]) -> None:
        """See `Members.follow`."""
        on(self.urls)


@dataclass(frozen=True, slots=True)
class ConsulMembers:
    """The instances of a service that pass all their checks, by Consul's blocking queries."""

    address: ClusterAddress
    service: str
    tags: frozenset[str]
    """All of which an instance must have."""
    scheme: str
    path: str
    """Of the API, such as /v1."""

    async def follow(self, on: Callable[[tuple[str, ...]], None]) -> None:
        """See `Members.follow`."""
        async with ConsulClient(self.address) as consul:
            watch = consul.health.watch(self.service, passing=True)
            is_first = True
            while True:
                try:
                    on(self._urls(await watch.next() or ()))
                except ClusterFault:
                    if is_first:
                        raise
                    await asyncio.sleep(_AGAIN_S)
                is_first = False

    def _urls(self, instances: tuple[ServiceInstance, ...]) -> tuple[str, ...]:
        found = [one for one in instances if self.tags <= set(one.tags)]
        return tuple(sorted({f"{self.scheme}://{_host(one.address)}:{one.port}{self.path}" for one in found}))


def consul_of(env: Mapping[str, str]) -> ClusterAddress:
    """Return the agent of CONSUL_HTTP_ADDR, else the one of this machine; raises InputError for a wrong address."""
    return consul_address(env) or LOCAL_CONSUL


def _host(address: str) -> str:
    return f"[{address}]" if ":" in address else address
