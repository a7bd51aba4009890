"""Measures the gateway: what it adds to a request and to a stream, compared with the expert itself and LiteLLM's proxy.

.venv/bin/python -m benchmarks.gateway --rounds 5 --litellm DIR/bin/litellm
"""

import argparse
import asyncio
import contextlib
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import aiohttp

from evolve.cluster.demo.agents import free_ports
from evolve.core.formats.yaml12 import dump_yaml
from fixtures.process_costs import cpu_of, peak_of, tree_of
from pipecatapp.gateway.keys import make_key
from pipecatapp.local.programs import Program, answers

CHUNKS, DELAY_S = 20, 0.1
KIB: Final = "word " * 205
"""A prompt of 1 KiB."""
START_S: Final = 120.0


@dataclass(slots=True)
class Contender:
    """One address to ask, and the process behind it whose CPU is counted."""

    name: str
    url: str
    key: str = "none"
    pid: int | None = None
    request_ms: list[list[float]] = field(default_factory=list)
    """Of each round."""
    request_cpu_ms: list[float] = field(default_factory=list)
    first_byte_ms: list[list[float]] = field(default_factory=list)
    stream_cpu_ms: list[float] = field(default_factory=list)
    errors: int = 0

    def cpu_s(self) -> float:
        """CPU seconds of its process and those that it started."""
        return sum(cpu_of(pid) for pid in tree_of(self.pid)) if self.pid else 0.0

    def peak_mb(self) -> float:
        """The most memory that its processes had, together."""
        return sum(peak_of(pid) for pid in tree_of(self.pid)) if self.pid else 0.0


def body(*, stream: bool) -> dict[str, Any]:
    """Return a chat request of 1 KiB."""
    return {"model": "expert-main", "messages": [{"role": "user", "content": KIB}], "stream": stream}


