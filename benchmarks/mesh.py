"""Measures Consul's mesh between gateway and expert: each row without and with it, in turns, and the ratio.

.venv/bin/python -m benchmarks.mesh --rounds 7

It needs Consul (`./bootstrap.sh consul`). Expert, proxy and both gateways are processes of this machine.
"""

import argparse
import asyncio
import contextlib
import os
import platform
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import aiohttp

from evolve.cluster.consul.client import ConsulClient
from evolve.core.formats.yaml12 import dump_yaml
from fixtures.mesh_experts import MeshOfExperts, mesh_at
from fixtures.process_costs import cpu_of, peak_of
from fixtures.real_consul import free_ports, started_consul
from pipecatapp.gateway.mesh import Mesh
from pipecatapp.local.programs import Program, answers

EXPERT, GATEWAY = "expert-main", "moe-gateway"
KIB: Final = "word " * 205
"""A prompt of 1 KiB."""
START_S: Final = 60.0
CHUNKS: Final = 20
Trust: TypeAlias = ssl.SSLContext | Literal[True]


@dataclass(frozen=True, slots=True)
class Way:
    """One way from a client to the expert."""

    url: str
    tls: Trust = True


@dataclass(slots=True)
class Row:
    """One thing that is measured both ways."""

    text: str
    measure: Callable[[Way, int], Awaitable[list[float]]]
    plain: Way
    mesh: Way
    took: dict[str, list[float]] = field(default_factory=lambda: {"plain": [], "mesh": [], "mesh p95": []})
    """The medians of the rounds, in ms."""
    proxy_cpu_ms: list[float] = field(default_factory=list)


def body(*, stream: bool) -> dict[str, Any]:
    """Return a chat request of 1 KiB."""
    return {"model": EXPERT, "messages": [{"role": "user", "content": KIB}], "stream": stream}


async def new_connections(way: Way, count: int) -> list[float]:
    """Return how long requests took, each on a connection of its own."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as session:
        return [await one_request(session, way) for _ in range(count)]


async def kept_connection(way: Way, count: int) -> list[float]:
    """Return how long requests took, one after the other on one connection."""
    async with aiohttp.ClientSession() as session:
        await one_request(session, way)
        return [await one_request(session, way) for _ in range(count)]


async def first_bytes(way: Way, count: int) -> list[float]:
    """Return how long the first bytes of streams took; the expert ends the connection after each."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as session:
        return [await one_stream(session, way) for _ in range(count)]


async def one_request(session: aiohttp.ClientSession, way: Way) -> float:
    """Return the milliseconds of one request and its whole answer."""
    begun = time.perf_counter()
    async with session.post(f"{way.url}/v1/chat/completions", json=body(stream=False), ssl=way.tls) as reply:
        answer = await reply.json()
    assert answer["choices"][0]["finish_reason"] == "stop"
    return (time.perf_counter() - begun) * 1000


async def one_stream(session: aiohttp.ClientSession, way: Way) -> float:
    """Return the milliseconds until the first byte of a stream that came whole."""
    begun, first, data = time.perf_counter(), 0.0, b""
    async with session.post(f"{way.url}/v1/chat/completions", json=body(stream=True), ssl=way.tls) as reply:
        async for part in reply.content.iter_any():
            first = first or time.perf_counter()
            data += part
    assert data.endswith(b"data: [DONE]\n\n")
    return (first - begun) * 1000


@contextlib.contextmanager
def programs(folder: Path, mesh: MeshOfExperts) -> Iterator[tuple[tuple[Way, Way, Way], int]]:
    """Start the expert with its proxy, and a gateway without and with the mesh: three ways, and the proxy's port."""
    started: list[Program] = []

    def start(name: str, command: list[str], port: int, path: str) -> Way:
        program = Program(name, command, folder / f"{name}.log", None)
        started.append(program)
        program.wait_until(lambda: answers(f"http://127.0.0.1:{port}{path}"), START_S)
        return Way(f"http://127.0.0.1:{port}")

    def gateway(name: str, port: int, source: dict[str, Any]) -> Way:
        limits: dict[str, Any] = {"default": {"requests_per_minute": 1_000_000, "concurrent": 1000}}
        (folder / f"{name}.yaml").write_text(dump_yaml({"listen": f"127.0.0.1:{port}", "access": limits, **source}))
        serve = [sys.executable, "-m", "pipecatapp.gateway", "serve", str(folder / f"{name}.yaml")]
        return start(name, serve, port, "/health/ready")

    try:
        expert, plain, meshed = free_ports(3)
        command = [sys.executable, "-m", "fixtures.scripted_expert", str(expert), str(CHUNKS), "0"]
        direct = start("expert", command, expert, "/health")
        port = mesh.proxy(expert, id="bench")
        mesh.intend(GATEWAY, "allow")
        mesh.intend("*", "deny")
        first = gateway("plain", plain, {"experts": {EXPERT: [{"url": direct.url}]}})
        second = gateway("mesh", meshed, {"consul": {"url": mesh.address.url, "mesh_service": GATEWAY}})
        yield (direct, first, second), port
    finally:
        for program in reversed(started):
            program.end()


