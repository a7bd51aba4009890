"""The agent of the contract: the stand-in, or a real one where NOMAD_ADDR is set."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from evolve.cluster.address import ClusterAddress
from evolve.cluster.nomad.client import NomadClient
from fixtures.nomad_contract import nomad_agent

Scenario = Callable[[NomadClient], Awaitable[Any]]


@pytest.fixture(scope="session")
def agent_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterAddress]:
    with nomad_agent(tmp_path_factory.mktemp("nomad")) as address:
        yield address


@pytest.fixture
def run(agent_address: ClusterAddress) -> Callable[[Scenario], Any]:
    """Runs a scenario with a client; its jobs are purged afterwards."""

    def runs(scenario: Scenario) -> Any:
        async def with_client() -> Any:
            async with NomadClient(agent_address) as nomad:
                try:
                    return await asyncio.wait_for(scenario(nomad), timeout=120)
                finally:
                    for job in [job async for job in nomad.jobs.list(prefix="anneal-")]:
                        await nomad.jobs.stop(job.id, purge=True)

        return asyncio.run(with_client())

    return runs
