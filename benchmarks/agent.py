"""Measures the agent against its model: what a text turn adds to the model's own time, how fast it starts, its memory.

.venv/bin/python -m benchmarks.agent --turns 300
"""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import aiohttp

from evolve.cluster.demo.agents import free_ports
from evolve.core.formats.yaml12 import dump_yaml
from fixtures.process_costs import cpu_of, peak_of
from fixtures.scripted_twin import scripted_twin_process
from pipecatapp.local.programs import Program, answers
from pipecatapp.wire.agent_events import Say, TurnEnded, read_server_message, write_message

_WORDS: Final = "What is the capital of France?"
_START_S: Final = 180.0
_WARM: Final = 20
"""Turns before the clock counts."""


def started_agent(folder: Path, model: str, port: int) -> tuple[Program, float]:
    """Return the agent's process, and the seconds from its start until it answered."""
    config: Any = {
        "listen": f"127.0.0.1:{port}",
        "model": {"url": model},
        "memory": {"file": "memory.sqlite"},
    }
    path = folder / "agent.yaml"
    path.write_text(dump_yaml(config), encoding="utf-8")
    began = time.perf_counter()
    program = Program("pipecatapp", [sys.executable, "-m", "pipecatapp.agent", "serve", str(path)], folder / "log")
    program.wait_until(lambda: answers(f"http://127.0.0.1:{port}/api/session"), _START_S)
    return program, time.perf_counter() - began


async def direct_ms(client: aiohttp.ClientSession, model: str) -> float:
    """Return how long the model itself takes for the answer, in ms."""
    body = {"messages": [{"role": "user", "content": _WORDS}], "stream": True}
    began = time.perf_counter()
    async with client.post(f"{model}/v1/chat/completions", json=body) as response:
        await response.read()
    return (time.perf_counter() - began) * 1000


async def turn_ms(socket: aiohttp.ClientWebSocketResponse) -> float:
    """Return how long a turn takes from the words to its end, in ms."""
    began = time.perf_counter()
    await socket.send_str(write_message(Say(_WORDS)))
    while not isinstance(read_server_message((await socket.receive()).data), TurnEnded):
        pass
    return (time.perf_counter() - began) * 1000


async def measure(agent: str, model: str, turns: int, program: Program) -> dict[str, float]:
    """Return the numbers of alternating turns and direct calls."""
    # Each direct call opens a connection, as the agent does.
    connector = aiohttp.TCPConnector(force_close=True)
    async with aiohttp.ClientSession(connector=connector) as client, aiohttp.ClientSession() as page:
        async with page.post(f"{agent}/login", json={"key": ""}) as response:
            token = response.cookies["pipecatapp_session"].value
        headers = {"cookie": f"pipecatapp_session={token}", "origin": agent}
        async with page.ws_connect(f"{agent}/ws", headers=headers) as socket:
            for _ in range(_WARM):
                await turn_ms(socket)
            cpu = cpu_of(program.pid)
            pairs = [(await turn_ms(socket), await direct_ms(client, model)) for _ in range(turns)]
            spent = cpu_of(program.pid) - cpu
    added = [turn - direct for turn, direct in pairs]
    return {
        "turns": turns,
        "direct_p50_ms": round(statistics.median(direct for _, direct in pairs), 2),
        "turn_p50_ms": round(statistics.median(turn for turn, _ in pairs), 2),
        "added_p50_ms": round(statistics.median(added), 2),
        "added_p95_ms": round(statistics.quantiles(added, n=20)[-1], 2),
        "cpu_ms_a_turn": round(spent * 1000 / turns, 2),
        "peak_mb": round(peak_of(program.pid), 1),
    }


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    found = argparse.ArgumentParser("benchmarks.agent", description=__doc__)
    found.add_argument("--turns", type=int, default=300)
    found.add_argument("--starts", type=int, default=5)
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and print JSON."""
    given = parser().parse_args(arguments)
    starts, cpu = [], []
    with tempfile.TemporaryDirectory() as folder, scripted_twin_process() as model:
        for number in range(given.starts):
            (port,) = free_ports(1)
            program, seconds = started_agent(Path(folder), model, port)
            starts.append(seconds)
            cpu.append(cpu_of(program.pid))
            if number == given.starts - 1:
                found = asyncio.run(measure(f"http://127.0.0.1:{port}", model, given.turns, program))
            program.end()
    found |= {"start_p50_s": round(statistics.median(starts), 2), "start_cpu_s": round(statistics.median(cpu), 2)}
    print(json.dumps(found, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
