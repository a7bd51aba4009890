"""Services that sleep as jobs of Nomad, with a real Consul: first requests are late and not lost."""

import json
import random
import socket
import threading
import time
import urllib.error
import urllib.request

import pytest

from fixtures.power_cluster import power_cluster, running_power_agent, sleeping_service
from fixtures.processes import wait_for

SERVICES = ("expert-a", "expert-b", "expert-c", "expert-d")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with power_cluster(tmp_path_factory.mktemp("power")) as found:
        for name in SERVICES:
            found.expert_job(name)
        yield found


def chat(url, content="hi"):
    """Return status, headers and body."""
    body = {"model": "m", "messages": [{"role": "user", "content": content}]}
    request = urllib.request.Request(f"{url}/v1/chat/completions", json.dumps(body).encode(), {"connection": "close"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, dict(answer.headers), json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, dict(error.headers), json.load(error)


def text_of(url, content):
    status, _, answer = chat(url, content)
    assert status == 200, answer
    return answer["choices"][0]["message"]["content"]


def in_parallel(work):
    """Run a work for each service, and return what they return."""
    results = {}

    def run(name):
        results[name] = work(name)

    threads = [threading.Thread(target=run, args=(name,)) for name in SERVICES]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == len(SERVICES), "a client failed: see above"
    return results


@pytest.mark.parametrize("rounds", [3, pytest.param(25, marks=pytest.mark.nightly)])
def test_each_first_request_to_a_sleeping_expert_is_answered(cluster, rounds):
    """12 first requests in CI, 100 at night."""

    def work(name):
        texts = []
        for number in range(rounds):
            wait_for("it sleeps", lambda: cluster.count(name) == 0 and cluster.state(name) == "asleep")
            texts.append(text_of(agent.url(name), f"{name} {number}"))
        return texts

    with running_power_agent(cluster.config(*(sleeping_service(name, idle_s=0.3) for name in SERVICES))) as agent:
        assert in_parallel(work) == {
            name: [f"echo: {name} {number}" for number in range(rounds)] for name in SERVICES
        }  # fmt: skip
        for name in SERVICES:
            assert agent.sample("power_agent_wakes_total", service=name, result="awake") >= rounds
            wait_for("it sleeps again", lambda name=name: cluster.count(name) == 0)
            assert agent.sample("power_agent_wakes_total", service=name, result="failed") == 0


@pytest.mark.parametrize("races", [5, pytest.param(50, marks=pytest.mark.nightly)])
def test_no_request_at_the_idle_edge_is_lost(cluster, races):
    """20 races in CI, 200 at night: a client comes as long after the last one as an idle service may live."""
    chance = random.Random(18)
    idle_s = 0.5

    def work(name):
        texts = []
        for number in range(races):
            texts.append(text_of(agent.url(name), f"{name} {number}"))
            # The tick of the agent, its two reads and its write take a part of a second.
            threading.Event().wait(idle_s + chance.uniform(-0.05, 0.4))
        return texts

    with running_power_agent(cluster.config(*(sleeping_service(name, idle_s=idle_s) for name in SERVICES))) as agent:
        assert in_parallel(work) == {
            name: [f"echo: {name} {number}" for number in range(races)] for name in SERVICES
        }  # fmt: skip
        slept = sum(agent.sample("power_agent_sleeps_total", service=name, result="asleep") for name in SERVICES)
        assert slept > 0
