"""Experts are killed at random moments of streams: an answer is whole, or says that it is not."""

import json
import random
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from fixtures.real_consul import free_ports
from fixtures.running_gateways import SHORT, experts_at, running_gateway
from pipecatapp.gateway.config import Access, GatewayConfig

ROOT = Path(__file__).parents[3]
CHUNKS, DELAY_S = 20, 0.01


class KillableExpert:
    """An expert in a process of its own, always at the same port."""

    def __init__(self, port):
        self.port = port
        self.start()

    def start(self):
        command = [sys.executable, "-m", "fixtures.scripted_expert", str(self.port), str(CHUNKS), str(DELAY_S)]
        self.process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        assert "serving" in self.process.stdout.readline()

    def kill(self):
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


def verdict(reply):
    """whole, error (said inside of the stream), refused (said by status) or cut."""
    if reply.status != 200:
        return "refused" if reply.json["error"]["code"] else "cut"
    events = [one.removeprefix(b"data: ") for one in reply.body.split(b"\n\n") if one.startswith(b"data: ")]
    if not events or events[-1] != b"[DONE]":
        return "cut"
    chunks = [json.loads(one) for one in events[:-1]]
    if "error" in chunks[-1]:
        return "error"
    texts = [one["choices"][0]["delta"].get("content") for one in chunks]
    return "whole" if texts[1:-1] == [f"t{index} " for index in range(CHUNKS)] else "cut"


def run_kills(kills):
    """Kill one of two experts so many times; return the streams' verdicts, and the status right after each kill."""
    chance = random.Random(18)
    experts = [KillableExpert(port) for port in free_ports(2)]
    urls = [f"http://127.0.0.1:{one.port}" for one in experts]
    verdicts, after = [], []
    config = GatewayConfig(
        experts=experts_at(*urls), timeouts=SHORT, access={"default": Access(requests_per_minute=10**6, concurrent=100)}
    )
    try:
        with running_gateway(config) as gateway:
            for _ in range(kills):
                threads = [
                    threading.Thread(target=lambda: verdicts.append(verdict(gateway.chat(stream=True))))
                    for _ in range(4)
                ]
                for thread in threads:
                    thread.start()
                # A random moment of a stream that takes 0.2 s, also before it begins.
                threading.Event().wait(chance.uniform(0, 0.25))
                victim = chance.choice(experts)
                victim.kill()
                after.append(gateway.chat().status)
                for thread in threads:
                    thread.join()
                victim.start()
    finally:
        for one in experts:
            one.kill()
    return verdicts, after


@pytest.mark.parametrize("kills", [20, pytest.param(200, marks=pytest.mark.nightly)])
def test_no_answer_is_cut_in_silence_and_the_next_request_is_answered(kills):
    verdicts, after = run_kills(kills)
    assert len(verdicts) == 4 * kills
    assert "cut" not in verdicts
    assert "whole" in verdicts
    assert "error" in verdicts
    assert after == [200] * kills