async def measure_requests(contender: Contender, count: int) -> None:
    """Ask one after the other on one connection."""
    took: list[float] = []
    headers = {"authorization": f"Bearer {contender.key}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        before = 0.0
        for index in range(count + 20):
            if index == 20:  # the first ones open connections and fill caches
                before, took = contender.cpu_s(), []
            begun = time.perf_counter()
            async with session.post(f"{contender.url}/chat/completions", json=body(stream=False)) as reply:
                contender.errors += (await reply.json())["choices"][0]["finish_reason"] != "stop"
            took.append((time.perf_counter() - begun) * 1000)
    contender.request_ms.append(took)
    contender.request_cpu_ms.append((contender.cpu_s() - before) * 1000 / count)


async def measure_streams(contender: Contender, count: int) -> None:
    """Ask for that many streams at once."""
    took: list[float] = []
    headers = {"authorization": f"Bearer {contender.key}"}
    async with aiohttp.ClientSession(headers=headers, connector=aiohttp.TCPConnector(limit=0)) as session:
        before = contender.cpu_s()
        async with asyncio.TaskGroup() as group:
            for _ in range(count):
                group.create_task(one_stream(session, contender, took))
        contender.stream_cpu_ms.append((contender.cpu_s() - before) * 1000 / count)
    contender.first_byte_ms.append(took)


async def one_stream(session: aiohttp.ClientSession, contender: Contender, took: list[float]) -> None:
    """Read one stream to its end."""
    begun = time.perf_counter()
    data = b""
    try:
        async with session.post(f"{contender.url}/chat/completions", json=body(stream=True)) as reply:
            async for part in reply.content.iter_any():
                if not data:
                    took.append((time.perf_counter() - begun) * 1000)
                data += part
    except aiohttp.ClientError as exc:
        data = repr(exc).encode()
    if not (data.rstrip().endswith(b"data: [DONE]") and f"t{CHUNKS - 1} ".encode() in data):
        contender.errors += 1
        print(f"{contender.name}: {data[-300:].decode(errors='replace')}", file=sys.stderr)


@contextlib.contextmanager
def started(folder: Path, litellm: str | None) -> Iterator[list[Contender]]:
    """Start the expert and everything in front of it, for a block."""
    programs: list[Program] = []

    def start(name: str, command: Sequence[str], port: int, path: str, env: Mapping[str, str] | None = None) -> int:
        program = Program(name, command, folder / f"{name}.log", env)
        programs.append(program)
        program.wait_until(lambda: answers(f"http://127.0.0.1:{port}{path}"), START_S)
        return program.pid

    try:
        expert, gateway, proxy = free_ports(3)
        command = [sys.executable, "-m", "fixtures.scripted_expert", str(expert), str(CHUNKS), str(DELAY_S)]
        start("expert", command, expert, "/health")
        found = [Contender("direct", f"http://127.0.0.1:{expert}/v1")]
        key = make_key("benchmark")
        (folder / "keys").write_text(key.line)
        (folder / "gateway.yaml").write_text(
            dump_yaml(
                {
                    "listen": f"127.0.0.1:{gateway}",
                    "keys_file": "keys",
                    "experts": {"expert-main": [{"url": f"http://127.0.0.1:{expert}"}]},
                    "access": {"default": {"requests_per_minute": 1_000_000, "concurrent": 1000}},
                }
            )
        )
        serve = [sys.executable, "-m", "pipecatapp.gateway", "serve", str(folder / "gateway.yaml")]
        pid = start("gateway", serve, gateway, "/health/ready")
        found.append(Contender("gateway", f"http://127.0.0.1:{gateway}/v1", key.key, pid))
        if litellm:
            parameters = {"model": "openai/expert-main", "api_base": f"http://127.0.0.1:{expert}/v1", "api_key": "none"}
            models = [{"model_name": "expert-main", "litellm_params": parameters}]
            (folder / "litellm.yaml").write_text(json.dumps({"model_list": models}))
            serve = [litellm, "--config", str(folder / "litellm.yaml"), "--port", str(proxy), "--host", "127.0.0.1"]
            pid = start(
                "litellm",
                serve,
                proxy,
                "/health/liveliness",
                {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_MASTER_KEY": f"sk-{key.key}"},
            )
            found.append(Contender("LiteLLM proxy", f"http://127.0.0.1:{proxy}/v1", f"sk-{key.key}", pid))
        yield found
    finally:
        for program in reversed(programs):
            program.end()


def quantile(values: list[float], share: float) -> float:
    """Return a quantile of values."""
    return sorted(values)[min(len(values) - 1, round(share * (len(values) - 1)))]


def median_of_rounds(rounds: list[list[float]], share: float) -> float:
    """Return the median over the rounds of a quantile."""
    return statistics.median(quantile(one, share) for one in rounds)


def added(contender: Contender, direct: Contender, share: float) -> float:
    """Return what a contender adds to a request: the median of the rounds' differences, in ms."""
    pairs = zip(contender.request_ms, direct.request_ms, strict=True)
    return statistics.median(quantile(own, share) - quantile(base, share) for own, base in pairs)


def print_tables(contenders: list[Contender], given: argparse.Namespace, litellm_version: str) -> None:
    """Print what was measured, in Markdown."""
    direct, *others = contenders
    versions = [f"{name} {version(name)}" for name in ("aiohttp", "fastapi", "uvicorn", "uvloop")]
    print(f"{time.strftime('%Y-%m-%d')}; {os.cpu_count()} cores, Linux {platform.release()}; Python", end=" ")
    print(
        f"{platform.python_version()}, {', '.join([*versions, litellm_version] if litellm_version else versions)};",
        end=" ",
    )
    print(f"medians of {given.rounds}\n")
    print(f"### {given.requests} chats of 1 KiB, one after the other\n")
    print("| | p50 ms | p99 ms | added p50 | added p99 | CPU-ms a request |\n|---|---:|---:|---:|---:|---:|")
    for one in contenders:
        more = [f"{added(one, direct, share):.2f}" if one is not direct else "" for share in (0.5, 0.99)]
        cpu = f"{statistics.median(one.request_cpu_ms):.2f}" if one.pid else ""
        p50, p99 = (f"{median_of_rounds(one.request_ms, share):.2f}" for share in (0.5, 0.99))
        print(f"| {one.name} | {p50} | {p99} | {more[0]} | {more[1]} | {cpu} |")
    print(f"\n### {given.streams} streams at once, {CHUNKS} chunks, {DELAY_S * 1000:.0f} ms apart\n")
    print("| | first byte p50 ms | p99 ms | CPU-ms a stream | peak MB | errors |\n|---|---:|---:|---:|---:|---:|")
    for one in contenders:
        cpu = f"{statistics.median(one.stream_cpu_ms):.2f}" if one.pid else ""
        peak = f"{one.peak_mb():.0f}" if one.pid else ""
        p50, p99 = (f"{median_of_rounds(one.first_byte_ms, share):.0f}" for share in (0.5, 0.99))
        print(f"| {one.name} | {p50} | {p99} | {cpu} | {peak} | {one.errors} |")
    print("\n| what | measured | target | |\n|---|---:|---:|---|")
    for text, value, target in targets(direct, others):
        print(f"| {text} | {value:.2f} | {target} | {'met' if value <= target else 'missed'} |")


def targets(direct: Contender, others: list[Contender]) -> Iterator[tuple[str, float, float]]:
    """Yield what was promised: a text, the value, and the most that it may be."""
    gateway, *proxies = others
    yield "ms added, p50", added(gateway, direct, 0.5), 1.0
    yield "ms added, p99", added(gateway, direct, 0.99), 5.0
    yield "CPU-ms a request", statistics.median(gateway.request_cpu_ms), 1.0
    late = median_of_rounds(gateway.first_byte_ms, 0.99) - median_of_rounds(direct.first_byte_ms, 0.99)
    yield "ms added to the first byte of a stream, p99", late, 250.0
    yield "CPU-ms a stream", statistics.median(gateway.stream_cpu_ms), 2.5
    yield "peak MB", gateway.peak_mb(), 120.0
    yield "errors", float(gateway.errors), 0.0
    for proxy in proxies:
        own = statistics.median(gateway.stream_cpu_ms) / statistics.median(proxy.stream_cpu_ms)
        yield f"CPU of a stream / that of {proxy.name}", own, 0.1
        yield f"memory / that of {proxy.name}", gateway.peak_mb() / proxy.peak_mb(), 0.25
        ratio = median_of_rounds(gateway.first_byte_ms, 0.99) / median_of_rounds(proxy.first_byte_ms, 0.99)
        yield f"p99 of a stream's first byte / that of {proxy.name}", ratio, 1.0


def main() -> None:
    """Measure in turns, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=300)
    parser.add_argument("--streams", type=int, default=200)
    parser.add_argument("--litellm", metavar="PROGRAM", help="of an environment with litellm[proxy]")
    given = parser.parse_args()
    litellm_version = ""
    if given.litellm:
        python = Path(given.litellm).with_name("python")
        code = "import importlib.metadata as m; print('litellm', m.version('litellm'))"
        litellm_version = subprocess.run(
            [python, "-c", code], capture_output=True, text=True, check=True
        ).stdout.strip()
    with tempfile.TemporaryDirectory() as folder, started(Path(folder), given.litellm) as contenders:
        for _ in range(given.rounds):
            for one in contenders:
                asyncio.run(measure_requests(one, given.requests))
            for one in contenders:
                asyncio.run(measure_streams(one, given.streams))
        print_tables(contenders, given, litellm_version)


if __name__ == "__main__":
    main()
