"""A cluster in virtual time, a real Consul, and the records of a supervisor."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from evolve.cluster.address import ClusterAddress
from evolve.cluster.consul.client import ConsulClient
from evolve.core.cases.redaction import Redactor
from evolve.supervision.records import StoredRecords
from fixtures.real_consul import started_consul
from fixtures.supervised_cluster import ScriptedProposer, Supervised, VirtualCluster, supervised


@pytest.fixture(scope="session")
def consul_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterAddress]:
    """A Consul that the tests of this process share."""
    with started_consul(tmp_path_factory.mktemp("consul")) as url:
        yield ClusterAddress(url)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[VirtualCluster]:
    """A cluster with three nodes."""
    with closing(VirtualCluster(tmp_path / "nomad", nodes=3)) as made:
        yield made


@pytest.fixture
def records(tmp_path: Path) -> Iterator[StoredRecords]:
    """The supervisor's memory."""
    with closing(StoredRecords(tmp_path / "state", Redactor())) as made:
        yield made


Scenario = Callable[[Supervised], Coroutine[Any, Any, None]]


@pytest.fixture
def play(cluster: VirtualCluster, records: StoredRecords, consul_address: ClusterAddress) -> Callable[..., Supervised]:
    """Runs a scenario with a supervisor whose agent answers as given; returns the supervisor, closed."""

    def plays(scenario: Scenario, answer: Any = None, **more: Any) -> Supervised:
        script = answer if callable(answer) else lambda _: answer

        async def go() -> Supervised:
            async with ConsulClient(consul_address) as consul:
                await consul.keys.delete("anneal/", below=True)
                async with supervised(cluster, records, ScriptedProposer(script), consul, **more) as one:
                    await scenario(one)
                    if one.claims is not None:
                        await one.claims.release()
                    return one

        return asyncio.run(asyncio.wait_for(go(), 120))

    return plays
