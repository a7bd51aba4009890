"""A real Consul for the contract: the one that CONSUL_HTTP_ADDR names, else an agent of its own for this run."""

import asyncio
import os
import shutil
import socket
import subprocess
import time
import urllib.request
import uuid
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from evolve.cluster.address import ClusterAddress, consul_address
from evolve.cluster.consul.client import ConsulClient

Scenario = Callable[[ConsulClient], Awaitable[Any]]


@pytest.fixture(scope="session")
def consul_agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterAddress]:
    """The agent; without a program it skips, and fails where EVOLVE_REQUIRE lists `consul`."""
    if (given := consul_address(os.environ)) is not None:
        yield given
        return
    if shutil.which("consul") is None:
        message = "needs consul: type ./bootstrap.sh consul"
        if "consul" in os.environ.get("EVOLVE_REQUIRE", "").replace(",", " ").split():
            pytest.fail(message)
        pytest.skip(message)
    with_log = tmp_path_factory.mktemp("consul") / "log"
    http, *others = free_ports(4)
    argv = ["consul", "agent", "-dev", "-node", "node-1", "-bind", "127.0.0.1", "-http-port", str(http)]
    argv += ["-dns-port", "-1", "-grpc-port", "-1"]
    for name, port in zip(("server", "serf-lan", "serf-wan"), others, strict=True):
        argv += [f"-{name}-port", str(port)]
    with with_log.open("w") as log:
        process = subprocess.Popen(argv, stdout=log, stderr=log)
    try:
        url = f"http://127.0.0.1:{http}"
        wait_for_leader(url, process, with_log)
        yield ClusterAddress(url)
    finally:
        process.terminate()
        process.wait(timeout=20)


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on at the moment, all different."""
    opened = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in opened]
    for one in opened:
        one.close()
    return ports


def wait_for_leader(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        try:
            # The node's own health check is there a moment after the leader.
            with urllib.request.urlopen(f"{url}/v1/health/node/node-1", timeout=5) as answer:
                if b"serfHealth" in answer.read():
                    return
        except OSError:
            pass
        time.sleep(0.05)
    pytest.fail(f"Consul has no leader: {log.read_text()[-2000:]}")


@pytest.fixture
def prefix(request: pytest.FixtureRequest) -> str:
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
