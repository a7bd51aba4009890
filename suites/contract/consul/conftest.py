"""A real Consul for the contract: the one that CONSUL_HTTP_ADDR names, else an agent of its own for this run."""

import asyncio
import os
import uuid
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from evolve.cluster.address import ClusterAddress, consul_address
from evolve.cluster.consul.client import ConsulClient
from fixtures.real_consul import started_consul

Scenario = Callable[[ConsulClient], Awaitable[Any]]


@pytest.fixture(scope="session")
def consul_agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterAddress]:
    """The agent that all tests share."""
    if (given := consul_address(os.environ)) is not None:
        yield given
        return
    with started_consul(tmp_path_factory.mktemp("consul")) as url:
        yield ClusterAddress(url)


@pytest.fixture
def prefix() -> str:
    """A name that no other test or run uses."""
    return f"anneal-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def run(consul_agent: ClusterAddress) -> Callable[[Scenario], Any]:
    """Runs a scenario with a client of the agent."""

    def runs(scenario: Scenario) -> Any:
        async def with_client() -> Any:
            async with ConsulClient(consul_agent) as consul:
                return await asyncio.wait_for(scenario(consul), timeout=120)

        return asyncio.run(with_client())

    return runs