@contextlib.asynccontextmanager
async def identity(mesh: MeshOfExperts) -> AsyncIterator[ssl.SSLContext]:
    """Give what the gateway itself connects with."""
    async with ConsulClient(mesh.address) as consul:
        own = Mesh(consul, GATEWAY)
        await own.start()
        await own.wait(START_S)
        context = own.context(EXPERT)
        assert context is not None
        try:
            yield context
        finally:
            await own.stop()


async def measure(rows: list[Row], given: argparse.Namespace, pid: int) -> None:
    """Measure all rows in turns, the order of the two ways turned in each round."""
    for number in range(given.rounds):
        for row in rows:
            ways = [("plain", row.plain), ("mesh", row.mesh)]
            for name, way in ways if number % 2 else reversed(ways):
                before = cpu_of(pid)
                took = await row.measure(way, given.requests)
                row.took[name].append(statistics.median(took))
                if name == "mesh":
                    row.took["mesh p95"].append(sorted(took)[round(0.95 * (len(took) - 1))])
                    row.proxy_cpu_ms.append((cpu_of(pid) - before) * 1000 / given.requests)


def print_table(rows: list[Row], given: argparse.Namespace, pid: int, consul: str) -> None:
    """Print what was measured, in Markdown."""
    print(f"{time.strftime('%Y-%m-%d')}; {os.cpu_count()} cores, Linux {platform.release()}, loopback;", end=" ")
    print(f"Python {platform.python_version()}, aiohttp {version('aiohttp')}, {consul};", end=" ")
    print(f"medians of {given.rounds} rounds of {given.requests}; load {os.getloadavg()[0]:.1f}\n")
    print("| | without ms | with ms | added ms | ratio | with, p95 ms | CPU-ms of the proxy |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for row in rows:
        pairs = list(zip(row.took["plain"], row.took["mesh"], strict=True))
        plain, meshed, late = (statistics.median(row.took[name]) for name in ("plain", "mesh", "mesh p95"))
        more = statistics.median(with_it - without for without, with_it in pairs)
        ratio = statistics.median(with_it / without for without, with_it in pairs)
        cpu = statistics.median(row.proxy_cpu_ms)
        print(f"| {row.text} | {plain:.2f} | {meshed:.2f} | {more:.2f} | {ratio:.2f} | {late:.2f} | {cpu:.2f} |")
    print(f"\nThe proxy's peak memory: {peak_of(pid):.0f} MB.")


async def run(given: argparse.Namespace, mesh: MeshOfExperts, ways: tuple[Way, Way, Way], port: int) -> None:
    """Measure and print.

    Args:
        given: rounds and requests.
        mesh: with the expert's proxy.
        ways: to the expert, to the gateway without a mesh, and to the one with it.
        port: of the proxy.
    """
    direct, plain, meshed = ways
    async with identity(mesh) as context:
        through = Way(f"https://127.0.0.1:{port}", context)
        rows = [
            Row("to the expert, new connection", new_connections, direct, through),
            Row("to the expert, kept connection", kept_connection, direct, through),
            Row("to the expert, first byte of a stream", first_bytes, direct, through),
            Row("through the gateway, request", kept_connection, plain, meshed),
            Row("through the gateway, first byte of a stream", first_bytes, plain, meshed),
        ]
        pid = mesh.pids["bench"]
        await measure(rows, given, pid)
        asked = subprocess.run(["consul", "version"], capture_output=True, text=True, check=True)
        print_table(rows, given, pid, asked.stdout.splitlines()[0])


def main() -> None:
    """Measure in turns, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--requests", type=int, default=200)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with started_consul(folder) as url, mesh_at(url, folder) as mesh, programs(folder, mesh) as (ways, port):
            asyncio.run(run(given, mesh, ways, port))


if __name__ == "__main__":
    main()
