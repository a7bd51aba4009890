"""Measures the voice: from a person's last word to the answer's first sound, CPU, memory, words understood.

.venv/bin/python -m benchmarks.voice --sentences 20

A scripted model answers at once, so that what is measured is the voice. Sentences come from espeak-ng, at the speed
at which they are spoken.
"""

import argparse
import asyncio
import os
import re
import statistics
import sys
import tempfile
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from evolve.cluster.demo.agents import free_ports
from evolve.core.formats.yaml12 import dump_yaml
from evolve.system.cache_folder import cache_folder
from fixtures.process_costs import TICKS, peak_of, tree_of
from fixtures.scripted_twin import scripted_twin_process
from fixtures.voices import Caller, caller_of, silence, spoken
from pipecatapp.local.programs import Program, answers
from pipecatapp.voice.config import ESPEAK, PIPER
from pipecatapp.voice.installed import installed_voice, missing
from pipecatapp.wire.voice_events import IN_RATE, Heard, SpeechDropped

SENTENCES: Final = (
    "What is the weather like today?",
    "Turn on the kitchen light.",
    "Please tell me a long story about the sea.",
    "The answer is forty two.",
    "Is the kitchen door open?",
    "How is the cluster today?",
    "Read my notes about the boiler.",
    "Show me the state of all services.",
    "Which model answers my questions?",
    "Close the door of the garage.",
)
_START_S: Final = 180.0
_FRAME_S: Final = 0.1
_QUIET_S: Final = 2.6
"""Longer than the silence after which anything is complete."""
_IDLE_S: Final = 20.0


@dataclass
class Trial:
    """What sentences cost with one engine that speaks."""

    answer_s: list[float] = field(default_factory=list)
    interruption_s: list[float] = field(default_factory=list)
    right: int = 0
    sentence_cpu_s: float = 0.0
    idle_cpu_s: float = 0.0
    """Of a second in which nobody speaks."""
    peak_mb: float = 0.0


def _cpu_with_children(pid: int) -> float:
    """Return the CPU seconds of a process and of those that it started, the ended ones too."""
    total = 0
    for one in tree_of(pid):
        words = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        total += sum(map(int, words[11:15]))
    return total / TICKS


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z0-9]+", text.lower().replace("42", "forty two"))


async def _say_in_time(caller: Caller, sound: bytes) -> None:
    """Send sound as fast as it is spoken."""
    size = int(_FRAME_S * IN_RATE) * 2
    began = time.monotonic()
    for number, at in enumerate(range(0, len(sound), size)):
        await asyncio.sleep(began + number * _FRAME_S - time.monotonic())
        await caller.say(sound[at : at + size])


async def _answer_s(caller: Caller, words: str, trial: Trial) -> float:
    """Return the seconds from the end of a sentence to the first sound of its answer."""
    await _say_in_time(caller, spoken(words))
    ended = time.monotonic()
    quiet = asyncio.create_task(_say_in_time(caller, silence(_QUIET_S)))
    heard = await caller.message(Heard)
    trial.right += _words(heard.text) == _words(words)
    await caller.until(lambda one: isinstance(one, bytes))
    first = time.monotonic()
    await quiet
    return first - ended


async def _interruption_s(caller: Caller) -> float:
    """Return the seconds from the first word into an answer to its silence."""
    sound = spoken(SENTENCES[0])
    speaking = asyncio.create_task(_say_in_time(caller, sound))
    began = time.monotonic()
    await caller.until(lambda one: one == SpeechDropped())
    took = time.monotonic() - began - 0.5  # the silence before its first word
    await speaking
    return took


async def _measure(url: str, cookie: str, pid: int, count: int) -> Trial:
    trial = Trial()
    async with caller_of(url, cookie) as caller:
        await _answer_s(caller, SENTENCES[0], Trial())  # what is loaded at first use
        for number in range(count):
            before = _cpu_with_children(pid)
            trial.answer_s.append(await _answer_s(caller, SENTENCES[number % len(SENTENCES)], trial))
            trial.sentence_cpu_s += (_cpu_with_children(pid) - before) / count
            trial.interruption_s.append(await _interruption_s(caller))
            await caller.say(silence(_QUIET_S))
            await caller.message(Heard)
        await _say_in_time(caller, silence(6.0))
        before = _cpu_with_children(pid)
        await _say_in_time(caller, silence(_IDLE_S))
        trial.idle_cpu_s = (_cpu_with_children(pid) - before) / _IDLE_S
    trial.peak_mb = peak_of(pid)
    return trial


def run(engine: str, count: int) -> Trial:
    """Return what one engine costs."""
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory(prefix="voice-") as name, scripted_twin_process() as model:
        config: Any = {"listen": f"127.0.0.1:{port}", "model": {"url": model}, "voice": {"tts": {"engine": engine}}}
        path = Path(name) / "agent.yaml"
        path.write_text(dump_yaml(config), encoding="utf-8")
        program = Program("pipecatapp", _command(path), Path(name) / "log")
        try:
            program.wait_until(lambda: answers(f"{url}/api/session"), _START_S)
            return asyncio.run(_measure(url, _cookie(url), program.pid, count))
        finally:
            program.end()


def _command(path: Path) -> list[str]:
    return [sys.executable, "-m", "pipecatapp.agent", "serve", str(path)]


def _cookie(url: str) -> str:
    request = urllib.request.Request(f"{url}/login", b'{"key": ""}', {"content-type": "application/json"})
    with urllib.request.urlopen(request) as response:
        return str(response.headers["set-cookie"]).partition(";")[0]


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sentences", type=int, default=20, help="for each engine (default: 20)")
    given = parser.parse_args(arguments)
    print("engine     first sound p50, p90   silent p50  understood  CPU-s a sentence  CPU-s an idle second  peak")
    for engine in (ESPEAK, PIPER):
        if problem := missing(installed_voice(cache_folder(os.environ), engine)):
            print(f"{engine:<10} {problem}")
            continue
        found = run(engine, given.sentences)
        p90 = sorted(found.answer_s)[int(len(found.answer_s) * 0.9)]
        print(
            f"{engine:<10} {statistics.median(found.answer_s):11.2f} s, {p90:.2f} s"
            f" {statistics.median(found.interruption_s):9.2f} s {found.right:9}/{given.sentences}"
            f" {found.sentence_cpu_s:17.2f} {found.idle_cpu_s:21.3f} {found.peak_mb:5.0f} MB",
            flush=True,
        )


if __name__ == "__main__":
    main()
